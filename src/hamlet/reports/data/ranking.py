"""An order of algorithms, only where their intervals do not overlap; where they do, it says so.

Two algorithms are ordered where the 95 % intervals of their interquartile means have no point in common and either has
at least four runs of every task. That is stricter than an interval of the difference that leaves out 0, because with
few runs the bootstrap's intervals are too narrow: the difference orders equal algorithms more often than one time in
twenty even with ten runs, intervals that lie apart with two or three only (measured in ``docs/results-how.md``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from hamlet.errors import RequestError
from hamlet.reports.data.statistics import DRAWS, DRAWS_EACH, IntervalEstimate, aggregates, improvement, matrix

FEWEST_RUNS = 4


@dataclass(frozen=True)
class Comparison:
    """Two algorithms on the same tasks; ``first`` has the greater interquartile mean, or they are equal.

    Attributes:
        first: The name of one.
        second: The name of the other.
        improvement: The probability that a run of the first scores above one of the second.
        doubt: Why they are not ordered, in words; None where the first stands above the second.
    """

    first: str
    second: str
    improvement: IntervalEstimate
    doubt: str | None


@dataclass(frozen=True)
class Ranking:
    """What can be said of an order.

    Attributes:
        iqm: Of each algorithm, with its interval, the greatest first.
        comparisons: Every pair.
    """

    iqm: dict[str, IntervalEstimate]
    comparisons: tuple[Comparison, ...]

    @property
    def order(self) -> tuple[str, ...] | None:
        """All of them, the best first; None where any two are not ordered, or there is only one."""
        sure = bool(self.comparisons) and all(pair.doubt is None for pair in self.comparisons)
        return tuple(self.iqm) if sure else None

    @property
    def words(self) -> str:
        """One sentence or more, of what is known and of what is not."""
        if not self.comparisons:
            return f"{next(iter(self.iqm))} stands alone: there is nothing to compare it with."
        if self.order is not None:
            return " above ".join(self.order) + ": no two intervals of the interquartile mean overlap."
        above = [f"{pair.first} above {pair.second}" for pair in self.comparisons if pair.doubt is None]
        doubts: dict[str, list[str]] = {}
        for pair in self.comparisons:
            if pair.doubt is not None:
                doubts.setdefault(pair.doubt, []).append(f"{pair.first} and {pair.second}")
        open_ = [f"No order between {_listed(pairs)}: {why}." for why, pairs in doubts.items()]
        return " ".join([*([f"{_listed(above).capitalize()}."] if above else []), *open_])


def rank(
    scores: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    normalised: bool = False,
    fewest: int = FEWEST_RUNS,
    draws: int = DRAWS,
) -> Ranking:
    """Compare algorithms by the scores of their runs, by algorithm and task; greater is better.

    Args:
        scores: Of the last, or the absolute, evaluation of each run.
        normalised: Whether the scores of several tasks are on a common scale.
        fewest: Runs of every task without which there is no order.
        draws: Resamples behind each interval.

    Raises:
        RequestError: If the algorithms were not run on the same tasks, several tasks are not normalised, or there is
            nothing to compare.
    """
    if not scores:
        raise RequestError("there is nothing to rank: give at least two algorithms with their runs")
    tasks = _same_tasks(scores)
    if len(tasks) > 1 and not normalised:
        raise RequestError(
            f"returns of {', '.join(tasks)} have no common unit: normalise them task by task, or rank each task alone"
        )
    matrices = {name: matrix({task: by_task[task] for task in tasks}) for name, by_task in scores.items()}
    iqms = {name: aggregates(values, draws=draws)["iqm"] for name, values in matrices.items()}
    names = sorted(iqms, key=lambda name: -iqms[name].value)
    runs = {name: min(map(len, by_task.values())) for name, by_task in scores.items()}
    comparisons = []
    for first, second in combinations(names, 2):
        few = min(runs[first], runs[second])
        doubt = None
        if few < fewest:
            doubt = (
                f"{few} run{'s' if few > 1 else ''} of a task {'are' if few > 1 else 'is'} too few (at least {fewest})"
            )
        elif iqms[first].overlaps(iqms[second]):
            doubt = "their intervals overlap"
        better = improvement(matrices[first], matrices[second], draws=min(draws, DRAWS_EACH))
        comparisons.append(Comparison(first, second, better, doubt))
    return Ranking({name: iqms[name] for name in names}, tuple(comparisons))


def _same_tasks(scores: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """The tasks of all algorithms, which must be the same."""
    first, *others = scores
    tasks = list(scores[first])
    for other in others:
        if set(scores[other]) != set(tasks):
            raise RequestError(
                f"no ranking across different environments: {first} was run on {', '.join(sorted(tasks))}, "
                f"{other} on {', '.join(sorted(scores[other]))}; compare them where both were run"
            )
    return tasks


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items[:-1]) + (" and " if items[1:] else "") + items[-1] if items else ""
