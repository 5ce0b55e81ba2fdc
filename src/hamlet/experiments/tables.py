"""The table of a grid: Hamlet's results next to the published results, read from the run directories only."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hamlet.errors import RequestError
from hamlet.experiments.execute import EPISODES, FailedCells, finished, point
from hamlet.experiments.grid import ExperimentCell, ExperimentGrid
from hamlet.files import atomic_write
from hamlet.options.values import format_steps
from hamlet.reports.data import statistics
from hamlet.reports.data.ranking import rank
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Metrics
from hamlet.training.final_evaluation import points
from hamlet.training.run import SavedRun


@dataclass(frozen=True)
class TableRow:
    """A row of the table: the results of one cell.

    Attributes:
        cell: The cell, with the number of steps of the runs.
        full: The steps of the runs in the paper.
        scores: The scores of the finished runs, by seed.
        random: The return of random play; None if the grid measures seconds, or no run is finished.
        mean: The mean over seeds, with its interval; None if no run is finished.
        failed: The reasons of the failed runs, by seed.
    """

    cell: ExperimentCell
    full: int
    scores: dict[int, float]
    random: float | None
    mean: statistics.IntervalEstimate | None
    failed: dict[int, str]


def rows(grid: ExperimentGrid, full: ExperimentGrid, out: Path, failures: FailedCells) -> list[TableRow]:
    """Return one row for every cell of a grid, with the results of the runs that are finished."""
    table_rows = []
    for cell, original in zip(grid.cells, full.cells, strict=True):
        done = [seed for seed in range(grid.seeds) if finished(cell, cell.run(out, seed))]
        scores = {seed: _score(grid, cell, cell.run(out, seed)) for seed in done}
        random = _random(cell, cell.run(out, done[0])) if done and grid.measures == "return" else None
        failed = {
            seed: why for (task, row, seed), why in failures.by_run.items() if (task, row) == (cell.task, cell.row)
        }
        table_rows.append(TableRow(cell, original.steps, scores, random, mean(list(scores.values())), failed))
    return table_rows


def write(grid: ExperimentGrid, full: ExperimentGrid, out: Path, failures: FailedCells) -> str:
    """Write ``table.md`` and ``table.json`` into the grid's directory, and return the text of ``table.md``."""
    table_rows = rows(grid, full, out, failures)
    text = markdown(grid, full, table_rows)
    out.mkdir(parents=True, exist_ok=True)
    atomic_write.write(out / "table.md", text)
    atomic_write.write(out / "table.json", json.dumps(_document(grid, full, table_rows), indent=1) + "\n")
    return text


def markdown(grid: ExperimentGrid, full: ExperimentGrid, table_rows: list[TableRow]) -> str:
    """Return the table as Markdown."""
    unit = "return" if grid.measures == "return" else "seconds of training"
    lines = [f"# {grid.name}: {grid.says}", ""]
    if small := _small(grid, full):
        lines += [f"**{small}: do not compare these results with the published results.**", ""]
    for task in grid.tasks:
        lines += [f"## {task}", "", f"| algorithm | Hamlet: {unit} | random play | published | steps | seeds |"]
        lines += ["|---|---|---|---|---|---|"]
        here = [row for row in table_rows if row.cell.task == task]
        lines += [_line(row, grid.seeds) for row in here]
        lines += ["", _said(grid, here), ""]
    lines += [f"* {note}" for note in grid.notes]
    lines += [f"* Not included: {missing}." for missing in grid.missing]
    lines += [
        f"* {row.cell.task}, {row.cell.row}, seed {seed} failed: {why}"
        for row in table_rows
        for seed, why in row.failed.items()
    ]
    return "\n".join(lines).rstrip() + "\n"


def _line(row: TableRow, seeds: int) -> str:
    steps = format_steps(row.cell.steps) + (f" of {format_steps(row.full)}" if row.cell.steps < row.full else "")
    shown = "not run" if row.mean is None else _number(row.mean.value)
    if row.mean is not None and row.mean.known:
        shown += f" [{_number(row.mean.low)}, {_number(row.mean.high)}]"
    numbers = (
        shown,
        "" if row.random is None else _number(row.random),
        "—" if row.cell.published is None else _number(row.cell.published),
    )
    return f"| {row.cell.row} | {' | '.join(numbers)} | {steps} | {len(row.scores)} of {seeds} |"


def _said(grid: ExperimentGrid, here: list[TableRow]) -> str:
    """Return a sentence about the order of the algorithms on one task, or about why no order is stated."""
    scores = {row.cell.row: {row.cell.task: list(row.scores.values())} for row in here if row.scores}
    if not scores:
        return "No run is finished."
    if grid.measures == "seconds":
        return _ratio(here)
    return rank(scores).words


def _ratio(here: list[TableRow]) -> str:
    first, *others = here
    if not others or first.mean is None or others[0].mean is None:
        return "There are no two algorithms to compare."
    text = f"{first.cell.row} took {first.mean.value / others[0].mean.value:.2f} times as long as {others[0].cell.row}"
    if first.cell.published and others[0].cell.published:
        text += f"; the published ratio is {first.cell.published / others[0].cell.published:.2f}"
    return text + "."


def _small(grid: ExperimentGrid, full: ExperimentGrid) -> str:
    """Return how the grid is smaller than the original, or an empty text."""
    cut = any(a.steps < b.steps for a, b in zip(grid.cells, full.cells, strict=True))
    less = [f"at most {format_steps(max(cell.steps for cell in grid.cells))} steps per run"] if cut else []
    less += [f"{grid.seeds} of {full.seeds} seeds"] if grid.seeds < full.seeds else []
    return f"Smaller than the original ({', '.join(less)})" if less else ""


def _document(grid: ExperimentGrid, full: ExperimentGrid, table_rows: list[TableRow]) -> dict[str, Any]:
    return {
        "name": grid.name,
        "says": grid.says,
        "measures": grid.measures,
        "episodes": EPISODES,
        "made_small": _small(grid, full) or None,
        "notes": [*grid.notes, *(f"not included: {missing}" for missing in grid.missing)],
        "tasks": {task: _said(grid, [row for row in table_rows if row.cell.task == task]) for task in grid.tasks},
        "rows": [_row(row) for row in table_rows],
    }


def _row(row: TableRow) -> dict[str, Any]:
    cell, mean = row.cell, row.mean
    interval = [mean.low, mean.high] if mean is not None and mean.known else None
    return {
        "task": cell.task,
        "row": cell.row,
        **cell.labels,
        "options": dict(cell.options),
        "changes": dict(cell.changes),
        "steps": cell.steps,
        "steps_of_the_original": row.full,
        "scores": row.scores,
        "mean": None if mean is None else mean.value,
        "interval": interval,
        "random": row.random,
        "published": cell.published,
        "failed": row.failed,
    }


def mean(scores: list[float]) -> statistics.IntervalEstimate | None:
    """Return the mean over seeds with its interval, or None if there are no scores."""
    return statistics.aggregates(statistics.matrix({"": scores}))["mean"] if scores else None


def _score(grid: ExperimentGrid, cell: ExperimentCell, path: Path) -> float:
    """Return a finished run's score: its return, or its seconds of training."""
    if grid.measures == "seconds":
        return _seconds(path)
    evaluation = point(path)
    if evaluation is None:
        raise RequestError(f"{path} has no final evaluation")
    return float(evaluation["mean"]) / _agents(cell, evaluation)


def _random(cell: ExperimentCell, path: Path) -> float | None:
    for evaluation in points(RunDirectory.open(path)):
        if evaluation.get("mode") == "random":
            return float(evaluation["mean"]) / _agents(cell, evaluation)
    return None


def _agents(cell: ExperimentCell, config: dict[str, Any]) -> int:
    return len(config["agent_returns"]) if cell.each else 1


def _seconds(path: Path) -> float:
    """Return the seconds of training without compilation and evaluation: the sum over iterations of steps / speed."""
    run = SavedRun(path)
    with Metrics(run.directory.metrics, write=False) as metrics:
        rates = metrics.read("env_steps_per_second")[1]
    return float(np.sum(run.algorithm.sampling.batch / rates))


def _number(value: float) -> str:
    """Return a number with three significant digits, or as a whole number if it has more digits before the point.

    >>> [_number(value) for value in (-28.04, 5900.0, 0.1234)]
    ['-28.0', '5900', '0.123']
    """
    digits = 0 if value == 0 else max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}"
