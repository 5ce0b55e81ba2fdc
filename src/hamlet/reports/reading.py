"""What a report knows of a run, from its directory alone: read, never written, and never refused for what is damaged.

A file that is missing, damaged or still being written costs what stands in it and is said in a remark; everything else
is used. The metrics are opened read-only. Where a killed process left a journal behind, which only a writer may undo, a
copy of both is read instead.
"""

import contextlib
import fcntl
import json
import math
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int

from hamlet.errors import RequestError, RunError
from hamlet.training import checkpoint, judge
from hamlet.training.directory import CONFIGURATION, LOCK, RunDirectory
from hamlet.training.durable import one_line

State = Literal["done", "training", "stopped"]
# For a process that is just writing.
_WAIT_SECONDS = 5.0


@dataclass(frozen=True)
class Series:
    """A value over a run.

    Attributes:
        steps: Environment steps of all copies together, ascending.
        values: In reward, or whatever was measured.
        seconds: Of training, evaluation and compilation apart, until each.
    """

    steps: Int[np.ndarray, " P"]
    values: Float[np.ndarray, " P"]
    seconds: Float[np.ndarray, " P"]

    def __len__(self) -> int:
        return len(self.steps)


@dataclass(frozen=True)
class Reading:
    """One run as it was found.

    Attributes:
        path: Its directory, as it was asked for.
        config: What config.json holds; empty where it cannot be read.
        state: Whether it has all its steps, a process holds its lock, or neither.
        done: Environment steps that are behind it.
        training: The team's return of the episodes that ended in each rollout, in the mean.
        evaluated: That of the evaluations made while it trained, in the mean over episodes; empty where none was.
        rate: Environment steps a second, the median; None where none was measured.
        phases: Seconds by what they were spent on.
        points: What its evaluations gave, the oldest first.
        remarks: What was missing, damaged or unfinished.
    """

    path: Path
    config: Mapping[str, Any]
    state: State
    done: int
    training: Series
    evaluated: Series
    rate: float | None = None
    phases: Mapping[str, float] = field(default_factory=dict)
    points: Sequence[Mapping[str, Any]] = ()
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
        """From which it was drawn."""
        seed = self.config.get("seed")
        return seed if isinstance(seed, int) else None

    @property
    def asked(self) -> int | None:
        """Environment steps that were asked for."""
        steps = self.config.get("steps")
        return steps if isinstance(steps, int) else None

    @property
    def task(self) -> str:
        """What tells its environment from others, its options included."""
        return json.dumps([self.environment, self.config.get("environment")], sort_keys=True)

    @property
    def declaration(self) -> str:
        """What tells its algorithm from others, every hyperparameter included, but not the seed."""
        names = ("algorithm_name", "algorithm", "init_from")
        return json.dumps([self.config.get(name) for name in names], sort_keys=True)


def read_all(paths: Sequence[str | Path]) -> list[Reading]:
    """The runs in these directories; one that holds the runs of several seeds, or several runs, counts as its runs.

    Raises:
        RequestError: A path holds no run; names the nearest.
    """
    found = dict.fromkeys(run for path in paths for run in _runs(Path(path)))
    return [read(path) for path in found]


def read(path: Path) -> Reading:
    """One run, however much of it can be read."""
    remarks: list[str] = []
    config = _config(path, remarks)
    directory = RunDirectory(path)
    points = _points(directory, remarks)
    columns = _columns(directory.metrics, remarks)
    seconds = _Clock.of(columns.get("env_steps_per_second", _NOTHING))
    behind = [int(own[-1]) for own, _ in columns.values() if len(own)]
    with contextlib.suppress(OSError):
        behind += checkpoint.steps(directory.checkpoints)
    done = max(behind, default=0)
    state = _state(directory, config, done)
    remarks += _unfinished(state, done, config)
    return Reading(
        path=path,
        config=config,
        state=state,
        done=done,
        training=_series(columns, "return", seconds),
        evaluated=_series(columns, "evaluation/return", seconds),
        rate=seconds.rate,
        phases=_phases(columns, seconds),
        points=points,
        remarks=tuple(remarks),
    )


def _runs(path: Path) -> list[Path]:
    """A run itself, or those that stand in a directory, by their numbers."""
    if (path / CONFIGURATION).is_file() or (path / "metrics.sqlite").is_file():
        return [path]
    found = {one.parent for depth in ("*", "*/*") for one in path.glob(f"{depth}/{CONFIGURATION}")}
    if not found:
        RunDirectory.open(path)  # which refuses it with the nearest run
    return sorted(found, key=lambda one: [int(part) if part.isdigit() else part for part in _parts(str(one))])


def _parts(text: str) -> list[str]:
    """Words and numbers by turns, so that seed-10 comes after seed-9."""
    return re.split(r"(\d+)", text)


def _config(path: Path, remarks: list[str]) -> dict[str, Any]:
    try:
        config = RunDirectory(path).config()
    except RunError as error:
        remarks.append(str(error).replace(f"{path}/", ""))
        return {}
    if isinstance(config, dict):
        return config
    remarks.append(f"{CONFIGURATION} holds no configuration")
    return {}


def _points(directory: RunDirectory, remarks: list[str]) -> list[dict[str, Any]]:
    try:
        points = judge.points(directory)
    except RunError as error:
        remarks.append(str(error).replace(f"{directory.path}/", ""))
        return []
    good = [point for point in points if _is_point(point)]
    if len(good) < len(points):
        remarks.append(f"evaluation.json: {len(points) - len(good)} of {len(points)} points are incomplete")
    return good


def _is_point(point: Mapping[str, Any]) -> bool:
    numbers = (point.get("mean"), point.get("step"))
    return all(isinstance(one, int | float) and math.isfinite(one) for one in numbers) and "mode" in point


_NOTHING = (np.zeros(0, np.int64), np.zeros(0))
_WANTED = ("return", "evaluation/return", "env_steps_per_second", "seconds/%", "time/%")


def _columns(path: Path, remarks: list[str]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Steps and values by name, of what a report shows."""
    if not path.is_file():
        remarks.append("metrics.sqlite is missing: there are no curves of this run")
        return {}
    try:
        with _opened(path) as connection:
            where = " OR ".join("name LIKE ?" for _ in _WANTED)
            rows = connection.execute(
                f"SELECT name, step, value FROM metrics WHERE {where} ORDER BY name, step", _WANTED
            ).fetchall()
    except (sqlite3.Error, OSError) as error:
        remarks.append(f"metrics.sqlite cannot be read: {one_line(error)}; there are no curves of this run")
        return {}
    columns: dict[str, list[tuple[int, float]]] = {}
    for name, step, value in rows:
        columns.setdefault(name, []).append((step, math.nan if value is None else value))
    return {
        name: (np.array([s for s, _ in own], np.int64), np.array([v for _, v in own])) for name, own in columns.items()
    }


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The metrics, read-only; a copy of them where a journal must be undone first."""
    journal = path.with_name(f"{path.name}-journal")
    try:
        with contextlib.closing(_connect(path)) as connection:
            connection.execute("SELECT 1 FROM metrics LIMIT 1").fetchall()
            yield connection
            return
    except sqlite3.OperationalError:
        if not journal.exists():
            raise
    with tempfile.TemporaryDirectory() as aside:
        for one in (path, journal):
            shutil.copy(one, aside)
        with contextlib.closing(sqlite3.connect(Path(aside) / path.name)) as connection:
            yield connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)


@dataclass(frozen=True)
class _Clock:
    """Seconds of training by step: every iteration's steps over its rate, so that pauses between do not count."""

    steps: np.ndarray
    seconds: np.ndarray
    rate: float | None

    @classmethod
    def of(cls, rates: tuple[np.ndarray, np.ndarray]) -> "_Clock":
        steps, values = rates
        good = np.isfinite(values) & (values > 0)
        steps, values = steps[good], values[good]
        if not len(steps):
            return cls(*_NOTHING, None)
        return cls(steps, np.cumsum(np.diff(steps, prepend=0) / values), float(np.median(values)))

    def at(self, steps: np.ndarray) -> np.ndarray:
        """The seconds until each of some steps; NaN where no rate was measured."""
        if not len(self.steps):
            return np.full(len(steps), np.nan)
        return np.interp(steps, np.append(0, self.steps), np.append(0.0, self.seconds))


def _series(columns: Mapping[str, tuple[np.ndarray, np.ndarray]], name: str, clock: _Clock) -> Series:
    """What was measured under a name, without what is no number."""
    steps, values = columns.get(name, _NOTHING)
    kept = np.isfinite(values)
    return Series(steps[kept], values[kept], clock.at(steps[kept]))


def _phases(columns: Mapping[str, tuple[np.ndarray, np.ndarray]], clock: _Clock) -> dict[str, float]:
    """Seconds by what they were spent on: training first, then what is timed besides."""
    phases = {"training": float(clock.seconds[-1])} if len(clock.seconds) else {}
    parts = {name: float(np.nansum(values)) for name, (_, values) in columns.items() if name.startswith("time/")}
    if parts and "training" in phases:
        # Hosted environments time the parts of an iteration; what is left of it stays "training".
        del phases["training"]
        phases |= {name.removeprefix("time/"): seconds for name, seconds in parts.items()}
    besides = {name: values for name, (_, values) in columns.items() if name.startswith("seconds/")}
    return phases | {name.removeprefix("seconds/"): float(np.nansum(values)) for name, values in besides.items()}


def _state(directory: RunDirectory, config: Mapping[str, Any], done: int) -> State:
    if _held(directory.path / LOCK):
        return "training"
    asked = config.get("steps")
    return "stopped" if not isinstance(asked, int) or done < asked else "done"


def _held(path: Path) -> bool:
    """Whether a process holds a lock. Looked up rather than tried: trying would get in the way of one that begins."""
    with contextlib.suppress(OSError):
        file = path.stat()
        locks = Path("/proc/locks")
        if locks.exists():
            mine = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
            return any(mine in line.split() for line in locks.read_text().splitlines() if "FLOCK" in line)
        with path.open() as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def _unfinished(state: State, done: int, config: Mapping[str, Any]) -> list[str]:
    asked = config.get("steps")
    of = f"{done:,} of {asked:,} steps" if isinstance(asked, int) else f"{done:,} steps"
    if state == "training":
        return [f"still training: {of}; its numbers are those so far"]
    return [f"stopped at {of}: its numbers are not those of a finished run"] if state == "stopped" else []


__all__ = ["Reading", "RequestError", "Series", "State", "read", "read_all"]
