"""Read a run's learning diagnostics: losses, entropy, KL divergence and clip fraction, each as a mean over agents."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hamlet.reports.data.measurements import Clock, Series
from hamlet.runs.metrics import formerly
from hamlet.runs.metrics_file import readable


@dataclass(frozen=True)
class Diagnostic:
    """A measurement of learning that reports show.

    Attributes:
        key: The key of the diagnostic in the report.
        names: The possible names of its metric, without the owner at the end; a run uses one of them.
        title: The title in the report.
        unit: The unit of its values; empty where they have none.
    """

    key: str
    names: tuple[str, ...]
    title: str
    unit: str


DIAGNOSTICS = (
    Diagnostic("critic_loss", ("critic/loss",), "Critic loss", ""),
    Diagnostic("actor_loss", ("actor/loss",), "Loss of the agents' values", "return²"),
    Diagnostic("entropy", ("actor/entropy",), "Entropy of the policies", "nats"),
    Diagnostic("kl", ("actor/approx_kl", "actor/kl"), "KL divergence of the update", "nats"),
    Diagnostic("clip_fraction", ("actor/clip_fraction",), "Clip fraction", "share of steps"),
)
"""The diagnostics in the order in which reports show them; docs/metrics.md explains each of them."""


def read(path: Path, clock: Clock) -> Mapping[str, Series]:
    """Return every diagnostic that a run has measured, by its key; the result is empty for an unreadable file.

    Args:
        path: The file of the metrics.
        clock: The clock that gives the seconds of training at each step.
    """
    try:
        with readable(path) as connection:
            means = {diagnostic.key: _mean(connection, diagnostic) for diagnostic in DIAGNOSTICS}
    except (sqlite3.Error, OSError):  # the function that reads the returns adds a remark
        return {}
    return {key: Series(steps, values, clock.at(steps)) for key, (steps, values) in means.items() if len(steps)}


def _mean(connection: sqlite3.Connection, diagnostic: Diagnostic) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps and, for each step, the mean of the finite values over the owners of the metric."""
    names = [*diagnostic.names, *(old for name in diagnostic.names if (old := formerly(name)) != name)]
    where = " OR ".join("name GLOB ?" for _ in names)
    numbers = "typeof(value) IN ('real', 'integer') AND abs(value) < 1e300 AND typeof(step) = 'integer' AND step >= 0"
    rows = connection.execute(
        f"SELECT step, avg(value) FROM metrics WHERE ({where}) AND {numbers} GROUP BY step ORDER BY step",
        [f"{name}/*" for name in names],
    ).fetchall()
    return np.array([step for step, _ in rows], np.int64), np.array([value for _, value in rows], np.float64)
