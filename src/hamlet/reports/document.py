"""The contents of a report as one JSON document. The page, the Markdown file and the CSV files are written from it."""

import math
import shlex
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import hamlet
from hamlet.files import atomic_write
from hamlet.reports.data import ranking, scores, statistics
from hamlet.reports.data.diagnostics import DIAGNOSTICS
from hamlet.reports.data.grouping import ReportTask, RunGroup, flat, tasks
from hamlet.reports.data.ranking import Ranking
from hamlet.reports.data.run_data import RunData, Series
from hamlet.reports.data.statistics import Band, IntervalEstimate

Document = dict[str, Any]
# Significant digits of a number on the page; more digits would not be visible in a chart.
_DIGITS = 5
# Normalised scores at which performance profiles are computed: 0 is random play; 1 is the optimum or the best run.
_THRESHOLDS = np.linspace(0.0, 1.0, 51)
_CONSTANT_SUM = (
    "This is a constant-sum game: the team's return is the same in every episode, so it cannot rank policies. The "
    "returns shown are of each agent against the other agents of its run. To play agents of different runs against "
    "each other, use hamlet crossplay."
)
_OF_A_POINT = ("step", "mode", "metric", "episodes", "seed", "mean", "standard_error", "failed", "cut")
_UNSEEDED = ("seed", "algorithm", "environment", "versions", "hardware", "platform", "revision")


def gather(readings: Sequence[RunData], motions: Sequence[Mapping[str, Any]] = ()) -> Document:
    """Return the document of a report on runs.

    Args:
        readings: Data of the runs.
        motions: Recorded episodes, each with the path of its run.
    """
    report_tasks = tasks(readings)
    labels = sorted({group.label for task in report_tasks for group in task.groups})
    numbers = {id(run): number for number, run in enumerate(readings)}
    groups: list[Document] = []
    described = []
    for number, task in enumerate(report_tasks):
        kind = _Kind(task)
        task_groups = [_group(group, number, labels, numbers, kind) for group in task.groups]
        described.append(_task(task, kind))
        groups += task_groups
    return {
        "made": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "hamlet": hamlet.__version__,
        "algorithms": labels,
        "diagnostics": [{"key": entry.key, "title": entry.title, "unit": entry.unit} for entry in DIAGNOSTICS],
        "tasks": described,
        "groups": groups,
        "overall": _overall(report_tasks, labels),
        "runs": [_run(reading) for reading in readings],
        "remarks": _remarks(readings, report_tasks),
        "motions": [{**motion, "task": _task_of(motion["run"], readings, report_tasks)} for motion in motions],
    }


class _Kind:
    """The quantities that are compared on one environment. They are the same for all runs on that environment."""

    def __init__(self, task: ReportTask) -> None:
        runs = [run for group in task.groups for run in group.counted]
        self.source = scores.source(runs)
        self.evaluated = all(len(run.evaluated) for run in runs)
        every = [run for group in task.groups for run in group.runs]
        self.random = scores.random_play(every)
        self.optimum = next((run.known.optimum for run in every if run.known is not None), None)
        self.constant_sum = bool(runs) and all(run.constant_sum for run in runs)
        finals = [score for group in task.groups for score in scores.final(group, self.source)]
        self.scale = scores.Scale.of(self.random, self.optimum, finals)

    def series(self, run: RunData) -> Series:
        """Return the main curve of a run: evaluations if all runs have evaluations, otherwise training episodes."""
        return run.evaluated if self.evaluated else run.training


def _task(task: ReportTask, kind: _Kind) -> Document:
    groups = () if kind.constant_sum else task.groups
    compared = _compared(_ranked({group.label: {task.name: scores.final(group, kind.source)} for group in groups}))
    return {
        "name": task.name,
        "options": [list(option) for option in task.options],
        "curve": "evaluation during training" if kind.evaluated else "training episodes",
        "source": kind.source.name,
        "random": _number(kind.random),
        "optimum": _number(kind.optimum),
        "constant_sum": kind.constant_sum,
        **(compared | {"verdict": _CONSTANT_SUM} if kind.constant_sum else compared),
    }


def _ranked(columns: Mapping[str, Mapping[str, Sequence[float]]], *, normalised: bool = False) -> Ranking | None:
    """Return the ranking of all algorithms that have scores; None if fewer than two have scores."""
    known = {who: column for who, column in columns.items() if all(len(scores) for scores in column.values())}
    return ranking.rank(known, normalised=normalised) if len(known) > 1 else None


def _compared(order: Ranking | None) -> Document:
    """Return the verdict on a ranking, and the probability of improvement for each pair of algorithms.

    The probability of improvement is the probability that a run of the first algorithm scores above a run of the
    second algorithm.
    """
    pairs = () if order is None else order.comparisons
    return {
        "verdict": "" if order is None else order.words,
        "improvement": [
            {"first": pair.first, "second": pair.second, "probability": _packed(pair.improvement)} for pair in pairs
        ],
    }


def _group(group: RunGroup, task: int, labels: Sequence[str], numbers: Mapping[int, int], kind: _Kind) -> Document:
    runs, series = group.counted, [scores.thinned(kind.series(run)) for run in group.counted]
    rates = [run.rate for run in runs if run.rate is not None]
    trained = [run.training.seconds[-1] for run in runs if len(run.training)]
    final = [] if kind.constant_sum else scores.final(group, kind.source)
    absolute = [] if kind.constant_sum else scores.absolute(group)
    gap = scores.gap(final, kind.scale)
    return {
        "task": task,
        "algorithm": group.label,
        "colour": labels.index(group.label),
        "runs": [numbers[id(run)] for run in group.runs],
        "counted": [numbers[id(run)] for run in runs],
        "curves": {over: _curve(scores.curve(series, over=over)) for over in ("steps", "seconds")},
        "learning": _learning(runs),
        "each": [_series(run, kind) for run in group.runs],
        "scores": _numbers(final),
        "final": {name: _packed(estimate) for name, estimate in scores.estimates(final).items()},
        "absolute": {name: _packed(estimate) for name, estimate in scores.estimates(absolute).items()},
        "gap": None if gap is None else _packed(gap),
        "sides": _sides(runs) if kind.constant_sum else [],
        "steps": max((run.done for run in runs), default=0),
        "rate": _number(float(np.median(rates))) if rates else None,
        "seconds": _number(float(np.median(trained))) if trained else None,
    }


def _learning(runs: Sequence[RunData]) -> Document:
    """Return the curves of the learning diagnostics by key, for each diagnostic that at least one run has."""
    curves = {}
    for key in dict.fromkeys(key for run in runs for key in run.learning):
        series = [scores.thinned(run.learning[key]) for run in runs if key in run.learning]
        curves[key] = {over: _curve(scores.curve(series, over=over)) for over in ("steps", "seconds")}
    return curves


def _sides(runs: Sequence[RunData]) -> list[Document]:
    """Return the returns and the share of wins of each agent in a constant-sum game."""
    return [
        {
            "agent": side.agent,
            "return": {name: _packed(entry) for name, entry in side.returns.items()},
            "wins": None if side.wins is None else _packed(side.wins),
            "random": _number(side.random),
            "against_random": None if side.against_random is None else _packed(side.against_random),
            "curves": {over: _curve(entry) for over, entry in side.curves.items()},
            "each": [_points(entry, seed) for entry, seed in side.each],
        }
        for side in scores.sides(runs)
    ]


def _series(run: RunData, kind: _Kind) -> Document:
    return _points(scores.thinned(kind.series(run)), run.seed)


def _points(own: Series, seed: int | None) -> Document:
    return {"seed": seed, "steps": own.steps.tolist(), "seconds": _numbers(own.seconds), "y": _numbers(own.values)}


def _curve(curve: scores.Curve | None) -> Document | None:
    if curve is None:
        return None
    return {**_band(curve.band), "how": curve.how}


def _band(band: Band) -> Document:
    return {
        "x": _numbers(band.points, digits=8),
        "y": _numbers(band.value),
        "low": _numbers(band.low),
        "high": _numbers(band.high),
    }


def _overall(every: Sequence[ReportTask], labels: Sequence[str]) -> Document | None:
    """Return results over all environments except constant-sum games; None if the scores cannot be normalised."""
    kinds = {task_name(task): (task, kind) for task in every if not (kind := _Kind(task)).constant_sum}
    columns: dict[str, dict[str, list[float]]] = {label: {} for label in labels}
    for label, column in columns.items():
        for name, (task, kind) in kinds.items():
            group = next((candidate for candidate in task.groups if candidate.label == label), None)
            column[name] = [] if group is None else scores.final(group, kind.source)
    low = {name: kind.random for name, (_, kind) in kinds.items() if kind.random is not None}
    optima = {name: kind.optimum for name, (_, kind) in kinds.items() if kind.optimum is not None}
    unit = scores.normalised(columns, low, optima)
    if unit is None:
        return None
    matrices = {who: statistics.matrix(column) for who, column in unit.scores.items()}
    return {
        "rows": [_summed(who, values, known=unit.known) for who, values in matrices.items()],
        **_compared(_ranked(unit.scores, normalised=True)),
        "how": unit.how,
        "ends": unit.ends,
    }


def _summed(algorithm: str, values: np.ndarray, *, known: bool) -> Document:
    """Return aggregates of one algorithm over all environments, and its performance profile.

    The performance profile is the share of runs above a score, as a function of the score.
    """
    profile = statistics.profile(values, _THRESHOLDS)
    aggregates = {name: _packed(estimate) for name, estimate in statistics.aggregates(values).items()}
    gap = aggregates if known else aggregates | {"optimality_gap": None}
    return {"algorithm": algorithm, **gap, "profile": _band(profile)}


def task_name(task: ReportTask) -> str:
    """Return the environment's name with the options that distinguish it from environments of the same name."""
    option_text = ", ".join(f"{name} {value}" for name, value in task.options)
    return f"{task.name} ({option_text})" if option_text else task.name


def _run(reading: RunData) -> Document:
    config = reading.config
    hardware = config.get("hardware") or {}
    run_settings = {name: value for name, value in config.items() if name not in _UNSEEDED}
    return {
        "path": str(reading.path),
        "algorithm": reading.algorithm,
        "environment": reading.environment,
        "seed": reading.seed,
        "state": reading.state,
        "done": reading.done,
        "asked": reading.asked,
        "rate": _number(reading.rate),
        "phases": {name: _number(seconds) for name, seconds in reading.phases.items()},
        "latest": {name: _number(value) for name, value in reading.latest.items()},
        "points": [{name: _plain(point.get(name)) for name in _OF_A_POINT} for point in reading.points],
        "settings": {
            "algorithm": flat(config.get("algorithm") or {}),
            "environment": flat(config.get("environment") or {}),
            "run": flat(run_settings),
        },
        "versions": flat(config.get("versions") or {}),
        "hardware": flat(hardware) | flat({name: config.get(name) for name in ("platform", "revision")}),
        "command": command(reading),
        "remarks": list(reading.remarks),
    }


def command(reading: RunData) -> str | None:
    """Return a command that trains the same run again; None if the run's configuration cannot be read."""
    if not reading.config:
        return None
    path = atomic_write.named(reading.path)
    again = path.with_name(f"{path.name}-again")
    return f"hamlet train --from {shlex.quote(str(path / 'config.json'))} --out {shlex.quote(str(again))}"


def _remarks(readings: Sequence[RunData], report_tasks: Sequence[ReportTask]) -> list[Document]:
    remarks: list[Document] = [{"run": str(run.path), "text": text} for run in readings for text in run.remarks]
    for task in report_tasks:
        for group in task.groups:
            where = f"{group.label} on {task_name(task)}"
            remarks += [{"run": where, "text": text} for text in group.left_out]
    outside = [run for run in readings if run.config.get("environment") is None]
    if outside:
        remarks.append({"run": "", "text": f"{len(outside)} runs are in no table: their environment is unknown"})
    return remarks


def _task_of(run: str | Path, readings: Sequence[RunData], report_tasks: Sequence[ReportTask]) -> int:
    (reading,) = (candidate for candidate in readings if str(candidate.path) == str(run))
    return next(n for n, task in enumerate(report_tasks) if any(reading in group.runs for group in task.groups))


def _number(value: float | None, digits: int = _DIGITS) -> float | None:
    """Round a number to ``digits`` significant digits. Return None for a missing, infinite or NaN value."""
    if value is None or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded == int(rounded) and abs(rounded) < 1e15 else rounded


def _plain(value: Any) -> str | int | float | None:
    """Return a finite number or a text from a file; None for any other value."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int) else None


def _numbers(values: Any, digits: int = _DIGITS) -> list[float | None]:
    return [_number(float(value), digits) for value in values]


def _packed(one: IntervalEstimate) -> list[float | None]:
    return [_number(one.value), _number(one.low), _number(one.high)]
