"""The directory of a run: what stands where, who may write there.

    config.json   what was asked for, fully resolved       metrics.sqlite     what was measured while training
    checkpoints/  training states                          evaluation.json    what the evaluations gave
    replay/       what they remember of play               lock               held by the process that trains
    best/         the policy that was evaluated best

The lock belongs to the process (`flock`): it is gone when the process is, however it ended.
"""

import contextlib
import fcntl
import itertools
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

from hamlet.errors import RequestError, RunError
from hamlet.files import atomic_write, json_file, plain_files
from hamlet.nearest import closest
from hamlet.runs import configuration

CONFIGURATION = "config.json"
LOCK = "lock"
# What is read and written of a run: none may be a link that leads elsewhere.
_DIRECTORIES = ("checkpoints", "best", "replay", "tensorboard", "wandb")
_FILES = (CONFIGURATION, LOCK, "metrics.sqlite", "metrics.sqlite-journal", "evaluation.json", "wandb-id")
# A lock that is only looked at is free a moment later.
_TRIES, _PAUSE = 5, 0.02


class Config(NamedTuple):
    """What a config.json holds, in the present version, and its bytes."""

    values: dict[str, Any]
    data: bytes


@dataclass(frozen=True)
class RunDirectory:
    """A directory that holds a run; made by `create` or `open`."""

    path: Path

    @classmethod
    def create(cls, path: str | Path, config: dict[str, Any]) -> Self:
        """Begins a run at ``path``, of which at most an empty directory may exist.

        Raises:
            RequestError: There is a run already, or something else.
            RunError: It cannot be written.
        """
        run = cls(Path(path))
        _refuse_taken(run.path)
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"the directory {run.path} cannot be made: {atomic_write.one_line(error)}") from error
        with run.lock():
            _refuse_taken(run.path)  # by a process that came between
            run.write_json(CONFIGURATION, versioned(config))
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run at ``path``.

        Raises:
            RequestError: No run is there; names the nearest one. Or something of it is a link that leads elsewhere.
        """
        path = Path(path)
        if not _holds_run(path):
            problem = "is no run" if path.exists() else "does not exist"
            raise RequestError(f"{path} {problem}{_nearest_run(path)}")
        for name in (*_FILES, *_DIRECTORIES):
            _refuse_strange(path / name)
        return cls(path)

    @property
    def checkpoints(self) -> Path:
        """The directory of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The directory of the policy that was evaluated best."""
        return self.path / "best"

    @property
    def replay(self) -> Path:
        """The directory of what the checkpoints remember of play."""
        return self.path / "replay"

    @property
    def metrics(self) -> Path:
        """The file of the metrics."""
        return self.path / "metrics.sqlite"

    @property
    def evaluation(self) -> Path:
        """The file of the evaluations."""
        return self.path / "evaluation.json"

    def config(self) -> dict[str, Any]:
        """What `create` was given, in the present version.

        Raises:
            RunError: The file cannot be read.
        """
        return self.as_written().values

    def as_written(self) -> Config:
        """The same with the bytes of the file.

        Raises:
            RunError: The file cannot be read.
        """
        return read_config(self.path / CONFIGURATION)

    def write_json(self, name: str, data: Any) -> None:
        """Replaces a file of the run: a reader, or a kill at any moment, finds the old one or the new one.

        Raises:
            RunError: It cannot be written, as on a full disk; the old file is intact.
        """
        try:
            atomic_write.write(self.path / name, json_file.as_text(data))
        except OSError as error:
            raise RunError(f"{self.path / name} cannot be written: {atomic_write.one_line(error)}") from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keeps every other process from writing this run.

        Raises:
            RequestError: Another holds it; names its process.
        """
        path = self.path / LOCK
        try:
            # Not inherited by what this process starts: a worker that outlives it must not keep the run locked.
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(path, flags, 0o666)
        except OSError as error:
            raise RunError(f"{path} cannot be opened: {atomic_write.one_line(error)}") from error
        try:
            try:
                _hold(descriptor)
            except BlockingIOError:
                holder = os.pread(descriptor, 32, 0).decode(errors="replace").strip() or "of another machine"
                raise RequestError(
                    f"the run {self.path} is in use by process {holder}: wait until it ends, or stop it"
                ) from None
            except OSError as error:
                raise RunError(f"{path} cannot be locked: {atomic_write.one_line(error)}") from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            try:
                yield
            finally:
                # Closing alone is not enough: a child on its way to exec still has the descriptor for an instant.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)


def _refuse_strange(path: Path) -> None:
    """Refuse what a run's own process has not made: reading it could wait for ever, writing it change other files."""
    try:
        plain_files.refuse_link(path, path.parent)
    except ValueError as error:
        raise RequestError(f"{path} is not used: {error}; put what it leads to in its place") from None
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise RequestError(f"{path} is neither a file nor a directory, and is not used: remove it")


def versioned(config: dict[str, Any]) -> dict[str, Any]:
    """What a config.json of the present version holds."""
    return {"version": configuration.VERSION} | config


def read_config(path: Path) -> Config:
    """What a config.json of any version holds.

    Raises:
        RunError: It cannot be read; the line says why.
    """
    try:
        data = json_file.contents(path)
        values = json_file.parse(data)
        if not isinstance(values, dict):
            raise ValueError("it holds no configuration, which is a JSON object")
        return Config(configuration.upgraded(values), data)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {atomic_write.one_line(error)}") from error


def _hold(descriptor: int) -> None:
    """Lock a file for this process alone; who only looks whether it is locked (`is_locked`) has it for an instant.

    Raises:
        BlockingIOError: Another process holds it.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_PAUSE)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool:
    """Whether a process holds a run's lock, on whatever file system it is and in whatever container the process."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return False


def run_or_best(path: str | Path) -> tuple[Path, bool]:
    """The directory of a run, and whether ``RUN/best``, its best policy, was meant."""
    path = Path(path)
    best = path.name == "best" and _holds_run(path.parent)
    return (path.parent if best else path), best


def _holds_run(path: Path) -> bool:
    return (path / CONFIGURATION).is_file()


def _refuse_taken(path: Path) -> None:
    free = _next_free(path)
    if _holds_run(path):
        raise RequestError(f"{path} already holds a run: go on with `hamlet resume {path}`, or choose --out {free}")
    if path.exists() and not path.is_dir():
        raise RequestError(f"{path} is a file, not a directory for a run: choose --out {free}")
    if path.is_dir() and any(not _own(entry.name) for entry in path.iterdir()):
        raise RequestError(f"{path} is not empty and holds no run: choose --out {free}")


def _own(name: str) -> bool:
    """Whether a file is what a process killed within `create` may leave."""
    return name == LOCK or name.startswith(f".{CONFIGURATION}.")


def _next_free(path: Path) -> Path:
    """``runs/a`` gives ``runs/a-2``, and ``runs/a-2`` gives ``runs/a-3`` where there is a ``runs/a``."""
    if path.name in ("", ".."):
        path = Path("runs/run")
    match = re.fullmatch(r"(.+)-[0-9]+", path.name)
    stem = match[1] if match and path.with_name(match[1]).exists() else path.name
    candidates = (path.with_name(f"{stem}-{number}") for number in itertools.count(2))
    return next(candidate for candidate in candidates if not candidate.exists())


def _nearest_run(path: Path) -> str:
    """The run that was probably meant: one inside, one around, or one beside of a like name."""
    try:
        inside = sorted(entry.parent for depth in ("*", "*/*") for entry in path.glob(f"{depth}/{CONFIGURATION}"))
        around = [parent for parent in path.parents if _holds_run(parent)]
        beside = sorted(entry.parent for entry in path.parent.glob(f"*/{CONFIGURATION}"))
    except OSError:
        return ""
    if inside:
        return f"; there is one inside: {inside[0]}" + (f" (and {len(inside) - 1} more)" if inside[1:] else "")
    if around:
        return f"; it is a part of the run {around[0]}"
    near = closest(path.name, [run.name for run in beside])
    return f"; the nearest run is {path.with_name(near[0])}" if near else ""
