"""Compute statistics of the scores of several runs on several tasks, with their intervals.

There are aggregates, performance profiles, comparisons of two algorithms, and curves.

Scores are a matrix ``[runs, tasks]``. If a task has fewer runs than another task, NaN fills its column. Every task has
the same weight, for any number of runs. If all tasks have the same number of runs, all results are equal to the results
of the ``rliable`` package for the same resamples. Hamlet does not depend on ``rliable``, because that package requires
pandas, seaborn and statsmodels.

An interval is the percentile interval of a stratified bootstrap. Each resample samples runs within every task, with
replacement, and keeps the task's number of runs. If a task has a single run, resampling is not possible. The interval
is then unknown (NaN); its width is not reported as zero.

References: Agarwal et al., 2021, arXiv:2108.13264; Gorsane et al., 2022, arXiv:2209.10485.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float, Int

from hamlet.errors import RequestError, require

Statistic = Callable[[Float[np.ndarray, "*draws runs tasks"]], Float[np.ndarray, "*draws"]]
# The number of bootstrap resamples: for a single number, and for each point of a profile or a curve.
DRAWS, DRAWS_EACH = 10_000, 2_000
LEVEL = 0.95


@dataclass(frozen=True)
class IntervalEstimate:
    """A number and its interval; the ends of the interval are NaN if there are too few runs.

    >>> IntervalEstimate(0.5, 0.4, 0.6).overlaps(IntervalEstimate(0.7, 0.55, 0.9))
    True
    """

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether the interval is known."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def overlaps(self, other: "IntervalEstimate") -> bool:
        """Return whether the intervals have a point in common; an unknown interval overlaps every interval."""
        return not (self.low > other.high or self.high < other.low)


@dataclass(frozen=True)
class Band:
    """A profile or a curve: a number at every point, with pointwise intervals (NaN where unknown).

    Attributes:
        points: The thresholds of a profile, or the environment steps or seconds of a curve; ascending.
        value: The number at each point.
        low: The lower end of the interval at each point.
        high: The upper end of the interval at each point.
    """

    points: Float[np.ndarray, " points"]
    value: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]


def matrix(scores: Mapping[str, Sequence[float]]) -> Float[np.ndarray, "runs tasks"]:
    """Return the scores as a matrix ``[runs, tasks]``, with the tasks in the order of the mapping.

    Raises:
        RequestError: If there is no task, if a task has no run, or if a score is not finite.

    >>> matrix({"a": [1.0, 2.0], "b": [3.0]})
    array([[ 1.,  3.],
           [ 2., nan]])
    """
    require(bool(scores), "there are no scores: give at least one run of one task")
    for task, column in scores.items():
        require(len(column) > 0, f"there is no run of {task}: leave the task out, or train a run")
        require(bool(np.isfinite(column).all()), f"a score of {task} is not finite: leave that run out, and report it")
    rows = max(len(column) for column in scores.values())
    filled = np.full((rows, len(scores)), np.nan)
    for number, column in enumerate(scores.values()):
        filled[: len(column), number] = column
    return filled


def normalise(
    scores: Float[np.ndarray, "runs tasks"], low: Float[np.ndarray, " tasks"], high: Float[np.ndarray, " tasks"]
) -> Float[np.ndarray, "runs tasks"]:
    """Return the scores, normalised for each task: 0 at ``low`` and 1 at ``high``.

        normalised score = (score − low) / (high − low)

    Normalised scores are not clipped: they may be below 0 or above 1.

    Args:
        scores: The scores ``[runs, tasks]``.
        low: The lower bound of each task, for example the return of random play.
        high: The upper bound of each task, for example the return of the best known team.

    Raises:
        RequestError: If a task's bounds are not finite or not in ascending order.
    """
    for number, (bottom, top) in enumerate(zip(low, high, strict=True)):
        sound = bool(np.isfinite([bottom, top]).all() and top > bottom)
        require(
            sound,
            f"task {number} cannot be normalised from {bottom} to {top}: the lower bound must be below the upper bound",
        )
    return (scores - low) / (high - low)


def iqm(scores: Float[np.ndarray, "*draws runs tasks"]) -> Float[np.ndarray, "*draws"]:
    """Return the interquartile mean: the mean of the middle half of all scores of all tasks.

    For M scores, the ⌊M/4⌋ smallest and the ⌊M/4⌋ largest scores are left out. If tasks have different numbers of runs,
    a score has the weight 1/(runs of its task). The same share ⌊M/4⌋/M of the total weight is then left out at each
    end.

    >>> float(iqm(np.array([[0.0], [1.0], [3.0], [1000.0]])))
    2.0
    """
    present = ~np.isnan(scores)
    flat = scores.reshape(*scores.shape[:-2], -1)
    if present.all():
        out = flat.shape[-1] // 4
        return np.asarray(np.sort(flat, -1)[..., out : flat.shape[-1] - out].mean(-1))
    weight = (present / present.sum(-2, keepdims=True) / scores.shape[-1]).reshape(flat.shape)
    order = np.argsort(flat, axis=-1)  # NaN has no weight and is sorted last
    ordered, weight = (np.take_along_axis(array, order, -1) for array in (flat, weight))
    count = present.sum((-2, -1), keepdims=True)[..., 0]
    cut = (count // 4) / count
    upper = weight.cumsum(-1)
    inner_weight = np.clip(np.minimum(upper, 1 - cut) - np.maximum(upper - weight, cut), 0.0, None)
    return np.asarray((inner_weight * np.nan_to_num(ordered)).sum(-1) / inner_weight.sum(-1))


def mean(scores: Float[np.ndarray, "*draws runs tasks"]) -> Float[np.ndarray, "*draws"]:
    """Return the mean over tasks of the mean over runs."""
    return np.asarray(np.nanmean(scores, -2).mean(-1))


def median(scores: Float[np.ndarray, "*draws runs tasks"]) -> Float[np.ndarray, "*draws"]:
    """Return the median over tasks of the mean over runs."""
    return np.asarray(np.median(np.nanmean(scores, -2), -1))


def optimality_gap(
    scores: Float[np.ndarray, "*draws runs tasks"], *, target: float = 1.0
) -> Float[np.ndarray, "*draws"]:
    """Return the mean distance of scores below a target: target − mean of min(score, target). Lower is better."""
    return np.asarray(target - mean(np.minimum(scores, target)))


AGGREGATES: Mapping[str, Statistic] = {"iqm": iqm, "mean": mean, "median": median, "optimality_gap": optimality_gap}


def draw(
    scores: Float[np.ndarray, "runs tasks *points"], *, draws: int = DRAWS, seed: int = 0
) -> Int[np.ndarray, "draws runs tasks"]:
    """Sample the indices of the runs in each resample of a stratified bootstrap, for each task.

    Rows beyond a task's number of runs contain arbitrary valid indices, which `take` ignores.
    """
    runs = _packed(scores)[1]
    return np.random.default_rng(seed).integers(0, runs, size=(draws, *scores.shape[:2]))


def take(
    scores: Float[np.ndarray, "runs tasks"], picks: Int[np.ndarray, "draws runs tasks"]
) -> Float[np.ndarray, "draws runs tasks"]:
    """Return the resampled scores for the indices ``picks``."""
    packed, runs = _packed(scores)
    taken = packed[picks, np.arange(scores.shape[1])]
    return np.where(np.arange(len(scores))[:, None] < runs, taken, np.nan)


def interval(values: Float[np.ndarray, " draws *points"], level: float = LEVEL) -> Float[np.ndarray, " 2 *points"]:
    """Return the percentile interval of the values of the resamples."""
    tail = (1 - level) / 2
    return np.quantile(values, [tail, 1 - tail], axis=0)


def estimate(
    statistic: Statistic,
    scores: Float[np.ndarray, "runs tasks"],
    picks: Int[np.ndarray, "draws runs tasks"],
    level: float = LEVEL,
) -> IntervalEstimate:
    """Return a statistic of the scores, with its interval over the given resamples."""
    ends = interval(statistic(take(scores, picks)), level) if _several(scores) else (np.nan, np.nan)
    return IntervalEstimate(float(statistic(scores)), float(ends[0]), float(ends[1]))


def aggregates(
    scores: Float[np.ndarray, "runs tasks"], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, IntervalEstimate]:
    """Return the interquartile mean, mean, median and optimality gap, all over the same resamples.

    Args:
        scores: The scores ``[runs, tasks]``. Scores of several tasks must be normalised, because returns of different
            tasks have no common unit.
        draws: The number of resamples.
        seed: The random seed of the resamples.
    """
    picks = draw(scores, draws=draws, seed=seed)
    return {name: estimate(statistic, scores, picks) for name, statistic in AGGREGATES.items()}


def profile(
    scores: Float[np.ndarray, "runs tasks"],
    thresholds: Float[np.ndarray, " points"],
    *,
    of: Literal["runs", "means"] = "runs",
    picks: Int[np.ndarray, "draws runs tasks"] | None = None,
) -> Band:
    """Return a performance profile: the share of runs, or of task means, above each threshold.

        "runs":   F̂(τ) = 1/M Σₘ 1/Nₘ Σₙ 1[xₙₘ > τ]
        "means":  F̂(τ) = 1/M Σₘ 1[x̄ₘ > τ]

    τ is a threshold, M the number of tasks, Nₘ the number of runs of task m, xₙₘ the score of run n on task m, and x̄ₘ
    the mean score on task m.

    Args:
        scores: The scores ``[runs, tasks]``.
        thresholds: The thresholds τ, ascending.
        of: "runs" for the share of runs, "means" for the share of tasks by their mean score.
        picks: The indices of the resampled runs; by default they are sampled.
    """
    picks = draw(scores, draws=DRAWS_EACH) if picks is None else picks

    def share(values: np.ndarray) -> np.ndarray:
        columns = values if of == "runs" else np.nanmean(values, -2, keepdims=True)
        present = ~np.isnan(columns)
        weight = present / present.sum(-2, keepdims=True) / columns.shape[-1]
        parts = [((columns > threshold) * weight).sum((-2, -1)) for threshold in thresholds]
        return np.stack(parts, -1)

    return _band(thresholds, share(scores), share(take(scores, picks)) if _several(scores) else None)


def improvement(
    ours: Float[np.ndarray, "runs tasks"],
    theirs: Float[np.ndarray, "others tasks"],
    *,
    draws: int = DRAWS_EACH,
    picks: tuple[Int[np.ndarray, "draws runs tasks"], Int[np.ndarray, "draws others tasks"]] | None = None,
) -> IntervalEstimate:
    """Return the probability of improvement: that a run of X scores above a run of Y, as a mean over tasks.

        P(X > Y) = 1/M Σₘ 1/(NK) Σₙ Σₖ ( 1[xₙₘ > yₖₘ] + ½ 1[xₙₘ = yₖₘ] )

    M is the number of tasks. N and K are the numbers of runs of X and Y on task m, with the scores xₙₘ and yₖₘ. A tie
    counts one half.

    Args:
        ours: The scores of algorithm X.
        theirs: The scores of algorithm Y on the same tasks in the same order.
        draws: The number of resamples of X and of Y, which are sampled independently.
        picks: The indices of the resampled runs of X and of Y; by default they are sampled.
    """
    chosen = picks or (draw(ours, draws=draws, seed=0), draw(theirs, draws=draws, seed=1))

    def probability(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        tasks = []
        for task in range(first.shape[-1]):
            x, y = first[..., :, None, task], second[..., None, :, task]
            pairs = ~(np.isnan(x) | np.isnan(y))
            tasks.append((((x > y) + 0.5 * (x == y)) * pairs).sum((-2, -1)) / pairs.sum((-2, -1)))
        return np.asarray(np.mean(tasks, 0))

    ends = (np.nan, np.nan)
    if _several(ours) and _several(theirs):
        ends = interval(probability(take(ours, chosen[0]), take(theirs, chosen[1])))
    return IntervalEstimate(float(probability(ours, theirs)), float(ends[0]), float(ends[1]))


@dataclass(frozen=True)
class StepGrid:
    """The curves of several runs at common points.

    Attributes:
        points: The common points.
        values: The values at these points, one row for each run, in the order in which the runs were given.
        how: A text that states how the curves were brought to the common points.
    """

    points: Float[np.ndarray, " points"]
    values: Float[np.ndarray, "runs points"]
    how: str


def common_grid(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> StepGrid:
    """Return the curves of several runs at common points.

    If all curves have the same points, they stay unchanged. Otherwise they are interpolated linearly. The common points
    are then evenly spaced over the range that every run covers. Their number is the largest number of points that a run
    has in this range. Curves are not extrapolated: points beyond the shortest run are left out.

    Args:
        curves: The points (environment steps or seconds; ascending) and the values of each run.

    Raises:
        RequestError: If there is no curve, if a curve is empty, or if the runs have no range in common.
    """
    require(bool(curves) and all(len(points) for points, _ in curves), "there is a run without a point: leave it out")
    first = np.asarray(curves[0][0], float)
    if all(np.array_equal(first, points) for points, _ in curves):
        return StepGrid(first, np.array([values for _, values in curves], float), "at the runs' own points")
    start, end = max(float(points[0]) for points, _ in curves), min(float(points[-1]) for points, _ in curves)
    if start > end:
        raise RequestError(
            f"the runs have no range in common: one run starts at {start:g}, another run ends at {end:g}; "
            "leave one of them out"
        )
    count = max(int(((points >= start) & (points <= end)).sum()) for points, _ in curves)
    grid = np.linspace(start, end, max(count, 2) if end > start else 1)
    values = np.array([np.interp(grid, points, row) for points, row in curves], float)
    how = f"interpolated linearly at {len(grid)} evenly spaced points from {start:g} to {end:g}, "
    how += "the range that all runs cover"
    return StepGrid(grid, values, how)


def curve(
    points: Float[np.ndarray, " points"],
    values: Float[np.ndarray, "runs tasks points"],
    *,
    statistic: Statistic = iqm,
    picks: Int[np.ndarray, "draws runs tasks"] | None = None,
) -> Band:
    """Return a statistic over runs and tasks at every point, with pointwise intervals.

    With points in environment steps, the curve shows sample efficiency. With points in seconds of training, it shows
    time efficiency. Each resample uses the same runs at all points of the curve.

    Args:
        points: The points, common to all runs (see `common_grid`).
        values: The values ``[runs, tasks, points]``. Values of several tasks must be normalised. A missing run is NaN
            at all points.
        statistic: The statistic of the curve.
        picks: The indices of the resampled runs; by default they are sampled.
    """
    chosen = draw(values, draws=DRAWS_EACH) if picks is None else picks
    by_point = [values[:, :, number] for number in range(len(points))]
    estimates = np.array([statistic(scores) for scores in by_point])
    several = all(_several(scores) for scores in by_point)
    return _band(
        points,
        estimates,
        np.stack([statistic(take(point_scores, chosen)) for point_scores in by_point], -1) if several else None,
    )


def _band(points: np.ndarray, value: np.ndarray, resampled: np.ndarray | None) -> Band:
    ends = np.full((2, len(points)), np.nan) if resampled is None else interval(resampled)
    return Band(np.asarray(points, float), value, ends[0], ends[1])


def _packed(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the scores with the existing runs of each task in the first rows, and the number of runs of each task."""
    absent = np.isnan(scores.reshape(*scores.shape[:2], -1)).any(-1)
    order = np.argsort(absent, axis=0, kind="stable")
    if absent.all(0).any():
        raise RequestError("there is a task without a run: leave the task out, or train a run")
    order = order.reshape(*order.shape, *(1,) * (scores.ndim - 2))
    return np.take_along_axis(scores, order, 0), (~absent).sum(0)


def _several(scores: np.ndarray) -> bool:
    """Return whether every task has at least two runs, which resampling requires."""
    return bool((_packed(scores)[1] > 1).all())
