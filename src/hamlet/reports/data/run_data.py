"""Read the data of a run from its directory, for a report.

Reading never changes the directory, and never fails because of damaged files. If a file is missing, damaged or still
being written, its data are left out, and a remark states this. All other data are used. The metrics file is opened
read-only. If a killed process left an SQLite journal, only a writer may roll it back. In this case Hamlet reads a copy
of the metrics file and the journal.
"""

import contextlib
import json
import math
import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from hamlet.checkpoints import checkpoint
from hamlet.envs.base import KnownReturns, declared_returns
from hamlet.errors import RequestError, RunError
from hamlet.evaluation import evaluation_log
from hamlet.files.atomic_write import one_line
from hamlet.reports.data import damage, diagnostics, sides
from hamlet.reports.data.measurements import NOTHING, Clock, Series, evaluations, latest
from hamlet.reports.data.sides import Sides
from hamlet.runs.configuration import completed
from hamlet.runs.directory import CONFIGURATION, LOCK, RunDirectory, is_locked
from hamlet.runs.metrics_file import readable
from hamlet.training import final_evaluation
from hamlet.training.run import SavedRun

State = Literal["done", "training", "stopped"]


@dataclass(frozen=True)
class RunData:
    """The data of one run, read from its directory.

    Attributes:
        path: The directory of the run, as it was given.
        config: The contents of config.json; empty if it cannot be read.
        state: "training" if a process holds the lock of the run; otherwise "done" if the run has all its steps, and
            "stopped" if it does not.
        done: The number of environment steps that the run has made.
        training: The mean team return of the episodes that ended in each rollout.
        evaluated: The mean team return of each evaluation during training; empty if there was no evaluation.
        rate: The median of the environment steps per second; None if no rate was measured.
        phases: The seconds spent on each phase of the run, by phase.
        latest: The last value of every other metric, by name; empty if the run is read at a step before its end.
        points: The results of its evaluations, the oldest first.
        sides: Each agent's returns and wins in the evaluations; None if there are none.
        known: The returns that the environment declares, such as its optimum; None if it declares none or cannot be
            read.
        learning: The learning diagnostics that the run measured, by the keys of `diagnostics.DIAGNOSTICS`.
        remarks: Lines that state what is missing, damaged or unfinished.
    """

    path: Path
    config: Mapping[str, Any]
    state: State
    done: int
    training: Series
    evaluated: Series
    rate: float | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    latest: Mapping[str, float] = field(default_factory=dict)
    points: Sequence[Mapping[str, Any]] = ()
    sides: Sides | None = None
    known: KnownReturns | None = None
    learning: Mapping[str, Series] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def algorithm(self) -> str:
        """The algorithm's name."""
        return str(self.config.get("algorithm_name") or "unknown")

    @property
    def environment(self) -> str:
        """The environment's name."""
        return str(self.config.get("environment_name") or "unknown")

    @property
    def seed(self) -> int | None:
        """The random seed of the run; None if the configuration has none."""
        seed = self.config.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def asked(self) -> int | None:
        """The requested number of environment steps; None if the configuration has none."""
        steps = self.config.get("steps")
        return steps if isinstance(steps, int) else None

    @property
    def task(self) -> str:
        """A text that identifies the environment: its name and all its options."""
        return json.dumps([self.environment, completed(self.config.get("environment"))], sort_keys=True)

    @property
    def declaration(self) -> str:
        """A text that identifies the algorithm: its name and all its hyperparameters, without the seed."""
        names = ("algorithm_name", "algorithm", "init_from")
        return json.dumps([completed(self.config.get(name)) for name in names], sort_keys=True)

    @property
    def constant_sum(self) -> bool:
        """Whether the game is constant-sum: the agents' returns sum to the same number in every episode."""
        if self.sides is None or self.known is not None:
            return False
        if any(point.get("constant_sum") is not None for point in self.points):
            return True
        lists = [point["returns"] for point in self.points if isinstance(point.get("returns"), list)]
        team = [float(value) for values in lists for value in values if isinstance(value, int | float)]
        return self.sides.constant_sum([*team, *self.training.values])

    def until(self, steps: int) -> "RunData":
        """Return the run as it was after the given number of steps; return it unchanged if it has fewer steps."""
        if self.done < steps:
            return self
        return replace(
            self,
            config=dict(self.config) | {"steps": steps},
            state="done",
            done=steps,
            training=self.training.until(steps),
            evaluated=self.evaluated.until(steps),
            latest={},
            points=[point for point in self.points if _stood(point, steps)],
            sides=None if self.sides is None else self.sides.until(steps),
            learning={name: series.until(steps) for name, series in self.learning.items()},
            remarks=tuple(line for line in self.remarks if line not in _unfinished(self.state, self.done, self.config)),
        )


def read_all(paths: Sequence[str | Path], *, steps: int | None = None) -> list[RunData]:
    """Read the runs in the given directories; a directory that contains several runs stands for all of them.

    Args:
        paths: Directories of runs, or directories that contain several runs, for example of several seeds.
        steps: The number of environment steps after which each run is read; None for all its steps.

    Raises:
        RequestError: If a path contains no run (the error names the nearest run), or no run has ``steps`` steps.
    """
    runs = [read(path) for path in dict.fromkeys(run for path in paths for run in _runs(Path(path)))]
    if steps is None:
        return runs
    longest = max(run.done for run in runs)
    if not 1 <= steps <= longest:
        raise RequestError(f"--steps must be from 1 to {longest:,}, the steps of the longest run, got {steps:,}")
    return [run.until(steps) for run in runs]


def read(path: Path) -> RunData:
    """Read one run, as far as its files can be read."""
    remarks: list[str] = []
    config = _config(path, remarks)
    directory = RunDirectory(path)
    points = _points(directory, remarks)
    columns = _columns(directory.metrics, remarks)
    seconds = Clock.of(columns.get("env_steps_per_second", NOTHING))
    behind = [int(column[-1]) for column, _ in columns.values() if len(column)]
    with contextlib.suppress(OSError):
        behind += checkpoint.steps(directory.checkpoints)
    done = max(behind, default=0)
    state = _state(directory, config, done)
    column = _sides(directory.metrics, points, remarks)
    remarks += _unfinished(state, done, config)
    return RunData(
        path=path,
        config=config,
        state=state,
        done=done,
        training=_series(columns, "return", seconds),
        evaluated=_series(columns, "evaluation/return", seconds),
        rate=seconds.rate,
        phases=_phases(columns, seconds),
        latest=_latest(directory.metrics),
        points=points,
        sides=column,
        known=_known(path),
        learning=diagnostics.read(directory.metrics, seconds) if directory.metrics.is_file() else {},
        remarks=tuple(remarks),
    )


def _runs(path: Path) -> list[Path]:
    """Return the path itself if it is a run, otherwise the runs in it, sorted by the numbers in their names."""
    if (path / CONFIGURATION).is_file() or (path / "metrics.sqlite").is_file():
        return [path]
    directories = {entry.parent for depth in ("*", "*/*") for entry in path.glob(f"{depth}/{CONFIGURATION}")}
    if not directories:
        RunDirectory.open(path)  # raises an error that names the nearest run
    return sorted(directories, key=lambda entry: [int(part) if part.isdigit() else part for part in _parts(str(entry))])


def _parts(text: str) -> list[str]:
    """Split a text into alternating words and numbers, so that seed-10 is sorted after seed-9."""
    return re.split(r"(\d+)", text)


def _config(path: Path, remarks: list[str]) -> dict[str, Any]:
    try:
        config = RunDirectory(path).config()
    except RunError as error:
        remarks.append(str(error).replace(f"{path}/", ""))
        return {}
    if isinstance(config, dict):
        return damage.sound(config, remarks)
    remarks.append(f"{CONFIGURATION} does not contain a configuration")
    return {}


def _points(directory: RunDirectory, remarks: list[str]) -> list[dict[str, Any]]:
    try:
        points, failed = final_evaluation.points(directory), evaluation_log.failed_points(directory)
    except RunError as error:
        remarks.append(str(error).replace(f"{directory.path}/", ""))
        return []
    good = [point for point in map(damage.readable, points) if damage.is_point(point)]
    if len(good) < len(points):
        remarks.append(f"evaluation.json: {len(points) - len(good)} of {len(points)} points are incomplete")
    remarks += [text for point in good if (text := _spoiled(point))]
    remarks += [text for point in failed if (text := _failure(point))]
    return good


def _spoiled(point: Mapping[str, Any]) -> str:
    """Return a line on the failed and truncated episodes of an evaluation; empty if there are none."""
    failed, cut, count = (point.get(name) for name in ("failed", "cut", "episodes"))
    words = [f"{failed} episodes failed and were replaced"] if isinstance(failed, int) and failed > 0 else []
    if isinstance(cut, int) and cut > 0:
        limit = point.get("max_episode_steps")
        words.append(f"{cut} were truncated" + (f" at {limit:,} steps" if isinstance(limit, int) else ""))
    best = point.get("metric") == "absolute"
    kind = "final evaluation of the best policy" if best else f"{point['mode']} evaluation"
    return f"of the {count} episodes of the {kind} at step {point['step']:,}, {' and '.join(words)}" if words else ""


def _stood(point: Mapping[str, Any], steps: int) -> bool:
    """Return whether an evaluation belongs to the run as it was after the given number of steps."""
    return point.get("run_steps") == steps if point.get("metric") == "absolute" else point["step"] <= steps


def _known(path: Path) -> KnownReturns | None:
    with contextlib.suppress(Exception):  # the class is not trusted, or no longer exists
        return declared_returns(SavedRun(path).environment)
    return None


def _sides(metrics: Path, points: Sequence[Mapping[str, Any]], remarks: list[str]) -> Sides | None:
    """Return each agent's results in the evaluations during training; if there are none, in the later evaluations."""
    try:
        rows = evaluations(metrics) if metrics.is_file() else []
        return sides.of_rows(rows) or sides.of_points([point for point in points if point["mode"] != "random"])
    except (sqlite3.Error, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        remarks.append(f"the agents' own returns cannot be read: {one_line(error)}")
        return None


def _failure(point: Mapping[str, Any]) -> str:
    """Return a line on an evaluation that has no result; empty if the evaluation cannot be read."""
    step, count, asked = (point.get(name) for name in ("step", "failed", "episodes"))
    if not all(isinstance(number, int) for number in (step, count, asked)):
        return ""
    who = "random play" if point.get("mode") == "random" else f"the policy of step {step:,}"
    return f"the evaluation of {who} has no result: {count} episodes failed, {asked} were requested"


_WANTED = ("return", "evaluation/return", "env_steps_per_second", "seconds/%", "time/%")


def _columns(path: Path, remarks: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the steps and values of the metrics that a report shows, by name."""
    if not path.is_file():
        remarks.append("metrics.sqlite is missing: there are no curves of this run")
        return {}
    try:
        with readable(path) as connection:
            where = " OR ".join("name LIKE ?" for _ in _WANTED)
            rows = connection.execute(
                f"SELECT name, step, value FROM metrics WHERE {where} ORDER BY name, step", _WANTED
            ).fetchall()
    except (sqlite3.Error, OSError) as error:
        remarks.append(f"metrics.sqlite cannot be read: {one_line(error)}; there are no curves of this run")
        return {}
    columns: dict[str, list[tuple[int, float]]] = {}
    good = [row for row in rows if damage.is_measurement(*row)]
    if len(good) < len(rows):
        remarks.append(f"metrics.sqlite: {len(rows) - len(good)} of {len(rows)} values are not measurements")
    for name, step, value in good:
        columns.setdefault(name, []).append((step, math.nan if value is None else value))
    return {
        name: (np.array([s for s, _ in pairs], np.int64), np.array([v for _, v in pairs]))
        for name, pairs in columns.items()
    }


def _latest(path: Path) -> dict[str, float]:
    """Return the last values of all other metrics; empty if the file cannot be read (`_columns` adds a remark)."""
    with contextlib.suppress(sqlite3.Error, OSError):
        return latest(path, _WANTED) if path.is_file() else {}
    return {}


def _series(columns: Mapping[str, tuple[np.ndarray, np.ndarray]], name: str, clock: Clock) -> Series:
    """Return the finite values of a metric."""
    steps, values = columns.get(name, NOTHING)
    finite = np.isfinite(values)
    return Series(steps[finite], values[finite], clock.at(steps[finite]))


def _phases(columns: Mapping[str, tuple[np.ndarray, np.ndarray]], clock: Clock) -> dict[str, float]:
    """Return the seconds spent on each phase: first training or its parts, then the separately timed phases."""
    phases = {"training": float(clock.seconds[-1])} if len(clock.seconds) else {}
    parts = {name: float(np.nansum(values)) for name, (_, values) in columns.items() if name.startswith("time/")}
    if parts and "training" in phases:
        # Host environments time the parts of an iteration. These parts replace "training".
        del phases["training"]
        phases |= {name.removeprefix("time/"): seconds for name, seconds in parts.items()}
    besides = {name: values for name, (_, values) in columns.items() if name.startswith("seconds/")}
    return phases | {name.removeprefix("seconds/"): float(np.nansum(values)) for name, values in besides.items()}


def _state(directory: RunDirectory, config: Mapping[str, Any], done: int) -> State:
    if is_locked(directory.path / LOCK):
        return "training"
    asked = config.get("steps")
    return "stopped" if not isinstance(asked, int) or done < asked else "done"


def _unfinished(state: State, done: int, config: Mapping[str, Any]) -> list[str]:
    asked = config.get("steps")
    of = f"{done:,} of {asked:,} steps" if isinstance(asked, int) else f"{done:,} steps"
    if state == "training":
        return [f"still training: {of}; the numbers are preliminary"]
    return [f"stopped at {of}: the numbers are from an unfinished run"] if state == "stopped" else []


__all__ = ["RequestError", "RunData", "Series", "State", "read", "read_all"]
