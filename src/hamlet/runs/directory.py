"""The directory of a run: its files, and the lock that allows one process to write them.

    config.json   the fully resolved configuration         metrics.sqlite     the metrics of the training
    checkpoints/  training states                          evaluation.json    the results of the evaluations
    replay/       the replay buffer of the checkpoints     lock               locked by the process that trains
    best/         the policy with the best evaluation

The lock belongs to the process (`flock`). The system releases it when the process ends, even if it is killed.
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
# The files and directories of a run. None of them may be a link that leads out of the run's directory.
_DIRECTORIES = ("checkpoints", "best", "replay", "tensorboard", "wandb")
_FILES = (CONFIGURATION, LOCK, "metrics.sqlite", "metrics.sqlite-journal", "evaluation.json", "wandb-id")
# Tries to take the lock, and seconds between them: `is_locked` of another process takes the lock for a short moment.
_TRIES, _PAUSE = 5, 0.02


class Config(NamedTuple):
    """The content of a config.json, converted to the current version, and the bytes of the file."""

    values: dict[str, Any]
    data: bytes


@dataclass(frozen=True)
class RunDirectory:
    """A directory that contains a run; use `create` or `open` to get one."""

    path: Path

    @classmethod
    def create(cls, path: str | Path, config: dict[str, Any]) -> Self:
        """Create a run at ``path``, which must not exist or must be an empty directory.

        Raises:
            RequestError: ``path`` already contains a run or other files.
            RunError: The directory cannot be written.
        """
        run = cls(Path(path))
        _refuse_taken(run.path)
        try:
            run.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"the directory {run.path} cannot be created: {atomic_write.one_line(error)}") from error
        with run.lock():
            _refuse_taken(run.path)  # again: another process may have created a run in the meantime
            run.write_json(CONFIGURATION, versioned(config))
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Return the run at ``path``.

        Raises:
            RequestError: There is no run at ``path``; the error names the nearest one. Or a file of the run is a link
                that leads out of the directory.
        """
        path = Path(path)
        if not _holds_run(path):
            problem = "is not a run" if path.exists() else "does not exist"
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
        """The directory of the policy with the best evaluation."""
        return self.path / "best"

    @property
    def replay(self) -> Path:
        """The directory of the checkpoints' replay buffers."""
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
        """Return the content of config.json, converted to the current version.

        Raises:
            RunError: The file cannot be read.
        """
        return self.as_written().values

    def as_written(self) -> Config:
        """Return the content of config.json and the bytes of the file.

        Raises:
            RunError: The file cannot be read.
        """
        return read_config(self.path / CONFIGURATION)

    def write_json(self, name: str, data: Any) -> None:
        """Replace a file of the run atomically: readers find the old file or the new one, even after a kill.

        Raises:
            RunError: The file cannot be written, for example on a full disk; the old file is intact.
        """
        try:
            atomic_write.write(self.path / name, json_file.as_text(data))
        except OSError as error:
            raise RunError(f"{self.path / name} cannot be written: {atomic_write.one_line(error)}") from error

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the run, so that no other process writes it.

        Raises:
            RequestError: Another process has the lock; the error names the process.
            RunError: The lock file cannot be opened or locked.
        """
        path = self.path / LOCK
        try:
            # Child processes do not inherit the lock: a worker that outlives this process must not keep the run locked.
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
                # Closing is not enough: a child process still has the descriptor for a moment before it calls exec.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)


def _refuse_strange(path: Path) -> None:
    """Refuse files that no Hamlet process creates, such as pipes and links out of the directory.

    Reading such a file could block forever, and writing it could change files elsewhere.
    """
    try:
        plain_files.refuse_link(path, path.parent)
    except ValueError as error:
        raise RequestError(f"Hamlet does not use {path}: {error}; replace the link by the file it leads to") from None
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise RequestError(f"Hamlet does not use {path}: it is neither a file nor a directory; remove it")


def versioned(config: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a config.json of the current version."""
    return {"version": configuration.VERSION} | config


def read_config(path: Path) -> Config:
    """Read a config.json of any version.

    Raises:
        RunError: The file cannot be read; the error gives the reason.
    """
    try:
        data = json_file.contents(path)
        values = json_file.parse(data)
        if not isinstance(values, dict):
            raise ValueError("it does not contain a configuration, which is a JSON object")
        return Config(configuration.upgraded(values), data)
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {atomic_write.one_line(error)}") from error


def _hold(descriptor: int) -> None:
    """Lock a file for this process; try several times, because `is_locked` in another process locks it for a moment.

    Raises:
        BlockingIOError: Another process has the lock.
    """
    for _ in range(_TRIES - 1):
        with contextlib.suppress(BlockingIOError):
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        time.sleep(_PAUSE)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def is_locked(path: Path) -> bool:
    """Whether a process has a run's lock; works for every file system, and for processes in other containers."""
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
    """Return the directory of a run, and whether the path was ``RUN/best``, its best policy."""
    path = Path(path)
    best = path.name == "best" and _holds_run(path.parent)
    return (path.parent if best else path), best


def _holds_run(path: Path) -> bool:
    return (path / CONFIGURATION).is_file()


def _refuse_taken(path: Path) -> None:
    free = _next_free(path)
    if _holds_run(path):
        raise RequestError(f"{path} already contains a run: continue with `hamlet resume {path}`, or use --out {free}")
    if path.exists() and not path.is_dir():
        raise RequestError(f"{path} is a file, not a directory for a run: use --out {free}")
    if path.is_dir() and any(not _own(entry.name) for entry in path.iterdir()):
        raise RequestError(f"{path} contains files, but not a run: use --out {free}")


def _own(name: str) -> bool:
    """Whether a process that was killed during `create` may have left a file of this name."""
    return name == LOCK or name.startswith(f".{CONFIGURATION}.")


def _next_free(path: Path) -> Path:
    """Return an unused path: ``runs/a-2`` for ``runs/a``, or ``runs/a-3`` for ``runs/a-2`` if ``runs/a`` exists."""
    if path.name in ("", ".."):
        path = Path("runs/run")
    match = re.fullmatch(r"(.+)-[0-9]+", path.name)
    stem = match[1] if match and path.with_name(match[1]).exists() else path.name
    candidates = (path.with_name(f"{stem}-{number}") for number in itertools.count(2))
    return next(candidate for candidate in candidates if not candidate.exists())


def _nearest_run(path: Path) -> str:
    """Return advice on the run that was probably meant: one inside the path, around it, or with a similar name."""
    try:
        inside = sorted(entry.parent for depth in ("*", "*/*") for entry in path.glob(f"{depth}/{CONFIGURATION}"))
        around = [parent for parent in path.parents if _holds_run(parent)]
        beside = sorted(entry.parent for entry in path.parent.glob(f"*/{CONFIGURATION}"))
    except OSError:
        return ""
    if inside:
        return f"; it contains the run {inside[0]}" + (f" (and {len(inside) - 1} more)" if inside[1:] else "")
    if around:
        return f"; it is inside the run {around[0]}"
    near = closest(path.name, [run.name for run in beside])
    return f"; the nearest run is {path.with_name(near[0])}" if near else ""
