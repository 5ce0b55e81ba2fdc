"""What a run measured of its learning besides returns: losses, entropy, divergence, as the mean over agents."""

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
    """One measurement of learning.

    Attributes:
        key: What the report calls it.
        names: Of the metrics that it may stand under, without their owner; a run has one of them.
        title: In words.
        unit: Of its values; empty where they have none.
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
"""In the order in which they are shown; what each is stands in docs/metrics.md."""


def read(path: Path, clock: Clock) -> Mapping[str, Series]:
    """Every diagnostic that a run has measured, by its key; a file that cannot be read has none.

    Args:
        path: The file of the metrics.
        clock: The seconds of training by step.
    """
    try:
        with readable(path) as connection:
            means = {diagnostic.key: _mean(connection, diagnostic) for diagnostic in DIAGNOSTICS}
    except (sqlite3.Error, OSError):  # which is remarked where returns are read
        return {}
    return {key: Series(steps, values, clock.at(steps)) for key, (steps, values) in means.items() if len(steps)}


def _mean(connection: sqlite3.Connection, diagnostic: Diagnostic) -> tuple[np.ndarray, np.ndarray]:
    """Steps, and at each the mean over owners of what is a finite number."""
    names = [*diagnostic.names, *(old for name in diagnostic.names if (old := formerly(name)) != name)]
    where = " OR ".join("name GLOB ?" for _ in names)
    numbers = "typeof(value) IN ('real', 'integer') AND abs(value) < 1e300 AND typeof(step) = 'integer' AND step >= 0"
    rows = connection.execute(
        f"SELECT step, avg(value) FROM metrics WHERE ({where}) AND {numbers} GROUP BY step ORDER BY step",
        [f"{name}/*" for name in names],
    ).fetchall()
    return np.array([step for step, _ in rows], np.int64), np.array([value for _, value in rows], np.float64)
