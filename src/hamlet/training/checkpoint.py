"""Checkpoints that are whole or not there, and matched by name.

    checkpoints/000000020000/manifest.json    format, step, extra, the leaves, the SHA-256 of every file
    checkpoints/000000020000/arrays/          the arrays, written by orbax

A checkpoint is written aside under a name that begins with a dot, forced to the disk, and renamed. What a killed
process leaves aside is removed by the next save. The manifest carries a digest of itself, so that a changed byte is
never taken for another format. Leaves are matched by their path in the tree: a reordered field keeps its array,
and a renamed one is an error (`eqx.tree_serialise_leaves` matches by order, and swaps two fields of equal shape).

This is the only module that uses orbax, and it imports it when first used (0.2 to 0.4 s).
"""

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import hamlet
from hamlet.errors import RequestError, RunError
from hamlet.training import durable, leaves, migration

FORMAT = 1
MANIFEST = "manifest.json"
ARRAYS = "arrays"


class Restored(NamedTuple):
    """What a checkpoint held; ``path`` is the directory it was read from."""

    state: Any
    step: int
    extra: dict[str, Any]
    path: Path


class _Damaged(Exception):
    """A checkpoint is not what was written; the text says what is wrong with it."""


def save(directory: Path, state: Any, *, step: int, extra: Mapping[str, Any] | None = None, keep: int = 2) -> Path:
    """Writes a training state as the newest checkpoint of ``directory``.

    Checkpoints of later steps are removed: they belong to a line that was abandoned by resuming from an earlier one.

    Args:
        directory: Where checkpoints stand; made if absent.
        state: Any pytree whose leaves are arrays, typed PRNG keys included.
        step: Environment steps done, not negative; names the checkpoint.
        extra: What else is needed to go on, as JSON.
        keep: Checkpoints to keep, this one included, at least 1.

    Returns:
        The directory of the checkpoint.

    Raises:
        RequestError: A leaf is no array.
        RunError: It could not be written, as on a full disk. Earlier checkpoints are intact and nothing is left aside.
    """
    if step < 0 or keep < 1:
        raise RequestError(f"a checkpoint needs step >= 0 and keep >= 1, not step={step} and keep={keep}")
    document = {"format": FORMAT, "hamlet": hamlet.__version__, "step": step}
    document["leaves"] = {name: leaf.record for name, leaf in leaves.outline(state).items()}
    document["extra"] = json.loads(json.dumps(dict(extra or {})))  # as it will be read: keys are strings
    aside = directory / f".{_name(step)}.{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _clear(directory)
        aside.mkdir()
        _write(aside, leaves.store(state), document)
        target = _install(aside, directory / _name(step))
        _prune(directory, step, keep)
    except Exception as error:
        reason = f"the checkpoint of step {step} could not be written: {_cause(error)}"
        raise RunError(f"{reason}; {intact(directory)}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def restore(directory: Path, like: Any, *, damage: Callable[[dict[str, Any]], str | None] | None = None) -> Restored:
    """Reads the newest good checkpoint; one that is damaged is passed over with a warning.

    Args:
        directory: Where checkpoints stand.
        like: A state of the structure sought, of arrays or of `jax.ShapeDtypeStruct`. A leaf comes back of the kind
            (numpy or jax) and on the devices of its counterpart, with the bits that were saved.
        damage: What is wrong with whatever else a checkpoint of this extra needs; None where nothing is.

    Raises:
        RequestError: A newer Hamlet wrote the checkpoint.
        RunError: A leaf is missing, left over, or of another shape or dtype; or no checkpoint is good.
    """
    sought = leaves.outline(like)
    tried: set[int] = set()
    patience = 100
    while untried := [step for step in steps(directory) if step not in tried]:
        step = untried[-1]
        path = _path(directory, step)
        before, wrong = _identity(path), None
        try:
            document = _verified(path)
            leaves.compare(sought, migration.records(document["leaves"]), path)
            if reason := damage and damage(document["extra"]):
                raise _Damaged(reason)
            old, held = migration.former(document["leaves"]), document["leaves"]
            wanted = {name: leaf for name, leaf in sought.items() if name in held and name not in old} | old
            state = leaves.rebuild(like, migration.renewed(_read(path / ARRAYS, wanted)))
        except _Damaged as error:
            document, state, wrong = {}, None, error
        if before is None or before != _identity(path):  # a running process replaced or removed it meanwhile
            patience -= 1
            if patience > 0:
                continue
            wrong = _Damaged("it changes whenever it is read")
        if wrong is None:
            return Restored(state, document["step"], document["extra"], path)
        tried.add(step)
        warnings.warn(f"the checkpoint {path} is damaged and passed over: {wrong}", stacklevel=2)
    found = f"all of {', '.join(_name(step) for step in sorted(tried))} are damaged" if tried else "it holds none"
    raise RunError(f"no good checkpoint in {directory}: {found}")


def steps(directory: Path) -> list[int]:
    """The steps at which a checkpoint stands in ``directory``, ascending; not verified."""
    if not directory.is_dir():
        return []
    matches = [_STANDING.fullmatch(path.name) for path in directory.iterdir() if path.is_dir()]
    return sorted({int(match[1] or match[2]) for match in matches if match})


def extras(directory: Path) -> list[dict[str, Any]]:
    """What else the checkpoints that stand need, as far as their manifests are whole."""
    found = []
    for step in steps(directory):
        with contextlib.suppress(_Damaged):
            found.append(_manifest(_path(directory, step))["extra"])
    return found


_REPLACED = ".replaced"
_STANDING = re.compile(rf"([0-9]{{12,}})|\.([0-9]{{12,}}){re.escape(_REPLACED)}")
_ASIDE = re.compile(r"\.[0-9]{12,}\..*")


def _name(step: int) -> str:
    return f"{step:012d}"


def _path(directory: Path, step: int) -> Path:
    """The checkpoint of a step, also where a process was killed while it put another in its place."""
    path = directory / _name(step)
    replaced = directory / f".{path.name}{_REPLACED}"
    return replaced if replaced.exists() and not path.exists() else path


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns


def _write(aside: Path, arrays: Mapping[str, np.ndarray], document: dict[str, Any]) -> None:
    solid = {name: array for name, array in arrays.items() if array.size}  # tensorstore holds no empty array
    if solid:
        with _quiet():
            import orbax.checkpoint as orbax

            with orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as checkpointer:
                checkpointer.save(aside.absolute() / ARRAYS, solid)
    document["files"] = {}
    for path in sorted(aside.rglob("*")):
        durable.sync(path)
        if path.is_file():
            document["files"][path.relative_to(aside).as_posix()] = _digest(path)
    durable.write(aside / MANIFEST, _sealed(document))


def _install(aside: Path, target: Path) -> Path:
    if target.exists():
        replaced = target.with_name(f".{target.name}{_REPLACED}")
        target.rename(replaced)
        aside.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    else:
        aside.rename(target)
    durable.sync(target.parent)
    return target


def _prune(directory: Path, newest: int, keep: int) -> None:
    line = [step for step in steps(directory) if step <= newest]
    discard(directory, set(steps(directory)) - set(line[-keep:]))


def discard(directory: Path, unwanted: Iterable[int]) -> None:
    """Removes the checkpoints of some steps; a reader, or a kill at any moment, finds each whole or not there."""
    if unwanted := set(unwanted):
        _clear(directory)
    for step in unwanted:
        # Renamed first: a process killed while it removes must not leave half a checkpoint under a good name.
        removed = directory / f".{_name(step)}.removed"
        shutil.rmtree(removed, ignore_errors=True)
        (directory / _name(step)).rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def _clear(directory: Path) -> None:
    """Puts back what a killed process had moved away and not yet replaced, and removes its left-overs."""
    for path in directory.glob(f".*{_REPLACED}"):
        target = directory / path.name.removeprefix(".").removesuffix(_REPLACED)
        if not target.exists():
            path.rename(target)
    for path in directory.iterdir():
        if _ASIDE.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _cause(error: Exception) -> str:
    """What the system said, which tensorstore puts at the end of a long line of paths."""
    code = re.search(r"os_error_code='?(\d+)", str(error))
    return os.strerror(int(code[1])) if code else durable.one_line(error)


def intact(directory: Path) -> str:
    """Which checkpoint is left, in words: the newest of which every file is as it was written."""
    for step in reversed(steps(directory)):
        path = _path(directory, step)
        with contextlib.suppress(_Damaged, RequestError):
            _verified(path)
            return f"the last good one is {path}"
    return "there is no earlier one"


def _manifest(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint, as it was written."""
    try:
        text = (path / MANIFEST).read_text(encoding="utf-8")
        document = json.loads(text)
        del document["sha256"]
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise _Damaged(f"{MANIFEST} cannot be read") from error
    if text != _sealed(document):
        raise _Damaged(f"{MANIFEST} is not as it was written")
    return document


def _verified(path: Path) -> dict[str, Any]:
    """The manifest of a checkpoint of which every file is as it was written."""
    document = _manifest(path)
    if document["format"] != FORMAT:
        raise RequestError(
            f"the checkpoint {path} has format {document['format']}, written by Hamlet {document['hamlet']}; "
            f"this is Hamlet {hamlet.__version__}, which reads format {FORMAT}: use the Hamlet that wrote it"
        )
    for name, digest in document["files"].items():
        try:
            intact = _digest(path / name) == digest
        except OSError as error:
            raise _Damaged(f"{name} cannot be read") from error
        if not intact:
            raise _Damaged(f"{name} is not as it was written")
    return document


def _sealed(document: dict[str, Any]) -> str:
    """The text of a manifest. Every format keeps this form and this seal, so that a newer one is told from damage."""
    seal = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return json.dumps({**document, "sha256": seal}, sort_keys=True, indent=1)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path, sought: Mapping[str, leaves.Leaf]) -> dict[str, np.ndarray]:
    solid = [name for name, leaf in sought.items() if 0 not in leaf.shape]
    arrays = {name: np.empty(leaf.stored_shape, leaf.stored_dtype) for name, leaf in sought.items() if 0 in leaf.shape}
    if not solid:
        return arrays
    with _quiet():
        import orbax.checkpoint as orbax

        how = {name: orbax.RestoreArgs(restore_type=np.ndarray) for name in solid}
        try:
            with orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as checkpointer:
                arrays |= checkpointer.restore(path.absolute(), args=orbax.args.PyTreeRestore(restore_args=how))
        except Exception as error:
            raise _Damaged(f"orbax cannot read it: {durable.one_line(error)}") from error
    return arrays


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Orbax reports every step it takes through absl's logger; what matters reaches us as an exception."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
