"""What a group of runs earned: curves over steps and over time, and final scores, by the statistics of the field."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hamlet.errors import RequestError
from hamlet.reports import statistics
from hamlet.reports.grouping import Group, finite
from hamlet.reports.reading import Reading, Series
from hamlet.reports.statistics import Band, Estimate

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
    of: Callable[[Reading], float | None]


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
    mean = lambda values: np.bincount(stretch, values, limit)[filled] / count[filled]  # noqa: E731
    steps = np.round(mean(series.steps.astype(float))).astype(np.int64)
    return Series(steps, mean(series.values), mean(series.seconds))


def curve(series: Sequence[Series], *, over: str) -> Curve | None:
    """The interquartile mean over runs, with its interval; None where no run has a point.

    Args:
        series: One for each run.
        over: "steps" or "seconds".
    """
    own = [(getattr(one, over).astype(float), one.values) for one in series if len(one)]
    own = [(points, values) for points, values in own if np.isfinite(points).all()]
    if not own:
        return None
    try:
        grid = statistics.common_grid(own)
    except RequestError:
        return None
    values = grid.values[:, None]
    return Curve(statistics.curve(grid.points, values, picks=statistics.draw(values, draws=_DRAWS)), grid.how)


def source(runs: Sequence[Reading]) -> Source:
    """The best kind of final score that all of some runs have."""
    every = [one for one in _SOURCES if all(one.of(run) is not None for run in runs)]
    return every[0] if every else _SOURCES[-1]


def final(group: Group, chosen: Source) -> list[float]:
    """The final score of every run that counts."""
    scores = [chosen.of(run) for run in group.counted]
    return [score for score in scores if score is not None]


def absolute(group: Group) -> list[float]:
    """The absolute metric of every run that has one: what its best policy gave."""
    scores = [_absolute(run) for run in group.counted]
    return [score for score in scores if score is not None]


def estimates(scores: Sequence[float]) -> dict[str, Estimate]:
    """Interquartile mean and mean of one environment's runs; empty where there are none."""
    if not scores:
        return {}
    found = statistics.aggregates(statistics.matrix({"": scores}))
    return {name: found[name] for name in ("iqm", "mean")}


def random_play(runs: Sequence[Reading]) -> float | None:
    """What random play earned, in the mean over those runs that were judged beside it."""
    means = [float(point["mean"]) for run in runs for point in run.points if point["mode"] == "random"]
    return float(np.mean(means)) if means else None


def normalised(
    columns: Mapping[str, Mapping[str, Sequence[float]]], low: Mapping[str, float]
) -> dict[str, dict[str, list[float]]] | None:
    """Scores by algorithm, 0 at random play and 1 at the best run that there is of each task.

    None unless there are several tasks, each with random play, and all algorithms have runs on all of them.

    Args:
        columns: Final scores by algorithm and task.
        low: What random play earned, by task.
    """
    names = list(next(iter(columns.values()), {}))
    whole = all(list(own) == names and all(len(scores) for scores in own.values()) for own in columns.values())
    if len(names) < 2 or not whole or set(low) != set(names):
        return None
    best = {name: max(max(own[name]) for own in columns.values()) for name in names}
    if any(best[name] <= low[name] for name in names):
        return None
    unit = lambda name, score: (score - low[name]) / (best[name] - low[name])  # noqa: E731
    return {
        who: {name: [unit(name, score) for score in scores] for name, scores in own.items()}
        for who, own in columns.items()
    }


def _judged(run: Reading) -> list[Mapping[str, Any]]:
    return [point for point in run.points if point["mode"] != "random" and point.get("metric") != "absolute"]


def _last_evaluation(run: Reading) -> float | None:
    points = [point for point in _judged(run) if point["mode"] == "deterministic"] or _judged(run)
    newest = max(points, key=lambda point: point["step"], default=None)
    return None if newest is None else float(newest["mean"])


def _absolute(run: Reading) -> float | None:
    points = [point for point in run.points if point.get("metric") == "absolute"]
    return float(points[-1]["mean"]) if points and finite(points[-1]["mean"]) else None


def _last_training(run: Reading) -> float | None:
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
