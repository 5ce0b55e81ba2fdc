"""The metrics of a run: two tables in one SQLite file, and further metrics sinks (TensorBoard, W&B).

The file uses a rollback journal. Each write is one transaction that is forced to the disk: if the process is killed,
every write is complete or absent. A write-ahead log is not used, because it does not work on network file systems, and
because it leaves a file that a reader without write permission cannot open.
"""

import contextlib
import json
import math
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from jaxtyping import Float, Float64, Int, Int64

from hamlet.errors import RunError
from hamlet.extras import bring
from hamlet.files import atomic_write
from hamlet.runs import metrics_file

_SCHEMA = """
    CREATE TABLE IF NOT EXISTS metrics (
        name TEXT NOT NULL,
        step INTEGER NOT NULL,
        value REAL,
        wall_time REAL NOT NULL,
        PRIMARY KEY (name, step)
    ) WITHOUT ROWID
"""
# Created with the first evaluation, so that the file of a run without evaluations, such as an old run, stays unchanged.
_POINTS = """
    CREATE TABLE IF NOT EXISTS evaluations (
        step INTEGER PRIMARY KEY,
        mode TEXT NOT NULL,
        seed INTEGER NOT NULL,
        agents TEXT NOT NULL,
        returns TEXT NOT NULL,
        lengths TEXT NOT NULL,
        wall_time REAL NOT NULL
    )
"""


@dataclass(frozen=True)
class Points:
    """The evaluations of a run during training, by ascending step.

    Attributes:
        steps: Environment steps at which the policy was evaluated, ``[P]``.
        returns: Each agent's return in each episode, ``[P, episodes, n]``; the team's return is the sum over agents.
        lengths: Steps of each episode, ``[P, episodes]``.
        agents: The agents' names, in the order of ``returns``.
        mode: "deterministic" or "stochastic"; empty if there are no evaluations.
        seed: The seed of the episodes, the same for every evaluation.
    """

    steps: Int64[np.ndarray, " P"]
    returns: Float64[np.ndarray, "P _episodes n"]
    lengths: Int64[np.ndarray, "P _episodes"]
    agents: tuple[str, ...] = ()
    mode: str = ""
    seed: int = 0

    @property
    def team(self) -> Float64[np.ndarray, "P _episodes"]:
        """The team's return in each episode, the sum over agents, ``[P, episodes]``."""
        return self.returns.sum(-1)


class Metrics:
    """The metrics of a run: values by name and environment step.

    Every method raises `RunError` if the file cannot be read or written.

    Args:
        path: The file. With ``write``, it is created if it does not exist.
        write: Whether the file may be written.

    >>> metrics = Metrics(":memory:")
    >>> metrics.write([(10, {"return": 1.5}), (20, {"return": 2.5, "entropy": 0.7})])
    >>> metrics.last("return")
    2.5
    """

    def __init__(self, path: str | Path, *, write: bool = True) -> None:
        self.path = path
        self._opened = contextlib.ExitStack()
        with self._reported():
            if write or not Path(path).exists():
                self._connection = metrics_file.writable(path if write else ":memory:")
                self._opened.callback(self._connection.close)
                self._connection.execute("PRAGMA synchronous = FULL")
                self._connection.execute(_SCHEMA)
            else:
                self._connection = self._opened.enter_context(metrics_file.readable(Path(path)))

    def write(self, rows: Iterable[tuple[int, Mapping[str, float]]]) -> None:
        """Add the values of one or more steps in one transaction; a value with the same name and step is replaced."""
        now = time.time()
        flat = [(name, int(step), float(value), now) for step, values in rows for name, value in values.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", flat)

    def truncate(self, after_step: int) -> None:
        """Remove all values after a step; a run that is resumed from this step measures them again."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM metrics WHERE step > ?", (int(after_step),))
            if self._has_points():
                connection.execute("DELETE FROM evaluations WHERE step > ?", (int(after_step),))

    def write_evaluation(
        self,
        step: int,
        values: Mapping[str, float],
        *,
        returns: Float[np.ndarray, "_episodes n"],
        lengths: Int[np.ndarray, " _episodes"],
        agents: tuple[str, ...],
        mode: str,
        seed: int,
    ) -> None:
        """Add an evaluation and its metrics in one transaction; an evaluation of the same step is replaced."""
        now, rows = time.time(), ((name, int(step), float(value)) for name, value in values.items())
        point = [json.dumps(list(agents)), *(json.dumps(array.tolist()) for array in (returns, lengths))]
        with self._transaction() as connection:
            connection.execute(_POINTS)
            row = (int(step), mode, int(seed), *point, now)
            connection.execute("INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", ((*r, now) for r in rows))

    def evaluations(self) -> Points:
        """Return the evaluations by ascending step; empty for a run without evaluations."""
        with self._reported():
            query = "SELECT step, mode, seed, agents, returns, lengths FROM evaluations ORDER BY step"
            rows = self._connection.execute(query).fetchall() if self._has_points() else []
        if not rows:
            return Points(np.zeros(0, np.int64), np.zeros((0, 0, 0)), np.zeros((0, 0), np.int64))
        steps, modes, seeds, agents, returns, lengths = zip(*rows, strict=True)
        try:
            return Points(
                np.array(steps, np.int64),
                np.array([json.loads(text) for text in returns], np.float64),
                np.array([json.loads(text) for text in lengths], np.int64),
                tuple(json.loads(agents[-1])),
                modes[-1],
                seeds[-1],
            )
        except (ValueError, TypeError) as error:
            raise RunError(f"the evaluations in {self.path} cannot be read: {atomic_write.one_line(error)}") from error

    def _has_points(self) -> bool:
        query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'evaluations'"
        return self._connection.execute(query).fetchone() is not None

    def read(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the steps (int64, ascending) and values (float64) of a metric; empty if there are none."""
        with self._reported():
            rows = self._connection.execute(
                "SELECT step, value FROM metrics WHERE name IN (?, ?) ORDER BY step", (name, formerly(name))
            ).fetchall()
        steps = np.array([step for step, _ in rows], dtype=np.int64)
        return steps, np.array([_number(value) for _, value in rows], dtype=np.float64)

    def names(self) -> list[str]:
        """Return the names of all recorded metrics, sorted."""
        with self._reported():
            rows = self._connection.execute("SELECT DISTINCT name FROM metrics ORDER BY name")
            return sorted({_now(name) for (name,) in rows})

    def last(self, name: str) -> float | None:
        """Return the latest value of a metric; None if there is none."""
        with self._reported():
            row = self._connection.execute(
                "SELECT value FROM metrics WHERE name IN (?, ?) ORDER BY step DESC LIMIT 1", (name, formerly(name))
            ).fetchone()
        return None if row is None else _number(row[0])

    def close(self) -> None:
        """Closes the file."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._reported():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise RunError(
                f"the metrics in {self.path} cannot be read or written: {atomic_write.one_line(error)}"
            ) from error


# Current names of metrics, with the names that they had in older runs.
_FORMERLY = {
    "actor/surrogate": "actor/gain",
    "actor/approx_kl": "actor/divergence",
    "actor/clip_fraction": "actor/outside",
    "actor/line_search_failed": "actor/rejected",
    "actor/line_search_steps": "actor/tries",
}
_NOW = {old: new for new, old in _FORMERLY.items()}


def formerly(name: str) -> str:
    """Return the name that a metric had in older runs; the same name if it did not change.

    >>> formerly("actor/approx_kl/agent_0"), formerly("return")
    ('actor/divergence/agent_0', 'return')
    """
    return _renamed(name, _FORMERLY)


def _now(name: str) -> str:
    return _renamed(name, _NOW)


def _renamed(name: str, names: Mapping[str, str]) -> str:
    """Return a metric's name with its first two parts renamed by ``names``; the third part is an agent."""
    first, slash, agent = name.partition("/")
    kind, after, agent = agent.partition("/")
    key = f"{first}{slash}{kind}"
    return names.get(key, key) + after + agent


class Sink(Protocol):
    """A metrics sink: it receives all metrics of a run, for example to send them to TensorBoard."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Receive the values of one step."""
        ...

    def close(self) -> None:
        """Finish: no further values follow."""
        ...


class TensorBoardSink:
    """Writes event files for TensorBoard into a directory.

    Args:
        directory: The directory of the event files.
        resume_step: The step of the checkpoint from which a run is resumed; TensorBoard hides older values after it.
    """

    def __init__(self, directory: str | Path, *, resume_step: int | None = None) -> None:
        package = bring("tensorboardX", "--tensorboard")
        purge_step = None if resume_step is None else resume_step + 1
        self._writer = package.SummaryWriter(str(directory), purge_step=purge_step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write the values of one step."""
        for name, value in values.items():
            self._writer.add_scalar(name, float(value), step)

    def close(self) -> None:
        """Write all buffered values and close the files."""
        self._writer.close()


class WandbSink:
    """Sends metrics to Weights & Biases; all ``WANDB_…`` environment variables apply, such as ``WANDB_MODE=offline``.

    Args:
        directory: The directory for wandb's files.
        project: The project, or None for the project in wandb's environment variables.
        name: The run's name in wandb.
        config: The configuration that wandb shows.
        identity: A fixed id, so that a resumed run continues the same wandb run.
        group: The group of runs to which this run belongs, for example the runs of all seeds.
        tags: Tags of the run.
    """

    def __init__(
        self,
        directory: str | Path,
        *,
        project: str | None = None,
        name: str | None = None,
        config: dict[str, Any] | None = None,
        identity: str | None = None,
        group: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> None:
        package = bring("wandb", "--wandb")
        self._run = package.init(
            dir=str(directory),
            project=project,
            name=name,
            config=config,
            id=identity,
            resume=None if identity is None else "allow",
            group=group,
            tags=tags,
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Send the values of one step."""
        self._run.log({name: float(value) for name, value in values.items()}, step=step)

    def close(self) -> None:
        """Wait until all values are sent, or written to the disk in offline mode."""
        self._run.finish()


def _number(value: float | None) -> float:
    """Return a stored value as a float: SQLite stores NaN as NULL."""
    return math.nan if value is None else value
