"""What a group of runs earned: curves over steps and over time, and final scores, by the statistics of the field."""

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

# Points of a curve at most: as many as a page is wide enough for.
POINTS = 100
# Resamples behind each point of a curve: a band that is looked at needs fewer than a number that is quoted.
_DRAWS = 1_000
# The part of a run whose training returns stand for its end, where it was not evaluated.
_END = 0.05


@dataclass(frozen=True)
class Source:
    """Where a run's final score is taken from, the same for all runs of an environment.

    Attributes:
        name: In words, for a table's head.
        of: A run's score; None where it has none.
    """

    name: str
    of: Callable[[RunData], float | None]


@dataclass(frozen=True)
class Curve:
    """A group's returns against steps or seconds, and how the runs were brought to common points."""

    band: Band
    how: str


def thinned(series: Series, limit: int = POINTS) -> Series:
    """At most so many points: means over equal stretches of the run.

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
    """The interquartile mean over runs, with its interval; None where no run has a point.

    Args:
        series: One for each run.
        over: "steps" or "seconds".
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
    """The best kind of final score that all of some runs have."""
    every = [kind for kind in _SOURCES if all(kind.of(run) is not None for run in runs)]
    return every[0] if every else _SOURCES[-1]


def final(group: RunGroup, chosen: Source) -> list[float]:
    """The final score of every run that counts."""
    scores = [chosen.of(run) for run in group.counted]
    return [score for score in scores if score is not None]


def absolute(group: RunGroup) -> list[float]:
    """The absolute metric of every run that counts: what its best policy gave; nothing where one of them lacks it."""
    scores = [_absolute(run) for run in group.counted]
    known = [score for score in scores if score is not None]
    return known if len(known) == len(scores) else []


def estimates(scores: Sequence[float]) -> dict[str, IntervalEstimate]:
    """Interquartile mean and mean of one environment's runs; empty where there are none."""
    if not scores:
        return {}
    aggregates = statistics.aggregates(statistics.matrix({"": scores}))
    return {name: aggregates[name] for name in ("iqm", "mean")}


def random_play(runs: Sequence[RunData]) -> float | None:
    """What random play earns: exactly, where the environment knows it, else in the mean over the runs' evaluations."""
    exact = [run.known.random for run in runs if run.known is not None and run.known.random is not None]
    played = [point for run in runs for point in run.points if point["mode"] == "random"]
    # Evaluations of few episodes take nothing from those of many.
    longest = max((_episodes(point) for point in played), default=0)
    means = exact[:1] or [float(point["mean"]) for point in played if _episodes(point) == longest]
    return float(np.mean(means)) if means else None


@dataclass(frozen=True)
class Scale:
    """From where to where the returns of one environment are normalised.

    Attributes:
        low: What becomes 0: random play.
        high: What becomes 1.
        known: Whether that is the optimum, rather than the best run at hand.
    """

    low: float
    high: float
    known: bool

    @classmethod
    def of(cls, low: float | None, optimum: float | None, scores: Sequence[float]) -> "Scale | None":
        """From random play to the optimum, or else to the best of some runs; None where the two are no scale.

        >>> Scale.of(-20.0, 10.0, [2.0]), Scale.of(-20.0, None, [2.0, -5.0]), Scale.of(3.0, None, [2.0])
        (Scale(low=-20.0, high=10.0, known=True), Scale(low=-20.0, high=2.0, known=False), None)
        """
        high = max(scores, default=-np.inf) if optimum is None else optimum
        if low is None or not np.isfinite(high) or high <= low:
            return None
        return cls(low, float(high), optimum is not None)

    def score(self, value: float) -> float:
        """0 at the one end, 1 at the other."""
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class Normalised:
    """Scores of several environments on one scale.

    Attributes:
        scores: By algorithm and environment.
        known: Whether 1 is the optimum of every environment: only then is there an optimality gap.
        how: What 0 and 1 are, in words.
        ends: The same, as short as an axis wants it.
    """

    scores: dict[str, dict[str, list[float]]]
    known: bool
    how: str
    ends: str


def normalised(
    columns: Mapping[str, Mapping[str, Sequence[float]]], low: Mapping[str, float], optima: Mapping[str, float]
) -> Normalised | None:
    """Scores by algorithm, 0 at random play and 1 at the optimum of each task, or its best run where that is unknown.

    None unless there are several tasks, each with random play, and all algorithms have runs on all of them.

    Args:
        columns: Final scores by algorithm and task.
        low: What random play earns, by task.
        optima: What no policy exceeds, by task, where it is known.
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
        return "0 is random play, 1 the optimum of each environment"
    if len(best) == len(names):
        how = "0 is random play, 1 the best run of each environment in this report"
        return f"{how}; no optimum is known, so that there is no optimality gap"
    return (
        f"0 is random play, 1 the optimum, or on {' and '.join(best)} the best run in this report; "
        "not every optimum is known, so that there is no optimality gap"
    )


def _end(names: Sequence[str], best: Sequence[str]) -> str:
    return "the optimum" if not best else "the best run" if len(best) == len(names) else "the optimum or best run"


def gap(scores: Sequence[float], scale: Scale | None) -> IntervalEstimate | None:
    """The optimality gap of one environment's runs: how far they fall short of 1 in the mean; None without an optimum.

    1 − mean of min(score, 1),  a score being 0 at random play and 1 at the optimum.
    """
    if scale is None or not scale.known or not scores:
        return None
    values = statistics.matrix({"": [scale.score(score) for score in scores]})
    return statistics.aggregates(values)["optimality_gap"]


@dataclass(frozen=True)
class SideScores:
    """What one agent of several that play against each other earned.

    Attributes:
        agent: Its name.
        returns: Interquartile mean and mean over runs, of its mean return in the last evaluation.
        wins: The share of episodes in which its return was above all others', in the mean over runs; None if unknown.
        random: Its return where all play at random; None if that was not measured.
        against_random: Its wins where all other sides play at random; None if that was not measured.
        curves: Over "steps" and "seconds".
        each: Every run's own curve, with the run's seed.
    """

    agent: str
    returns: dict[str, IntervalEstimate]
    wins: IntervalEstimate | None
    random: float | None
    against_random: IntervalEstimate | None
    curves: dict[str, Curve | None]
    each: list[tuple[Series, int | None]]


def sides(runs: Sequence[RunData]) -> list[SideScores]:
    """Each agent's part in the evaluations of some runs of one environment."""
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
    """Of how many episodes an evaluation is."""
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
        "the last evaluation while training",
        lambda run: float(run.evaluated.values[-1]) if len(run.evaluated) else None,
    ),
    Source("the last evaluation", _last_evaluation),
    Source(f"training, the last {_END:.0%} of the steps".replace("%", " %"), _last_training),
)
