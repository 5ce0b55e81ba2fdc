"""Checkpoints that are written atomically, and whose arrays are matched by name.

    checkpoints/000000020000/manifest.json    format, step, extra, the leaves, the SHA-256 of every file
    checkpoints/000000020000/arrays/          the arrays, written by orbax

A checkpoint is first written under a temporary name that starts with a dot. It is then forced to the disk and renamed.
So a checkpoint is complete or absent. The next save removes the temporary files of a killed process. The manifest
contains a digest of itself, so that a changed byte is not mistaken for another format. Leaves are matched by their path
in the tree: a reordered field keeps its array, and a renamed field is an error. (`eqx.tree_serialise_leaves` matches by
order, and swaps two fields of equal shape.)

A checkpoint may come from another person. So only plain files in its own directory are read, their sizes must fit the
sizes of the leaves, and nothing is unpickled.

Only this module uses orbax. It imports orbax at the first use, which takes 0.2 to 0.4 s.
"""

import contextlib
import hashlib
import json
import logging
import math
import os
import re
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import hamlet
from hamlet.checkpoints import migration, pytree_io
from hamlet.errors import RequestError, RunError
from hamlet.files import atomic_write, plain_files

FORMAT = 1
MANIFEST = "manifest.json"
ARRAYS = "arrays"


class Restored(NamedTuple):
    """The content of a checkpoint; ``path`` is the directory from which it was read."""

    state: Any
    step: int
    extra: dict[str, Any]
    path: Path


class NotSaved(RunError):
    """A checkpoint could not be written; the error names the last good checkpoint."""


class _Damaged(Exception):
    """A checkpoint differs from what was written; the text gives the difference."""


def save(directory: Path, state: Any, *, step: int, extra: Mapping[str, Any] | None = None, keep: int = 2) -> Path:
    """Write a training state as the newest checkpoint of ``directory``.

    Checkpoints of later steps are removed: they became obsolete when the run was resumed from an earlier checkpoint.

    Args:
        directory: The directory of the checkpoints; created if it does not exist.
        state: A pytree whose leaves are arrays; typed PRNG keys are allowed.
        step: Environment steps done, at least 0; the checkpoint is named after it.
        extra: Further data that is needed to resume, as JSON.
        keep: Number of checkpoints to keep, this one included; at least 1.

    Returns:
        The directory of the checkpoint.

    Raises:
        RequestError: A leaf is not an array.
        RunError: The checkpoint could not be written, for example on a full disk. Earlier checkpoints are intact, and
            no temporary files are left.
    """
    if step < 0 or keep < 1:
        raise RequestError(f"a checkpoint needs step >= 0 and keep >= 1, got step={step} and keep={keep}")
    document = {"format": FORMAT, "hamlet": hamlet.__version__, "step": step}
    document["leaves"] = {name: leaf.record for name, leaf in pytree_io.outline(state).items()}
    document["extra"] = json.loads(json.dumps(dict(extra or {})))  # the form in which it will be read: keys are strings
    aside = directory / f".{_name(step)}.{os.getpid()}"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _clear(directory)
        aside.mkdir()
        _write(aside, pytree_io.store(state), document)
        target = _install(aside, directory / _name(step))
        _prune(directory, step, keep)
    except Exception as error:
        reason = f"the checkpoint of step {step} could not be written: {_cause(error)}"
        raise NotSaved(f"{reason}; {intact(directory)}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return target


def restore(directory: Path, like: Any, *, damage: Callable[[dict[str, Any]], str | None] | None = None) -> Restored:
    """Read the newest good checkpoint; a damaged checkpoint is skipped with a warning.

    Args:
        directory: The directory of the checkpoints.
        like: A state with the expected structure, of arrays or of `jax.ShapeDtypeStruct`. Each restored leaf has the
            type (NumPy or JAX) and the devices of the leaf in ``like``; its values are bitwise identical to the saved
            values.
        damage: Receives a checkpoint's extra and checks further files that the checkpoint needs. Returns a text about
            the damage, or None.

    Raises:
        RequestError: A newer Hamlet wrote the checkpoint.
        RunError: A leaf is missing, unexpected, or has another shape or dtype; or there is no good checkpoint.
    """
    sought = pytree_io.outline(like)
    tried: set[int] = set()
    patience = 100
    while untried := [step for step in steps(directory) if step not in tried]:
        step = untried[-1]
        path = _path(directory, step)
        before, wrong = _identity(path), None
        try:
            document = _verified(path, sought)
            pytree_io.compare(sought, migration.records(document["leaves"]), path)
            if reason := damage and damage(document["extra"]):
                raise _Damaged(reason)
            old, held = migration.former(document["leaves"]), document["leaves"]
            wanted = {name: leaf for name, leaf in sought.items() if name in held and name not in old} | old
            state = pytree_io.rebuild(like, migration.renewed(_read(path / ARRAYS, wanted)))
        except _Damaged as error:
            document, state, wrong = {}, None, error
        if before is None or before != _identity(path):  # a running process replaced or removed it meanwhile
            patience -= 1
            if patience > 0:
                continue
            wrong = _Damaged("another process changes it every time Hamlet reads it")
        if wrong is None:
            return Restored(state, document["step"], document["extra"], path)
        tried.add(step)
        warnings.warn(f"the checkpoint {path} is damaged and skipped: {wrong}", stacklevel=2)
    explanation = f"all are damaged ({', '.join(_name(step) for step in sorted(tried))})" if tried else "there is none"
    raise RunError(f"no good checkpoint in {directory}: {explanation}")


def steps(directory: Path) -> list[int]:
    """Return the steps of all checkpoints in ``directory``, ascending; the checkpoints are not verified."""
    if not directory.is_dir():
        return []
    matches = [_STANDING.fullmatch(path.name) for path in directory.iterdir() if path.is_dir()]
    return sorted({int(match[1] or match[2]) for match in matches if match})


def extras(directory: Path) -> list[dict[str, Any]]:
    """Return the extra data of all checkpoints whose manifests are intact."""
    manifest_extras = []
    for step in steps(directory):
        with contextlib.suppress(_Damaged):
            manifest_extras.append(_manifest(_path(directory, step))["extra"])
    return manifest_extras


# The largest manifest in bytes; and the bytes that a checkpoint may take beyond its leaves: per leaf, and in total.
_LARGEST_MANIFEST = 64 * 2**20
_BESIDE_LEAF, _BESIDE = 2**16, 2**20
_REPLACED = ".replaced"
_STANDING = re.compile(rf"([0-9]{{12,}})|\.([0-9]{{12,}}){re.escape(_REPLACED)}")
_ASIDE = re.compile(r"\.[0-9]{12,}\..*")


def _name(step: int) -> str:
    return f"{step:012d}"


def _path(directory: Path, step: int) -> Path:
    """Return the checkpoint of a step, even if a process was killed while it replaced the checkpoint."""
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
    solid = {name: array for name, array in arrays.items() if array.size}  # tensorstore cannot store empty arrays
    if solid:
        with _quiet():
            import orbax.checkpoint as orbax

            with orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as checkpointer:
                checkpointer.save(aside.absolute() / ARRAYS, solid)
    document["files"] = {}
    for path in sorted(aside.rglob("*")):
        atomic_write.sync(path)
        if path.is_file():
            document["files"][path.relative_to(aside).as_posix()] = plain_files.sha256(path)
    atomic_write.write(aside / MANIFEST, _sealed(document))


def _install(aside: Path, target: Path) -> Path:
    if target.exists():
        replaced = target.with_name(f".{target.name}{_REPLACED}")
        target.rename(replaced)
        aside.rename(target)
        shutil.rmtree(replaced, ignore_errors=True)
    else:
        aside.rename(target)
    atomic_write.sync(target.parent)
    return target


def _prune(directory: Path, newest: int, keep: int) -> None:
    line = [step for step in steps(directory) if step <= newest]
    discard(directory, set(steps(directory)) - set(line[-keep:]))


def discard(directory: Path, unwanted: Iterable[int]) -> None:
    """Remove the checkpoints of some steps atomically: each is complete or absent, even after a kill."""
    if unwanted := set(unwanted):
        _clear(directory)
    for step in unwanted:
        # Rename first: a process that is killed here must not leave half a checkpoint under a valid name.
        removed = directory / f".{_name(step)}.removed"
        shutil.rmtree(removed, ignore_errors=True)
        (directory / _name(step)).rename(removed)
        shutil.rmtree(removed, ignore_errors=True)


def _clear(directory: Path) -> None:
    """Restore checkpoints that a killed process had renamed but not yet replaced, and remove its temporary files."""
    for path in directory.glob(f".*{_REPLACED}"):
        target = directory / path.name.removeprefix(".").removesuffix(_REPLACED)
        if not target.exists():
            path.rename(target)
    for path in directory.iterdir():
        if _ASIDE.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _cause(error: Exception) -> str:
    """Return the operating system's error text; tensorstore gives its code at the end of a long line of paths."""
    code = re.search(r"os_error_code='?(\d+)", str(error))
    return os.strerror(int(code[1])) if code else atomic_write.one_line(error)


def intact(directory: Path) -> str:
    """Return a text that names the newest undamaged checkpoint."""
    for step in reversed(steps(directory)):
        path = _path(directory, step)
        with contextlib.suppress(_Damaged, RequestError):
            _verified(path)
            return f"the last good checkpoint is {path}"
    return "there is no earlier checkpoint"


def _manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a checkpoint, and check that it is unchanged."""
    try:
        if path.is_symlink():
            raise ValueError("it is a link")
        text = plain_files.contents(path / MANIFEST, _LARGEST_MANIFEST).decode("utf-8")
        document = json.loads(text)
        del document["sha256"]
        intact = text == _sealed(document)
    except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
        raise _Damaged(f"{MANIFEST} cannot be read") from error
    if not intact:
        raise _Damaged(f"{MANIFEST} was changed after it was written")
    if document.get("format") == FORMAT and not _is_whole(document, path):
        raise _Damaged(f"{MANIFEST} is not the manifest of this checkpoint")
    return document


def _is_whole(document: dict[str, Any], path: Path) -> bool:
    """Whether a manifest has all entries of this format, for the step in the directory's name."""
    named = _STANDING.fullmatch(path.name)
    dictionaries = [document.get(key) for key in ("leaves", "extra", "files")]
    return (
        type(step := document.get("step")) is int
        and (named is None or step == int(named[1] or named[2]))
        and all(isinstance(dictionary, dict) for dictionary in dictionaries)
        and all(isinstance(digest, str) for digest in document["files"].values())
    )


def _verified(path: Path, sought: Mapping[str, pytree_io.Leaf] | None = None) -> dict[str, Any]:
    """Check that no file of a checkpoint was changed, and return its manifest.

    If the expected leaves are given, files that are larger than these leaves are refused before they are read.
    """
    document = _manifest(path)
    if document.get("format") != FORMAT:
        raise RequestError(
            f"the checkpoint {path} has format {document.get('format')!r}, written by Hamlet "
            f"{document.get('hamlet')!r}; "
            f"this is Hamlet {hamlet.__version__}, which reads format {FORMAT}: use the Hamlet that wrote it"
        )
    try:
        files = plain_files.within(path)
    except (OSError, ValueError) as error:
        raise _Damaged(f"its files cannot be read: {atomic_write.one_line(error)}") from error
    if sought is not None and sum(files.values()) > _most_bytes(sought):
        raise _Damaged(f"its files are too large: its leaves need at most {_most_bytes(sought):,} bytes")
    for name, digest in document["files"].items():
        if name not in files:
            raise _Damaged(f"its file {name!r} is missing")
        try:
            intact = plain_files.sha256(path / name) == digest
        except (OSError, ValueError) as error:
            raise _Damaged(f"{name} cannot be read") from error
        if not intact:
            raise _Damaged(f"{name} was changed after it was written")
    return document


def _most_bytes(sought: Mapping[str, pytree_io.Leaf]) -> int:
    """Return an upper bound on the bytes of a checkpoint; each stored array takes at most twice its size."""
    sizes = (math.prod(leaf.stored_shape) * leaf.stored_dtype.itemsize for leaf in sought.values())
    return _LARGEST_MANIFEST + _BESIDE + sum(2 * size + _BESIDE_LEAF for size in sizes)


def _sealed(document: dict[str, Any]) -> str:
    """Return the text of a manifest with its digest.

    All formats use this form and this digest, so that a newer format can be distinguished from a damaged file.
    """
    seal = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    return json.dumps({**document, "sha256": seal}, sort_keys=True, indent=1)


def _read(path: Path, sought: Mapping[str, pytree_io.Leaf]) -> dict[str, np.ndarray]:
    solid = [name for name, leaf in sought.items() if 0 not in leaf.shape]
    arrays = {name: np.empty(leaf.stored_shape, leaf.stored_dtype) for name, leaf in sought.items() if 0 in leaf.shape}
    if not solid:
        return arrays
    with _quiet():
        import orbax.checkpoint as orbax

        how = {name: orbax.RestoreArgs(restore_type=np.ndarray) for name in solid}
        try:
            with orbax.Checkpointer(orbax.PyTreeCheckpointHandler()) as checkpointer:
                _refuse_other_shapes(checkpointer.metadata(path.absolute()), {name: sought[name] for name in solid})
                arrays |= checkpointer.restore(path.absolute(), args=orbax.args.PyTreeRestore(restore_args=how))
        except _Damaged:
            raise
        except Exception as error:
            raise _Damaged(f"orbax cannot read it: {atomic_write.one_line(error)}") from error
    for name, leaf in sought.items():
        if (arrays[name].shape, arrays[name].dtype) != (leaf.stored_shape, leaf.stored_dtype):
            raise _Damaged(f"the array {name} does not have the shape in its manifest")
    return arrays


def _refuse_other_shapes(metadata: Any, sought: Mapping[str, pytree_io.Leaf]) -> None:
    """Check arrays before allocation: each has the shape in the manifest, and its chunks are not larger than itself."""
    held = metadata.item_metadata.tree
    for name, leaf in sought.items():
        if name not in held:
            raise _Damaged(f"it has no array {name}")
        there = held[name]
        part = getattr(there.storage, "chunk_shape", None) or ()
        if tuple(there.shape) != leaf.stored_shape or math.prod(part) > math.prod(leaf.stored_shape):
            raise _Damaged(f"the array {name} does not have the shape in its manifest")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence absl's logger, to which orbax logs every step; errors are still raised as exceptions."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
