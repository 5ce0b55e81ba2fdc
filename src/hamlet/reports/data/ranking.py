"""Rank algorithms by their scores; two algorithms are ordered only if their intervals do not overlap.

Two algorithms are ordered if both conditions hold:

* the 95 % intervals of their interquartile means have no point in common;
* both algorithms have at least four runs of every task.

A weaker test would be that the 95 % interval of the difference excludes 0. Hamlet does not use this test, because
bootstrap intervals are too narrow with few runs. Even with ten runs, this test orders equal algorithms in more than
5 % of the cases. With disjoint intervals this happens only with two or three runs. ``docs/results-how.md`` has the
measurement.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from hamlet.errors import RequestError
from hamlet.reports.data.statistics import DRAWS, DRAWS_EACH, IntervalEstimate, aggregates, improvement, matrix

FEWEST_RUNS = 4


@dataclass(frozen=True)
class Comparison:
    """The comparison of two algorithms on the same tasks.

    Attributes:
        first: The name of the algorithm with the larger interquartile mean; the means may also be equal.
        second: The name of the algorithm with the smaller or equal interquartile mean.
        improvement: The probability that a run of the first algorithm scores higher than a run of the second.
        doubt: The reason why the two are not ordered; None if the first is ranked above the second.
    """

    first: str
    second: str
    improvement: IntervalEstimate
    doubt: str | None


@dataclass(frozen=True)
class Ranking:
    """A ranking of algorithms as far as their scores support it.

    Attributes:
        iqm: The interquartile mean of each algorithm with its interval, the largest first.
        comparisons: The comparisons of all pairs of algorithms.
    """

    iqm: dict[str, IntervalEstimate]
    comparisons: tuple[Comparison, ...]

    @property
    def order(self) -> tuple[str, ...] | None:
        """All algorithms, the best first; None if any pair is not ordered or there is only one algorithm."""
        sure = bool(self.comparisons) and all(pair.doubt is None for pair in self.comparisons)
        return tuple(self.iqm) if sure else None

    @property
    def words(self) -> str:
        """One or more sentences that state which pairs are ordered, and why other pairs are not."""
        if not self.comparisons:
            return f"{next(iter(self.iqm))} is the only algorithm: there is nothing to compare it with."
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
    """Rank algorithms by the scores of their runs; a larger score is better.

    Args:
        scores: The scores of the runs, by algorithm and task. A score is the result of the run's last evaluation, or
            of the final evaluation of its best policy.
        normalised: Whether the scores of several tasks are on a common scale.
        fewest: The minimum number of runs of every task that both algorithms of a pair need to be ordered.
        draws: The number of bootstrap resamples for each interval.

    Raises:
        RequestError: If there are no scores, if the algorithms were not run on the same tasks, or if there are several
            tasks whose scores are not normalised.
    """
    if not scores:
        raise RequestError("there is nothing to rank: give at least two algorithms with their runs")
    tasks = _same_tasks(scores)
    if len(tasks) > 1 and not normalised:
        raise RequestError(
            f"returns of {', '.join(tasks)} have no common unit: normalise the returns of each task, "
            "or rank each task separately"
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
    """Return the tasks, after a check that all algorithms have the same tasks."""
    first, *others = scores
    tasks = list(scores[first])
    for other in others:
        if set(scores[other]) != set(tasks):
            raise RequestError(
                f"no ranking across different environments: {first} was run on {', '.join(sorted(tasks))}, "
                f"{other} on {', '.join(sorted(scores[other]))}; compare them on environments where both were run"
            )
    return tasks


def _listed(items: Sequence[str]) -> str:
    return ", ".join(items[:-1]) + (" and " if items[1:] else "") + items[-1] if items else ""
