"""What a run measured while it trained, read only."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from hamlet.reports.data import damage
from hamlet.runs.metrics_file import readable

NOTHING = (np.zeros(0, np.int64), np.zeros(0))


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

    def until(self, steps: int) -> "Series":
        """Without what was measured after a step."""
        kept = self.steps <= steps
        return Series(self.steps[kept], self.values[kept], self.seconds[kept])


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
    with readable(path) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'evaluations'").fetchone() is None:
            return []
        return connection.execute("SELECT step, agents, returns FROM evaluations ORDER BY step").fetchall()


def latest(path: Path, without: Sequence[str]) -> dict[str, float]:
    """The last value of every metric, by name, whoever measured it; without names that are like some patterns of SQL.

    Raises:
        sqlite3.Error: The file cannot be read.
        OSError: Likewise.
    """
    where = " AND ".join("name NOT LIKE ?" for _ in without)
    with readable(path) as connection:
        query = f"SELECT name, MAX(step), value FROM metrics WHERE {where} GROUP BY name ORDER BY name"
        rows = connection.execute(query, tuple(without)).fetchall()
    good = [(row[0], row[2]) for row in rows if damage.is_measurement(*row) and row[2] is not None]
    return {name: float(value) for name, value in good if math.isfinite(value)}
