"""A grid carried out: run by run, some at once, or as tasks of a Ray cluster; stopped anywhere, it goes on.

What is done stands in the runs' own directories and nowhere else. A unit of work is some seeds of one cell, trained by
one process through one compiled program; which seeds share one never changes a bit.
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
# Far from the seeds that are trained with.
EVALUATION_SEED = 1_000_003
# How often a process that died without a word is begun again.
_RETRIES = 2
# How long to wait for a process that still holds a run, as one whose parent was killed does for a moment.
_PATIENCE_SECONDS = 20.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Unit:
    """Some seeds of one cell."""

    cell: ExperimentCell
    seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """For a person."""
        seeds = ", ".join(map(str, self.seeds))
        return f"{self.cell.task}, {self.cell.row}, seed{'s' if self.seeds[1:] else ''} {seeds}"

    def words(self, out: Path) -> str:
        """As one line for another process."""
        return json.dumps({"cell": dataclasses.asdict(self.cell), "seeds": self.seeds, "out": str(out.resolve())})

    @classmethod
    def read(cls, words: str) -> "tuple[Unit, Path]":
        """What `words` wrote; lists were tuples."""
        given = json.loads(words)
        for name in ("options", "changes"):
            given["cell"][name] = {
                key: tuple(value) if isinstance(value, list) else value for key, value in given["cell"][name].items()
            }
        return cls(ExperimentCell(**given["cell"]), tuple(given["seeds"])), Path(given["out"])


def units(grid: ExperimentGrid, out: Path, workers: int) -> list[Unit]:
    """What is left: a cell's seeds together where there are cells enough for every worker, else each alone."""
    cell_units = []
    for cell in grid.cells:
        seeds_left = tuple(seed for seed in range(grid.seeds) if not finished(cell, cell.run(out, seed)))
        if seeds_left:
            cell_units.append(Unit(cell, seeds_left))
    if len(cell_units) >= workers:
        return cell_units
    return [Unit(unit.cell, (seed,)) for unit in cell_units for seed in unit.seeds]


def finished(cell: ExperimentCell, path: Path) -> bool:
    """Whether a run was trained to its end and judged."""
    return whole(path, cell.steps) and point(path) is not None


def point(path: Path) -> dict[str, Any] | None:
    """The evaluation of a finished run's policy."""
    for evaluation in final_evaluation.points(RunDirectory.open(path)):
        asked = (evaluation.get("mode"), evaluation.get("episodes"), evaluation.get("seed"), evaluation.get("step"))
        if asked == ("deterministic", EPISODES, EVALUATION_SEED, steps_done(path)):
            return evaluation
    return None


def carry(unit: Unit, out: Path, *, quiet: bool) -> dict[int, str]:
    """Train a unit's runs to their end and judge them.

    Returns:
        Why runs failed, by seed.

    Raises:
        Interrupted: Where it was asked to stop.
        RequestError: If it cannot be run, or another process holds a run.
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
    """Evaluate a finished run, once. What it remembered of play serves resuming alone: it is removed."""
    if point(run.path) is None:
        judgement = final_evaluation.judge(run, episodes=EPISODES, seed=EVALUATION_SEED)
        final_evaluation.record(run.directory, judgement)
    shutil.rmtree(run.directory.replay, ignore_errors=True)


def patiently(unit: Unit, out: Path, *, quiet: bool) -> dict[int, str]:
    """`carry`, waiting a little for a process that still holds a run."""
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
    """Why runs failed, by task, row and seed."""

    by_run: dict[tuple[str, str, int], str] = field(default_factory=dict)

    def add(self, unit: Unit, reasons: dict[int, str]) -> None:
        """Those of a unit."""
        self.by_run |= {(unit.cell.task, unit.cell.row, seed): why for seed, why in reasons.items()}


def here(work: Sequence[Unit], out: Path, *, say: Say, quiet: bool) -> FailedCells:
    """One unit after another in this process."""
    failures = FailedCells()
    for number, unit in enumerate(work, 1):
        say(f"[{number}/{len(work)}] {unit.name}")
        failures.add(unit, patiently(unit, out, quiet=quiet))
        jax.clear_caches()  # compiled programs are mapped memory, of which there is not endlessly much
    return failures


def processes(work: Sequence[Unit], out: Path, workers: int, *, say: Say) -> FailedCells:
    """Several units at once, each in a process of its own, which ends with this one."""
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
                    say(f"the process of {unit.name} died ({_death(process.returncode)}): it is begun again")
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
    process.stdin.flush()  # left open: its end tells the worker that this process is gone
    return process


def _told(process: "subprocess.Popen[str]") -> dict[int, str] | None:
    """What a worker that ended said of its seeds.

    Raises:
        RequestError: If it was refused.
        Interrupted: If it was asked to stop.
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
    """Ask workers to stop at a safe place, and wait until they have."""
    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
