"""Compute the curves (over steps and over seconds) and the final scores of groups of runs.

The statistics are those of `hamlet.reports.data.statistics`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hamlet.errors import RequestError
from hamlet.reports.data import statistics
from hamlet.reports.data.grouping import RunGroup, finite
from hamlet.reports.data.run_data import RunData, Series
from hamlet.reports.data.sides import wins_of
from hamlet.reports.data.statistics import Band, IntervalEstimate

# The maximum number of points of a curve; a page is not wide enough for more.
POINTS = 100
# Bootstrap resamples for each point of a curve. A plotted band needs fewer resamples than a number in a table.
_DRAWS = 1_000
# The last fraction of a run; its training returns give the final score if the run was not evaluated.
_END = 0.05


@dataclass(frozen=True)
class Source:
    """The source of the final scores; all runs of an environment use the same source.

    Attributes:
        name: The name of the source, for the head of a table.
        of: The function that returns a run's score, or None if the run has no score from this source.
    """

    name: str
    of: Callable[[RunData], float | None]


@dataclass(frozen=True)
class Curve:
    """A group's returns over steps or seconds.

    Attributes:
        band: The interquartile mean and its interval at each point.
        how: A text that states how the runs were brought to common points.
    """

    band: Band
    how: str


def thinned(series: Series, limit: int = POINTS) -> Series:
    """Return a series of at most ``limit`` points, the means over intervals of equal length (in steps) of the run.

    >>> thinned(Series(np.array([1, 2, 3, 4]), np.array([0.0, 2.0, 4.0, 6.0]), np.arange(4.0)), 2).values.tolist()
    [1.0, 5.0]
    """
    if len(series) <= limit:
        return series
    stretch = np.ceil(series.steps * limit / series.steps[-1]).astype(int).clip(1) - 1
    count = np.bincount(stretch, minlength=limit)
    filled = count > 0

    def mean(values):
        return np.bincount(stretch, values, limit)[filled] / count[filled]

    steps = np.round(mean(series.steps.astype(float))).astype(np.int64)
    return Series(steps, mean(series.values), mean(series.seconds))


def curve(series: Sequence[Series], *, over: str) -> Curve | None:
    """Return the curve of the interquartile mean over runs, with its interval.

    The result is None if no run has a point, or if the runs have no range in common.

    Args:
        series: One series for each run.
        over: The quantity on the x axis: "steps" or "seconds".
    """
    curves = [(getattr(run_series, over).astype(float), run_series.values) for run_series in series if len(run_series)]
    curves = [(points, values) for points, values in curves if np.isfinite(points).all()]
    if not curves:
        return None
    try:
        grid = statistics.common_grid(curves)
    except RequestError:
        return None
    values = grid.values[:, None]
    return Curve(statistics.curve(grid.points, values, picks=statistics.draw(values, draws=_DRAWS)), grid.how)


def source(runs: Sequence[RunData]) -> Source:
    """Return the preferred source of final scores that all the given runs have."""
    every = [kind for kind in _SOURCES if all(kind.of(run) is not None for run in runs)]
    return every[0] if every else _SOURCES[-1]


def final(group: RunGroup, chosen: Source) -> list[float]:
    """Return the final scores of the counted runs of a group."""
    scores = [chosen.of(run) for run in group.counted]
    return [score for score in scores if score is not None]


def absolute(group: RunGroup) -> list[float]:
    """Return the final evaluation of the best policy (the "absolute metric" of Gorsane et al.) of every counted run.

    The result is empty if any counted run lacks this evaluation.
    """
    scores = [_absolute(run) for run in group.counted]
    known = [score for score in scores if score is not None]
    return known if len(known) == len(scores) else []


def estimates(scores: Sequence[float]) -> dict[str, IntervalEstimate]:
    """Return the interquartile mean and the mean of the scores on one environment; empty if there are no scores."""
    if not scores:
        return {}
    aggregates = statistics.aggregates(statistics.matrix({"": scores}))
    return {name: aggregates[name] for name in ("iqm", "mean")}


def random_play(runs: Sequence[RunData]) -> float | None:
    """Return the return of random play.

    It is the exact value if the environment declares it, otherwise the mean over the runs' evaluations of random play.
    It is None if there is neither.
    """
    exact = [run.known.random for run in runs if run.known is not None and run.known.random is not None]
    played = [point for run in runs for point in run.points if point["mode"] == "random"]
    # Only the evaluations with the largest number of episodes count.
    longest = max((_episodes(point) for point in played), default=0)
    means = exact[:1] or [float(point["mean"]) for point in played if _episodes(point) == longest]
    return float(np.mean(means)) if means else None


@dataclass(frozen=True)
class Scale:
    """The bounds for the normalisation of the returns of one environment.

    Attributes:
        low: The return that becomes the score 0: the return of random play.
        high: The return that becomes the score 1: the optimum, or else the return of the best run.
        known: Whether ``high`` is the optimum.
    """

    low: float
    high: float
    known: bool

    @classmethod
    def of(cls, low: float | None, optimum: float | None, scores: Sequence[float]) -> "Scale | None":
        """Return the scale from random play to the optimum, or to the best of the scores if the optimum is unknown.

        The result is None if a bound is missing or the upper bound is not above the lower bound.

        >>> Scale.of(-20.0, 10.0, [2.0]), Scale.of(-20.0, None, [2.0, -5.0]), Scale.of(3.0, None, [2.0])
        (Scale(low=-20.0, high=10.0, known=True), Scale(low=-20.0, high=2.0, known=False), None)
        """
        high = max(scores, default=-np.inf) if optimum is None else optimum
        if low is None or not np.isfinite(high) or high <= low:
            return None
        return cls(low, float(high), optimum is not None)

    def score(self, value: float) -> float:
        """Return the score of a return: 0 at ``low`` and 1 at ``high``."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Normalised:
    """The scores of several environments on one scale.

    Attributes:
        scores: The scores of the runs, by algorithm and environment.
        known: Whether 1 is the optimum of every environment. Only in this case is there an optimality gap.
        how: A text that states what 0 and 1 mean.
        ends: A short form of this text, for an axis.
    """

    scores: dict[str, dict[str, list[float]]]
    known: bool
    how: str
    ends: str


def normalised(
    columns: Mapping[str, Mapping[str, Sequence[float]]], low: Mapping[str, float], optima: Mapping[str, float]
) -> Normalised | None:
    """Normalise the final scores of several tasks to one scale.

    0 is random play. 1 is the optimum of each task, or its best run if the optimum is unknown. The result is None
    unless there are several tasks, each task has a return of random play below the upper bound, and all algorithms
    have runs on all tasks.

    Args:
        columns: The final scores, by algorithm and task.
        low: The return of random play, by task.
        optima: The largest return that a policy can reach, by task; only the tasks where it is known.
    """
    names = list(next(iter(columns.values()), {}))
    complete = all(
        list(column) == names and all(len(scores) for scores in column.values()) for column in columns.values()
    )
    if len(names) < 2 or not complete:
        return None
    scales = {
        name: Scale.of(
            low.get(name), optima.get(name), [score for column in columns.values() for score in column[name]]
        )
        for name in names
    }
    sure = {name: scale for name, scale in scales.items() if scale is not None}
    if len(sure) < len(names):
        return None
    normalised_scores = {
        who: {name: [sure[name].score(score) for score in scores] for name, scores in column.items()}
        for who, column in columns.items()
    }
    best = [name for name in names if not sure[name].known]
    return Normalised(normalised_scores, not best, _told(names, best), f"0 random play, 1 {_end(names, best)}")


def _told(names: Sequence[str], best: Sequence[str]) -> str:
    if not best:
        return "0 is random play, 1 is the optimum of each environment"
    if len(best) == len(names):
        how = "0 is random play, 1 is the best run of each environment in this report"
        return f"{how}; no optimum is known, so there is no optimality gap"
    return (
        f"0 is random play, 1 is the optimum, or on {' and '.join(best)} the best run in this report; "
        "not every optimum is known, so there is no optimality gap"
    )


def _end(names: Sequence[str], best: Sequence[str]) -> str:
    return "the optimum" if not best else "the best run" if len(best) == len(names) else "the optimum or best run"


def gap(scores: Sequence[float], scale: Scale | None) -> IntervalEstimate | None:
    """Return the optimality gap of the runs on one environment: the mean distance of their scores below 1.

        gap = 1 − mean of min(score, 1)

    A score is 0 at random play and 1 at the optimum. The result is None if the optimum is unknown or there are no
    scores.
    """
    if scale is None or not scale.known or not scores:
        return None
    values = statistics.matrix({"": [scale.score(score) for score in scores]})
    return statistics.aggregates(values)["optimality_gap"]


@dataclass(frozen=True)
class SideScores:
    """The results of one agent in a constant-sum game.

    Attributes:
        agent: The name of the agent.
        returns: The interquartile mean and the mean over runs of its mean return in the last evaluation.
        wins: The share of episodes in which its return was above every other agent's return, as a mean over runs;
            None if unknown.
        random: Its return if all agents act at random; None if it was not measured.
        against_random: Its share of wins if all other sides act at random; None if it was not measured.
        curves: The curves of its return, over "steps" and over "seconds".
        each: The curve of every run, with the seed of the run.
    """

    agent: str
    returns: dict[str, IntervalEstimate]
    wins: IntervalEstimate | None
    random: float | None
    against_random: IntervalEstimate | None
    curves: dict[str, Curve | None]
    each: list[tuple[Series, int | None]]


def sides(runs: Sequence[RunData]) -> list[SideScores]:
    """Return the results of each agent in the evaluations of the given runs of one environment."""
    known = [(run, run.sides) for run in runs if run.sides is not None and len(run.sides.steps)]
    if not known:
        return []
    agents = known[0][1].agents
    known = [(run, run_sides) for run, run_sides in known if run_sides.agents == agents]
    side_scores = []
    for number, agent in enumerate(agents):
        every = []
        for run, run_sides in known:
            seconds = (
                run.evaluated.seconds
                if len(run.evaluated) == len(run_sides.steps)
                else np.full(len(run_sides.steps), np.nan)
            )
            every.append((thinned(Series(run_sides.steps, run_sides.returns[:, number], seconds)), run.seed))
        wins = [float(run_sides.wins[-1, number]) for _, run_sides in known]
        curves = {over: curve([run_series for run_series, _ in every], over=over) for over in ("steps", "seconds")}
        side_scores.append(
            SideScores(
                agent,
                estimates([float(run_sides.returns[-1, number]) for _, run_sides in known]),
                estimates(wins)["mean"] if all(map(finite, wins)) else None,
                _agent_at_random(agent, [run for run, _ in known]),
                _against_random(agent, [run for run, _ in known]),
                curves,
                every,
            )
        )
    return side_scores


def _episodes(point: Mapping[str, Any]) -> int:
    """Return the number of episodes of an evaluation."""
    returns = point.get("returns")
    return len(returns) if isinstance(returns, list) else 0


def _agent_at_random(agent: str, runs: Sequence[RunData]) -> float | None:
    points = [point.get("agent_returns") for run in runs for point in run.points if point["mode"] == "random"]
    values = [point[agent] for point in points if isinstance(point, Mapping) and finite(point.get(agent))]
    return float(np.mean(values)) if values else None


def _against_random(agent: str, runs: Sequence[RunData]) -> IntervalEstimate | None:
    newest = [wins_of(point.get("against_random")).get(agent) for run in runs for point in _judged(run)[-1:]]
    values = [value for value in newest if value is not None]
    return estimates(values)["mean"] if values and len(values) == len(runs) else None


def _judged(run: RunData) -> list[Mapping[str, Any]]:
    return [point for point in run.points if point["mode"] != "random" and point.get("metric") != "absolute"]


def _last_evaluation(run: RunData) -> float | None:
    points = [point for point in _judged(run) if point["mode"] == "deterministic"] or _judged(run)
    newest = max(points, key=lambda point: point["step"], default=None)
    return None if newest is None else float(newest["mean"])


def _absolute(run: RunData) -> float | None:
    points = [point for point in run.points if point.get("metric") == "absolute"]
    return float(points[-1]["mean"]) if points and finite(points[-1]["mean"]) else None


def _last_training(run: RunData) -> float | None:
    if not len(run.training):
        return None
    late = run.training.steps >= (1 - _END) * run.training.steps[-1]
    return float(run.training.values[late].mean())


_SOURCES = (
    Source(
        "the last evaluation during training",
        lambda run: float(run.evaluated.values[-1]) if len(run.evaluated) else None,
    ),
    Source("the last evaluation", _last_evaluation),
    Source(f"training episodes in the last {_END:.0%} of the steps".replace("%", " %"), _last_training),
)
