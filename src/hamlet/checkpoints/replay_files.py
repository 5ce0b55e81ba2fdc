"""The replay buffer on the disk, in segment files: each file has consecutive rows, is written once and never changes.

    replay/000000000000-000000000400-5f1d….rows    rows 0 to 399, counted from the start of the run; and their digest

A checkpoint lists the segments of its replay buffer (in the code: ring).

* A save writes only the rows played since the previous checkpoint. A segment is written under a temporary name that
  starts with a dot, forced to the disk and renamed, before the checkpoint that needs it is written.
* Segments that no checkpoint needs are removed after the new checkpoint is complete.
* Row n of a run is row n mod R of a replay buffer with R rows. So every row of a restored buffer is at its old place.

A segment contains a line of JSON, then the leaves. For each leaf, it stores the first bytes of all values, then the
second bytes, and so on. Each of these byte planes is deflated if this makes it smaller; the low-order bytes of most
floats cannot be compressed. Two kinds of leaves are stored as differences, which are mostly zero:

* next observations as the difference from the following row's observations; it is zero except where an episode ended;
* a state that is the concatenation of all observations, as the difference from them.
"""

import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax
import numpy as np

from hamlet import machine
from hamlet.backends import device_replay
from hamlet.buffers.replay import Replay, Steps
from hamlet.envs.base import View
from hamlet.errors import RunError
from hamlet.files import atomic_write, plain_files

_LEVEL = 1
# Number of bytes of a plane on which the compression is tried first.
_TRIED = 1 << 16
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[0-9]{12}-[0-9]{12}-[0-9a-f]{16}\.rows")


class ReplaySegment(NamedTuple):
    """Rows ``first`` to ``last − 1`` of a run, and the SHA-256 of their file."""

    first: int
    last: int
    sha256: str

    @property
    def name(self) -> str:
        """The file's name; files with different contents have different names."""
        return f"{self.first:012d}-{self.last:012d}-{self.sha256[:16]}.rows"


def listed(records: Any) -> list[ReplaySegment]:
    """Return the segments that a checkpoint lists.

    Raises:
        ValueError: The list does not have the form that this module writes.
    """
    segments = []
    for record in records if isinstance(records, list) else [None]:
        if not (isinstance(record, list) and len(record) == 3 and _is_segment(*record)):
            raise ValueError("the list of its replay segments is invalid")
        segments.append(ReplaySegment(*record))
    return segments


def _is_segment(first: Any, last: Any, sha256: Any) -> bool:
    valid_range = type(first) is int and type(last) is int and 0 <= first < last < 10**12
    return valid_range and isinstance(sha256, str) and _SHA256.fullmatch(sha256) is not None


def write(directory: Path, ring: Replay, played: int, known: Sequence[ReplaySegment]) -> list[ReplaySegment]:
    """Write the rows that are not in a segment yet.

    Args:
        directory: The directory of the segments; created if it does not exist.
        ring: The replay buffer after ``played`` rows.
        played: Rows since the start of the run.
        known: Segments that were written before, in order.

    Returns:
        The segments of the replay buffer, in order.

    Raises:
        RunError: A segment cannot be written, for example on a full disk; earlier segments are intact.
    """
    rows = ring.steps.episode.shape[0]
    assert (int(ring.head), int(ring.filled)) == (played % rows, min(played, rows)), "the ring is of another run"
    oldest = max(0, played - rows)
    needed = [segment for segment in known if oldest < segment.last <= played]
    cuts = list(_cuts(needed[-1].last if needed else oldest, played, rows, device_replay.block(ring)))

    def put(cut: tuple[int, int]) -> ReplaySegment:
        first, last = cut
        data = encode(device_replay.read(ring, first % rows, last - first))
        segment = ReplaySegment(first, last, hashlib.sha256(data).hexdigest())
        atomic_write.write(directory / segment.name, data)
        return segment

    try:
        directory.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(_threads()) as threads:
            return needed + list(threads.map(put, cuts))
    except OSError as error:
        raise RunError(f"the replay buffer could not be written: {atomic_write.one_line(error)}") from error


def read(directory: Path, ring: Replay, played: int, segments: Sequence[ReplaySegment]) -> Replay:
    """Return the replay buffer after ``played`` rows; ``ring`` is an empty replay buffer, which is consumed.

    Raises:
        RunError: A segment cannot be read, or does not fit the replay buffer.
    """
    rows = ring.steps.episode.shape[0]
    size, oldest, episode = device_replay.block(ring), max(0, played - rows), 0
    ends = [oldest, *(segment.last for segment in segments)]
    if any(s.first > end for s, end in zip(segments, ends, strict=False)) or ends[-1] != played:
        raise RunError(f"{directory} does not contain the rows {oldest} to {played - 1} of the run")

    def get(segment: ReplaySegment) -> tuple[int, "Steps | _Former"]:
        try:
            with plain_files.opened(directory / segment.name) as file:
                segment_steps = decode(file.read(), ring.steps, segment.last - segment.first)
        except OSError as error:
            raise RunError(f"{directory / segment.name} cannot be read: {atomic_write.one_line(error)}") from error
        except (ValueError, LookupError, TypeError, zlib.error, RecursionError) as error:
            raise RunError(f"{directory / segment.name} does not contain rows of this run: {error}") from error
        return segment.first, segment_steps

    with ThreadPoolExecutor(_threads()) as threads:
        for some in _some(segments, 2 * _threads()):
            # Write the segments in order, so that later rows overwrite earlier rows.
            for first, steps in threads.map(get, some):
                if isinstance(steps, _Former):
                    steps, episode = steps.numbered(episode)
                last = first + steps.episode.shape[0]
                for a, b in _cuts(first, last, rows, size):
                    part = jax.tree.map(lambda leaf, a=a, b=b, start=first: leaf[a - start : b - start], steps)
                    ring = device_replay.write(ring, a % rows, part)
    return device_replay.counted(ring, played)


def damage(directory: Path, segments: Iterable[ReplaySegment]) -> str | None:
    """Return a text about the first damaged segment, or None if all are intact."""

    def wrong(segment: ReplaySegment) -> str | None:
        path = directory / segment.name
        try:
            intact = plain_files.sha256(path) == segment.sha256
        except (OSError, ValueError):
            return f"the file {path.name} of its replay buffer cannot be read"
        return None if intact else f"the file {path.name} of its replay buffer was changed after it was written"

    with ThreadPoolExecutor(_threads()) as threads:
        return next((reason for reason in threads.map(wrong, segments) if reason), None)


def prune(directory: Path, needed: Iterable[ReplaySegment]) -> None:
    """Remove segments that are not needed any more, and temporary files of a killed process."""
    names = {segment.name for segment in needed}
    for path in directory.glob("*.rows*") if directory.is_dir() else ():
        if _NAME.fullmatch(path.name) and path.name not in names:
            path.unlink(missing_ok=True)
    for path in directory.glob(".*.rows.*") if directory.is_dir() else ():
        path.unlink(missing_ok=True)


def encode(steps: Steps) -> bytes:
    """Return rows as bytes, in the format of a segment."""
    planes, records = [], []
    for name, leaf in _named(_against_observations(_against_next(steps))):
        lengths = []
        for plane in _planes(leaf):
            small = _deflated(plane)
            lengths.append([int(small is not plane), len(small)])
            planes.append(small)
        records.append({"name": name, "dtype": str(leaf.dtype), "shape": list(leaf.shape), "planes": lengths})
    return b"".join([json.dumps(records).encode(), b"\n", *planes])


class _Former(NamedTuple):
    """Rows that an older Hamlet wrote: they store whether an episode ended, instead of the episode's number."""

    steps: Steps

    def numbered(self, first: Any) -> tuple[Steps, np.ndarray]:
        """Return the rows with episodes numbered from ``first``, and the episode number that the next row will have."""
        ended = self.steps.episode
        following = first + np.cumsum(ended, axis=0, dtype=np.int32)
        steps = eqx.tree_at(lambda tree: tree.episode, self.steps, (following - ended).astype(np.int32))
        return steps, following[-1]


def decode(data: bytes, like: Steps, rows: int) -> Steps | _Former:
    """Return the rows from bytes, the inverse of `encode`.

    Args:
        data: The content of a segment.
        like: Steps with the leaves of the replay buffer.
        rows: Number of rows in the segment.

    Raises:
        ValueError: The segment has other leaves or another number of rows.
    """
    head, _, rest = data.partition(b"\n")
    records, view = json.loads(head), memoryview(rest)
    sought = [(name, str(leaf.dtype), [rows, *leaf.shape[1:]]) for name, leaf in _named(like)]
    held = [(record["name"], record["dtype"], record["shape"]) for record in records]
    former = [
        (".ended", "bool", shape) if name == ".episode" else (name, dtype, shape) for name, dtype, shape in sought
    ]
    if held not in (sought, former):
        raise ValueError(f"its leaves are {held}, expected {sought}")
    leaves, offset = [], 0
    for record in records:
        planes = []
        for small, length in record["planes"]:
            part, offset = view[offset : offset + length], offset + length
            planes.append(np.frombuffer(_inflated(part, math.prod(record["shape"])) if small else part, np.uint8))
        leaves.append(np.stack(planes, -1).view(np.dtype(record["dtype"])).reshape(record["shape"]))
    steps = _against_next(_against_observations(jax.tree.unflatten(jax.tree.structure(like), leaves)))
    return steps if held == sought else _Former(steps)


def _against_next(steps: Steps) -> Steps:
    """Replace next observations by their difference from the following row's observations; its own inverse."""

    def one(arrival: np.ndarray, seen: np.ndarray) -> np.ndarray:
        return np.concatenate([_difference(arrival[:-1], seen[1:]), arrival[-1:]])

    return _with(steps, steps.view, jax.tree.map(one, steps.arrival, steps.view))


def _against_observations(steps: Steps) -> Steps:
    """Replace states by their difference from the joined observations, if they have the same form; its own inverse."""

    def one(view: View) -> View:
        joined = np.concatenate([part.reshape(*part.shape[:2], -1) for part in view.observation], -1)
        if (joined.dtype, joined.shape) != (view.state.dtype, view.state.shape):
            return view
        return View(view.observation, _difference(view.state, joined), view.available, view.alive)

    return _with(steps, one(steps.view), one(steps.arrival))


def _with(steps: Steps, view: View, arrival: View) -> Steps:
    return Steps(view, steps.action, steps.reward, steps.terminated, steps.episode, arrival, steps.streams)


def _difference(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return the bitwise XOR of two arrays: it is exact for floats, and zero where the arrays are equal."""
    bits = [np.ascontiguousarray(array).reshape(-1).view(np.uint8) for array in (one, other)]
    return np.bitwise_xor(*bits).view(one.dtype).reshape(one.shape)


def _planes(leaf: np.ndarray) -> list[bytes]:
    """Return the byte planes of an array: the first bytes of all values, then the second bytes, and so on."""
    value_bytes = np.ascontiguousarray(leaf).reshape(-1).view(np.uint8).reshape(-1, leaf.dtype.itemsize)
    return [value_bytes[:, k].tobytes() for k in range(leaf.dtype.itemsize)]


def _deflated(plane: bytes) -> bytes:
    """Return the deflated plane, or the plane itself if deflating saves less than a tenth."""
    middle = max(0, len(plane) // 2 - _TRIED // 2)
    sample = plane[middle : middle + _TRIED]
    if len(zlib.compress(sample, _LEVEL)) > 0.9 * len(sample):
        return plane
    return zlib.compress(plane, _LEVEL)


def _inflated(part: memoryview, length: int) -> bytes:
    """Inflate a plane of ``length`` bytes; stop after that, so that manipulated data cannot fill the memory."""
    inflater = zlib.decompressobj()
    plane = inflater.decompress(part, length + 1)
    if len(plane) != length:
        raise ValueError(f"a byte plane does not have the {length:,} bytes of its rows")
    return plane


def _cuts(first: int, last: int, rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Split rows ``first`` to ``last`` into parts of at most ``most`` rows, and at the end of the replay buffer."""
    while first < last:
        end = min(last, first + most, (first // rows + 1) * rows)
        yield first, end
        first = end


def _some(items: Sequence[Any], count: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(items), count):
        yield items[start : start + count]


def _named(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]


def _threads() -> int:
    """Return the number of threads: zlib releases the Python interpreter lock, so threads run in parallel."""
    return max(1, min(8, machine.cores()))
