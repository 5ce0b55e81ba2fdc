"""What a run measured, opened read-only: a copy, where a killed process left a journal that only a writer may undo."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# For a process that is just writing.
_WAIT_SECONDS = 5.0
NOTHING = (np.zeros(0, np.int64), np.zeros(0))


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The metrics, read-only; a copy of them where a journal must be undone first."""
    journal = path.with_name(f"{path.name}-journal")
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(contextlib.closing(_connect(path)))
        try:
            connection.execute("SELECT 1 FROM metrics LIMIT 1").fetchall()
        except sqlite3.OperationalError:
            if not journal.exists():
                raise
            aside = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            for one in (path, journal):
                shutil.copy(one, aside)
            connection = stack.enter_context(contextlib.closing(sqlite3.connect(aside / path.name)))
        yield connection


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_WAIT_SECONDS)


@dataclass(frozen=True)
class Clock:
    """Seconds of training by step: every iteration's steps over its rate, so that pauses between do not count."""

    steps: np.ndarray
    seconds: np.ndarray
    rate: float | None

    @classmethod
    def of(cls, rates: tuple[np.ndarray, np.ndarray]) -> "Clock":
        """From the rates that were measured, by step."""
        steps, values = rates
        good = np.isfinite(values) & (values > 0)
        steps, values = steps[good], values[good]
        if not len(steps):
            return cls(*NOTHING, None)
        return cls(steps, np.cumsum(np.diff(steps, prepend=0) / values), float(np.median(values)))

    def at(self, steps: np.ndarray) -> np.ndarray:
        """The seconds until each of some steps; NaN where no rate was measured."""
        if not len(self.steps):
            return np.full(len(steps), np.nan)
        return np.interp(steps, np.append(0, self.steps), np.append(0.0, self.seconds))


def evaluations(path: Path) -> list[tuple[int, str, str]]:
    """The evaluations made while training: step, agents' names and their returns ``[episodes, n]`` as JSON."""
    with opened(path) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'evaluations'").fetchone() is None:
            return []
        return connection.execute("SELECT step, agents, returns FROM evaluations ORDER BY step").fetchall()
