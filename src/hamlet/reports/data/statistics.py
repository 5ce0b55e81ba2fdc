"""What several runs on several tasks say together: aggregates, profiles, comparisons and curves, with their intervals.

Scores are a matrix ``[runs, tasks]``; a task with fewer runs than another has NaN in the rest of its column. Every task
counts the same, however many runs it has. With equally many runs all numbers are those of the ``rliable`` package given
the same resamples; it is no dependency because it draws in pandas, seaborn and statsmodels for these few lines.

An interval is the percentile interval of a stratified bootstrap: each resample draws, within every task, as many runs
as the task has, with replacement. Where a task has a single run there is nothing to resample, and the interval is
unknown (NaN) rather than of width zero.

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
# Resamples for a number, and for each of the many numbers of a profile or a curve.
DRAWS, DRAWS_EACH = 10_000, 2_000
LEVEL = 0.95


@dataclass(frozen=True)
class IntervalEstimate:
    """A number and its interval, whose ends are NaN where there are too few runs for one.

    >>> IntervalEstimate(0.5, 0.4, 0.6).overlaps(IntervalEstimate(0.7, 0.55, 0.9))
    True
    """

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether there is an interval."""
        return not (math.isnan(self.low) or math.isnan(self.high))

    def overlaps(self, other: "IntervalEstimate") -> bool:
        """Whether the intervals have a point in common; an unknown one overlaps everything."""
        return not (self.low > other.high or self.high < other.low)


@dataclass(frozen=True)
class Band:
    """A number at every point, with pointwise intervals (NaN where unknown): a profile or a curve.

    Attributes:
        points: Thresholds of a profile; environment steps or seconds of a curve; ascending.
        value: The number itself.
        low: Lower end of the interval.
        high: Upper end.
    """

    points: Float[np.ndarray, " points"]
    value: Float[np.ndarray, " points"]
    low: Float[np.ndarray, " points"]
    high: Float[np.ndarray, " points"]


def matrix(scores: Mapping[str, Sequence[float]]) -> Float[np.ndarray, "runs tasks"]:
    """The scores of every task's runs side by side, in the order of the mapping.

    Raises:
        RequestError: If there is no task, a task without a run, or a score that is not finite.

    >>> matrix({"a": [1.0, 2.0], "b": [3.0]})
    array([[ 1.,  3.],
           [ 2., nan]])
    """
    require(bool(scores), "there are no scores: give at least one run of one task")
    for task, column in scores.items():
        require(len(column) > 0, f"there is no run of {task}: leave the task out, or train one")
        require(bool(np.isfinite(column).all()), f"a score of {task} is not finite: leave that run out, and say so")
    rows = max(len(column) for column in scores.values())
    filled = np.full((rows, len(scores)), np.nan)
    for number, column in enumerate(scores.values()):
        filled[: len(column), number] = column
    return filled


def normalise(
    scores: Float[np.ndarray, "runs tasks"], low: Float[np.ndarray, " tasks"], high: Float[np.ndarray, " tasks"]
) -> Float[np.ndarray, "runs tasks"]:
    """Scores on each task's own scale: 0 at ``low``, as of random play, and 1 at ``high``, as of the best known team.

    Nothing is clipped: a score may lie below 0 or above 1.

    Raises:
        RequestError: If a task's bounds are not finite or not in ascending order.
    """
    for number, (bottom, top) in enumerate(zip(low, high, strict=True)):
        sound = bool(np.isfinite([bottom, top]).all() and top > bottom)
        require(sound, f"task {number} cannot be normalised from {bottom} to {top}: the lower bound comes first")
    return (scores - low) / (high - low)


def iqm(scores: Float[np.ndarray, "*draws runs tasks"]) -> Float[np.ndarray, "*draws"]:
    """Interquartile mean: of the middle half of all scores of all tasks.

    Of M scores the ⌊M/4⌋ least and the ⌊M/4⌋ greatest are left out. Where tasks have unlike numbers of runs a score has
    the weight 1/runs of its task, and the same share of the whole weight is left out at either end.

    >>> float(iqm(np.array([[0.0], [1.0], [3.0], [1000.0]])))
    2.0
    """
    present = ~np.isnan(scores)
    flat = scores.reshape(*scores.shape[:-2], -1)
    if present.all():
        out = flat.shape[-1] // 4
        return np.asarray(np.sort(flat, -1)[..., out : flat.shape[-1] - out].mean(-1))
    weight = (present / present.sum(-2, keepdims=True) / scores.shape[-1]).reshape(flat.shape)
    order = np.argsort(flat, axis=-1)  # NaN, which has no weight, comes last
    ordered, weight = (np.take_along_axis(array, order, -1) for array in (flat, weight))
    count = present.sum((-2, -1), keepdims=True)[..., 0]
    cut = (count // 4) / count
    upper = weight.cumsum(-1)
    inner_weight = np.clip(np.minimum(upper, 1 - cut) - np.maximum(upper - weight, cut), 0.0, None)
    return np.asarray((inner_weight * np.nan_to_num(ordered)).sum(-1) / inner_weight.sum(-1))


def mean(scores: Float[np.ndarray, "*draws runs tasks"]) -> Float[np.ndarray, "*draws"]:
    """The mean over tasks of the mean over runs."""
    return np.asarray(np.nanmean(scores, -2).mean(-1))


def median(scores: Float[np.ndarray, "*draws runs tasks"]) -> Float[np.ndarray, "*draws"]:
    """The median over tasks of the mean over runs."""
    return np.asarray(np.median(np.nanmean(scores, -2), -1))


def optimality_gap(
    scores: Float[np.ndarray, "*draws runs tasks"], *, target: float = 1.0
) -> Float[np.ndarray, "*draws"]:
    """How far scores fall short of a target, in the mean: target − mean of min(score, target). Less is better."""
    return np.asarray(target - mean(np.minimum(scores, target)))


AGGREGATES: Mapping[str, Statistic] = {"iqm": iqm, "mean": mean, "median": median, "optimality_gap": optimality_gap}


def draw(
    scores: Float[np.ndarray, "runs tasks *points"], *, draws: int = DRAWS, seed: int = 0
) -> Int[np.ndarray, "draws runs tasks"]:
    """Which runs each resample of a stratified bootstrap has, task by task; beyond a task's runs, any number."""
    runs = _packed(scores)[1]
    return np.random.default_rng(seed).integers(0, runs, size=(draws, *scores.shape[:2]))


def take(
    scores: Float[np.ndarray, "runs tasks"], picks: Int[np.ndarray, "draws runs tasks"]
) -> Float[np.ndarray, "draws runs tasks"]:
    """The resamples themselves."""
    packed, runs = _packed(scores)
    taken = packed[picks, np.arange(scores.shape[1])]
    return np.where(np.arange(len(scores))[:, None] < runs, taken, np.nan)


def interval(values: Float[np.ndarray, " draws *points"], level: float = LEVEL) -> Float[np.ndarray, " 2 *points"]:
    """The percentile interval of what resamples gave."""
    tail = (1 - level) / 2
    return np.quantile(values, [tail, 1 - tail], axis=0)


def estimate(
    statistic: Statistic,
    scores: Float[np.ndarray, "runs tasks"],
    picks: Int[np.ndarray, "draws runs tasks"],
    level: float = LEVEL,
) -> IntervalEstimate:
    """A statistic with its interval over given resamples."""
    ends = interval(statistic(take(scores, picks)), level) if _several(scores) else (np.nan, np.nan)
    return IntervalEstimate(float(statistic(scores)), float(ends[0]), float(ends[1]))


def aggregates(
    scores: Float[np.ndarray, "runs tasks"], *, draws: int = DRAWS, seed: int = 0
) -> dict[str, IntervalEstimate]:
    """Interquartile mean, mean, median and optimality gap, all over the same resamples.

    Args:
        scores: Normalised ones where there are several tasks: returns of unlike tasks have no common unit.
        draws: Resamples.
        seed: From which they are drawn.
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
    """A performance profile: the share above each threshold, of runs, or of tasks by the mean over their runs.

    runs:  F̂(τ) = 1/M Σₘ 1/Nₘ Σₙ 1[xₙₘ > τ]          means:  F̂(τ) = 1/M Σₘ 1[x̄ₘ > τ]
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
    """The probability that a run of ours scores above one of theirs, a tie counting half, in the mean over tasks.

        P(X > Y) = 1/M Σₘ 1/(NK) Σₙ Σₖ ( 1[xₙₘ > yₖₘ] + ½ 1[xₙₘ = yₖₘ] )

    Args:
        ours: Scores of X.
        theirs: Scores of Y on the same tasks in the same order.
        draws: Resamples of either, independently.
        picks: Resamples that were drawn already, in their place.
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
    """Curves of several runs at the same points.

    Attributes:
        points: Where.
        values: One row for each run, in the order that they were given.
        how: How they were brought there, in words for a reader.
    """

    points: Float[np.ndarray, " points"]
    values: Float[np.ndarray, "runs points"]
    how: str


def common_grid(curves: Sequence[tuple[np.ndarray, np.ndarray]]) -> StepGrid:
    """Curves brought to the same points: as they are where those agree, else by linear interpolation.

    The grid then has evenly spaced points over the range that every run covers, as many as the run with the most has
    there. Nothing is extrapolated: what lies beyond the shortest run is left out.

    Args:
        curves: Points (environment steps, or seconds; ascending) and values of each run.

    Raises:
        RequestError: If there is no curve, one is empty, or the runs have no range in common.
    """
    require(bool(curves) and all(len(points) for points, _ in curves), "there is a run without a point: leave it out")
    first = np.asarray(curves[0][0], float)
    if all(np.array_equal(first, points) for points, _ in curves):
        return StepGrid(first, np.array([values for _, values in curves], float), "at the runs' own points")
    start, end = max(float(points[0]) for points, _ in curves), min(float(points[-1]) for points, _ in curves)
    if start > end:
        raise RequestError(
            f"the runs have no range in common: one begins at {start:g}, another ends at {end:g}; leave one out"
        )
    count = max(int(((points >= start) & (points <= end)).sum()) for points, _ in curves)
    grid = np.linspace(start, end, max(count, 2) if end > start else 1)
    values = np.array([np.interp(grid, points, row) for points, row in curves], float)
    how = f"interpolated linearly at {len(grid)} even points from {start:g} to {end:g}, the range that all runs cover"
    return StepGrid(grid, values, how)


def curve(
    points: Float[np.ndarray, " points"],
    values: Float[np.ndarray, "runs tasks points"],
    *,
    statistic: Statistic = iqm,
    picks: Int[np.ndarray, "draws runs tasks"] | None = None,
) -> Band:
    """A statistic over runs and tasks at every point, with pointwise intervals.

    With points in environment steps it shows the efficiency in samples, with seconds of training that in time. The same
    resampled runs are followed along the whole curve.

    Args:
        points: Common to all runs: see `common_grid`.
        values: Normalised where there are several tasks; NaN in all points of a run that is not there.
        statistic: What is shown.
        picks: Resampled runs; by default drawn.
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
    """The runs of each task first, and how many they are."""
    absent = np.isnan(scores.reshape(*scores.shape[:2], -1)).any(-1)
    order = np.argsort(absent, axis=0, kind="stable")
    if absent.all(0).any():
        raise RequestError("there is a task without a run: leave it out, or train one")
    order = order.reshape(*order.shape, *(1,) * (scores.ndim - 2))
    return np.take_along_axis(scores, order, 0), (~absent).sum(0)


def _several(scores: np.ndarray) -> bool:
    """Whether every task has two runs or more, without which there is nothing to resample."""
    return bool((_packed(scores)[1] > 1).all())
