"""Run a grid: sequentially, in several processes, or as tasks of a Ray cluster. A stopped grid can be continued.

The progress is stored in the run directories only. A unit of work consists of some seeds of one cell. One process
trains them with one compiled program. The results are bitwise identical for every division of the seeds into units.
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax

from hamlet.errors import RequestError, RunError
from hamlet.experiments.grid import ExperimentCell, ExperimentGrid
from hamlet.runs.directory import RunDirectory
from hamlet.training import final_evaluation
from hamlet.training.loop import Interrupted
from hamlet.training.run import SavedRun
from hamlet.training.run_completion import complete, steps_done, whole

EPISODES = 100
# The seed of the evaluation episodes. It is far from the seeds that are usual for training.
EVALUATION_SEED = 1_000_003
# How often a process that died without a report is restarted.
_RETRIES = 2
# How long to wait for another process that still uses a run. A worker whose parent was killed needs a moment to end.
_PATIENCE_SECONDS = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Unit:
    """A unit of work: some seeds of one cell."""

    cell: ExperimentCell
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """The task, the row and the seeds, for printed lines."""
        seeds = ", ".join(map(str, self.seeds))
        return f"{self.cell.task}, {self.cell.row}, seed{'s' if self.seeds[1:] else ''} {seeds}"

    def words(self, out: Path) -> str:
        """Return the unit and the output directory as one line of JSON, for another process."""
        return json.dumps({"cell": dataclasses.asdict(self.cell), "seeds": self.seeds, "out": str(out.resolve())})

    @classmethod
    def read(cls, words: str) -> "tuple[Unit, Path]":
        """Read the line that `words` wrote; JSON lists become tuples."""
        given = json.loads(words)
        for name in ("options", "changes"):
            given["cell"][name] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in given["cell"][name].items()
            }
        return cls(ExperimentCell(**given["cell"]), tuple(given["seeds"])), Path(given["out"])


def units(grid: ExperimentGrid, out: Path, workers: int) -> list[Unit]:
    """Return the units that are not finished.

    If there are at least as many cells as workers, a unit contains all unfinished seeds of a cell. Otherwise a unit
    contains one seed.
    """
    cell_units = []
    for cell in grid.cells:
        seeds_left = tuple(seed for seed in range(grid.seeds) if not finished(cell, cell.run(out, seed)))
        if seeds_left:
            cell_units.append(Unit(cell, seeds_left))
    if len(cell_units) >= workers:
        return cell_units
    return [Unit(unit.cell, (seed,)) for unit in cell_units for seed in unit.seeds]


def finished(cell: ExperimentCell, path: Path) -> bool:
    """Return whether a run was trained for all its steps and evaluated."""
    return whole(path, cell.steps) and point(path) is not None


def point(path: Path) -> dict[str, Any] | None:
    """Return the final evaluation of a finished run's policy, or None if the policy was not evaluated."""
    for evaluation in final_evaluation.points(RunDirectory.open(path)):
        asked = (evaluation.get("mode"), evaluation.get("episodes"), evaluation.get("seed"), evaluation.get("step"))
        if asked == ("deterministic", EPISODES, EVALUATION_SEED, steps_done(path)):
            return evaluation
    return None


def carry(unit: Unit, out: Path, *, quiet: bool) -> dict[int, str]:
    """Train a unit's runs for all their steps and evaluate their policies.

    Returns:
        For each failed seed, the reason.

    Raises:
        Interrupted: If the user or a signal requested a stop.
        RequestError: If the unit cannot be run, or another process uses a run.
    """
    cell, seeds_left, failures = unit.cell, list(unit.seeds), dict[int, str]()
    algorithm, env = cell.declare()
    while seeds_left:
        try:
            complete(
                algorithm,
                env,
                seeds={seed: cell.run(out, seed) for seed in seeds_left},
                steps=cell.steps,
                labels=cell.labels,
                quiet=quiet,
            )
            break
        except Interrupted:
            raise
        except RunError as error:
            broken = next(seed for seed in seeds_left if not whole(cell.run(out, seed), cell.steps))
            failures[broken] = str(error)
            seeds_left.remove(broken)
    for seed in seeds_left:
        try:
            _judge(SavedRun(cell.run(out, seed)))
        except RunError as error:
            failures[seed] = str(error)
    return failures


def _judge(run: SavedRun) -> None:
    """Evaluate a finished run once, and remove its replay buffer, which only resuming needs."""
    if point(run.path) is None:
        judgement = final_evaluation.judge(run, episodes=EPISODES, seed=EVALUATION_SEED)
        final_evaluation.record(run.directory, judgement)
    shutil.rmtree(run.directory.replay, ignore_errors=True)


def patiently(unit: Unit, out: Path, *, quiet: bool) -> dict[int, str]:
    """Call `carry`; if another process still uses a run, wait for it for up to 20 seconds."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return carry(unit, out, quiet=quiet)
        except RequestError as error:
            if "is in use by process" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.2)


@dataclass
class FailedCells:
    """The reasons of failed runs, by task, row and seed."""

    by_run: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def add(self, unit: Unit, reasons: dict[int, str]) -> None:
        """Add the reasons of a unit, by seed."""
        self.by_run |= {(unit.cell.task, unit.cell.row, seed): why for seed, why in reasons.items()}


def here(work: Sequence[Unit], out: Path, *, say: Say, quiet: bool) -> FailedCells:
    """Run the units sequentially in this process."""
    failures = FailedCells()
    for number, unit in enumerate(work, 1):
        say(f"[{number}/{len(work)}] {unit.name}")
        failures.add(unit, patiently(unit, out, quiet=quiet))
        jax.clear_caches()  # compiled programs use memory mappings, and their number is limited
    return failures


def processes(work: Sequence[Unit], out: Path, workers: int, *, say: Say) -> FailedCells:
    """Run several units simultaneously, each in a separate process, which ends when this process ends."""
    failures, waiting, running = FailedCells(), [(unit, 0) for unit in work], dict[Any, tuple[Unit, int]]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                unit, tries = waiting.pop(0)
                say(f"[{len(work) - len(waiting)}/{len(work)}] {unit.name}")
                running[_begin(unit, out)] = (unit, tries)
            for process in [process for process in running if process.poll() is not None]:
                unit, tries = running.pop(process)
                report = _told(process)
                if report is not None:
                    failures.add(unit, report)
                elif tries < _RETRIES:
                    say(f"the process of {unit.name} died ({_death(process.returncode)}): restarting it")
                    waiting.insert(0, (unit, tries + 1))
                else:
                    failures.add(unit, dict.fromkeys(unit.seeds, f"its process died ({_death(process.returncode)})"))
            time.sleep(0.05)
    finally:
        _end(list(running))
    return failures


def _begin(unit: Unit, out: Path) -> "subprocess.Popen[str]":
    environment = dict(os.environ)
    if cache := jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        environment["JAX_COMPILATION_CACHE_DIR"] = cache
        least = jax.config.jax_persistent_cache_min_compile_time_secs  # type: ignore[attr-defined]
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = str(least)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "hamlet.experiments.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    assert process.stdin is not None
    process.stdin.write(unit.words(out) + "\n")
    process.stdin.flush()  # The pipe stays open. The worker ends when it closes, that is, when this process ends.
    return process


def _told(process: "subprocess.Popen[str]") -> dict[int, str] | None:
    """Return the failures by seed that a finished worker reported, or None if it died without a report.

    Raises:
        RequestError: If the worker refused the unit.
        Interrupted: If the worker was stopped by a request.
    """
    assert process.stdout is not None
    text = process.stdout.read().strip().split("\n")[-1]
    if process.returncode != 0 or not text:
        return None
    report = json.loads(text)
    if "refused" in report:
        raise RequestError(report["refused"])
    if "stopped" in report:
        raise Interrupted(report["stopped"])
    return {int(seed): why for seed, why in report["failures"].items()}


def _death(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"status {code}"


def _end(running: "Sequence[subprocess.Popen[str]]") -> None:
    """Request the workers to stop at their next safe point, and wait for each for up to 60 seconds."""
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
