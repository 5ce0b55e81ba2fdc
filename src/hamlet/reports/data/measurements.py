"""Read the measurements that a run made during training; the files are opened read-only."""

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
    """The values of one quantity over a run.

    Attributes:
        steps: Environment steps, summed over the parallel copies of the environment, ascending.
        values: The value at each step, in the unit of the quantity; returns are in units of the reward.
        seconds: The seconds of training until each step, without evaluation and compilation.
    """

    steps: Int[np.ndarray, " P"]
    values: Float[np.ndarray, " P"]
    seconds: Float[np.ndarray, " P"]

    def __len__(self) -> int:
        return len(self.steps)

    def until(self, steps: int) -> "Series":
        """Return the series without the values after the given step."""
        kept = self.steps <= steps
        return Series(self.steps[kept], self.values[kept], self.seconds[kept])


@dataclass(frozen=True)
class Clock:
    """The seconds of training until each step.

    Each iteration counts its steps divided by its rate, so pauses between iterations do not count.

    Attributes:
        steps: Environment steps at which a rate was measured, ascending.
        seconds: The seconds of training until each of these steps.
        rate: The median of the measured rates in steps per second; None if there is none.
    """

    steps: np.ndarray
    seconds: np.ndarray
    rate: float | None

    @classmethod
    def of(cls, rates: tuple[np.ndarray, np.ndarray]) -> "Clock":
        """Return the clock of the measured rates: the steps, and the steps per second at each of them."""
        steps, values = rates
        good = np.isfinite(values) & (values > 0)
        steps, values = steps[good], values[good]
        if not len(steps):
            return cls(*NOTHING, None)
        return cls(steps, np.cumsum(np.diff(steps, prepend=0) / values), float(np.median(values)))

    def at(self, steps: np.ndarray) -> np.ndarray:
        """Return the seconds of training until each of the given steps; NaN if no rate was measured."""
        if not len(self.steps):
            return np.full(len(steps), np.nan)
        return np.interp(steps, np.append(0, self.steps), np.append(0.0, self.seconds))


def evaluations(path: Path) -> list[tuple[int, str, str]]:
    """Return the evaluations during training: step, agents' names (JSON), and returns ``[episodes, n]`` (JSON)."""
    with readable(path) as connection:
        if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'evaluations'").fetchone() is None:
            return []
        return connection.execute("SELECT step, agents, returns FROM evaluations ORDER BY step").fetchall()


def latest(path: Path, without: Sequence[str]) -> dict[str, float]:
    """Return the last finite value of every metric, by name.

    Args:
        path: The metrics file.
        without: SQL patterns (LIKE) of the names that are left out.

    Raises:
        sqlite3.Error: If SQLite cannot read the file.
        OSError: If the file cannot be opened.
    """
    where = " AND ".join("name NOT LIKE ?" for _ in without)
    with readable(path) as connection:
        query = f"SELECT name, MAX(step), value FROM metrics WHERE {where} GROUP BY name ORDER BY name"
        rows = connection.execute(query, tuple(without)).fetchall()
    good = [(row[0], row[2]) for row in rows if damage.is_measurement(*row) and row[2] is not None]
    return {name: float(value) for name, value in good if math.isfinite(value)}
