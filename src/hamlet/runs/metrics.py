"""What a run measured: two tables in one file, and whoever else wants to hear it.

SQLite with a rollback journal, each write one transaction forced to the disk: a process killed at any moment leaves
every write whole or not there. Not a write-ahead log, which does not work on network file systems and leaves a file
that a reader without the right to write cannot open.
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
# Made with the first point, so that a run without any, as those from before there were points, is read as it is.
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
    """The evaluations of a run while it trained, by ascending step.

    Attributes:
        steps: Environment steps at which the policy was evaluated.
        returns: Each agent's return of each episode; the team's is the sum over agents.
        lengths: Steps of each episode.
        agents: The agents' names, in the order of ``returns``.
        mode: "deterministic" or "stochastic"; empty where there are no points.
        seed: From which the episodes were drawn, the same at every point.
    """

    steps: Int64[np.ndarray, " P"]
    returns: Float64[np.ndarray, "P _episodes n"]
    lengths: Int64[np.ndarray, "P _episodes"]
    agents: tuple[str, ...] = ()
    mode: str = ""
    seed: int = 0

    @property
    def team(self) -> Float64[np.ndarray, "P _episodes"]:
        """The team's return of each episode: the sum over agents."""
        return self.returns.sum(-1)


class Metrics:
    """The metrics of a run: values by name and step, in environment steps.

    Every method raises `RunError` where the file cannot be read or written.

    Args:
        path: The file; it is made if it is to be written and is absent.
        write: Whether it may be written.

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
        """Adds the values of one or more steps, all or none; a value at the same name and step is replaced."""
        now = time.time()
        flat = [(name, int(step), float(value), now) for step, values in rows for name, value in values.items()]
        with self._transaction() as connection:
            connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", flat)

    def truncate(self, after_step: int) -> None:
        """Removes what was measured after a step: a run resumed from there will measure it again."""
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
        """Adds an evaluation, or replaces that of the step, with the values that go with it: both or none."""
        now, rows = time.time(), ((name, int(step), float(value)) for name, value in values.items())
        point = [json.dumps(list(agents)), *(json.dumps(array.tolist()) for array in (returns, lengths))]
        with self._transaction() as connection:
            connection.execute(_POINTS)
            row = (int(step), mode, int(seed), *point, now)
            connection.execute("INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?)", ((*r, now) for r in rows))

    def evaluations(self) -> Points:
        """The evaluations by ascending step; of a run without any, no points."""
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
        """The steps (int64, ascending) and values (float64) under a name; empty where nothing is."""
        with self._reported():
            rows = self._connection.execute(
                "SELECT step, value FROM metrics WHERE name IN (?, ?) ORDER BY step", (name, formerly(name))
            ).fetchall()
        steps = np.array([step for step, _ in rows], dtype=np.int64)
        return steps, np.array([_number(value) for _, value in rows], dtype=np.float64)

    def names(self) -> list[str]:
        """The names under which something was measured, sorted."""
        with self._reported():
            rows = self._connection.execute("SELECT DISTINCT name FROM metrics ORDER BY name")
            return sorted({_now(name) for (name,) in rows})

    def last(self, name: str) -> float | None:
        """The value at the latest step under a name; None where nothing is."""
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
            raise RunError(f"the metrics in {self.path}: {atomic_write.one_line(error)}") from error


# What metrics were called in runs from before, by their names of now.
_FORMERLY = {
    "actor/surrogate": "actor/gain",
    "actor/approx_kl": "actor/divergence",
    "actor/clip_fraction": "actor/outside",
    "actor/line_search_failed": "actor/rejected",
    "actor/line_search_steps": "actor/tries",
}
_NOW = {old: new for new, old in _FORMERLY.items()}


def formerly(name: str) -> str:
    """What a metric was called in runs from before; its own name where that is as it was.

    >>> formerly("actor/approx_kl/agent_0"), formerly("return")
    ('actor/divergence/agent_0', 'return')
    """
    return _renamed(name, _FORMERLY)


def _now(name: str) -> str:
    return _renamed(name, _NOW)


def _renamed(name: str, names: Mapping[str, str]) -> str:
    """A name with its first two parts exchanged, where they have another name; what follows is an agent."""
    first, slash, agent = name.partition("/")
    kind, after, agent = agent.partition("/")
    key = f"{first}{slash}{kind}"
    return names.get(key, key) + after + agent


class Sink(Protocol):
    """Whoever else wants to hear what a run measures."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the values of one step."""
        ...

    def close(self) -> None:
        """Takes no more."""
        ...


class TensorBoardSink:
    """Writes event files for TensorBoard into a directory.

    Args:
        directory: Where the event files go.
        resume_step: The step of the checkpoint a resumed run starts from; TensorBoard hides what came after it.
    """

    def __init__(self, directory: str | Path, *, resume_step: int | None = None) -> None:
        package = bring("tensorboardX", "--tensorboard")
        purge_step = None if resume_step is None else resume_step + 1
        self._writer = package.SummaryWriter(str(directory), purge_step=purge_step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the values of one step."""
        for name, value in values.items():
            self._writer.add_scalar(name, float(value), step)

    def close(self) -> None:
        """Writes out what waits and closes the files."""
        self._writer.close()


class WandbSink:
    """Sends metrics to Weights & Biases; ``WANDB_MODE=offline`` is respected, as every setting of its environment.

    Args:
        directory: Where wandb keeps its files.
        project: The project, or None for the one of wandb's environment.
        name: The run's name there.
        config: What to show as its configuration.
        identity: A fixed id, so that a resumed run goes on in the same place.
        group: The runs that it stands among, as those of other seeds.
        tags: Words to find it by.
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
        """Takes the values of one step."""
        self._run.log({name: float(value) for name, value in values.items()}, step=step)

    def close(self) -> None:
        """Waits until everything is sent, or written where offline."""
        self._run.finish()


def _number(value: float | None) -> float:
    """SQLite keeps NaN as NULL."""
    return math.nan if value is None else value
