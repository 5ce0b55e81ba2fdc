"""JSON from files that others may have written: every file is read, or refused in one line, within bounded time.

Only regular files of bounded size are read: no pipe, no device, and no link that leads out of its directory. A text is
refused that is not UTF-8 or not JSON, that has a key twice, a number that JSON has not (NaN, Infinity), a whole number
of more than 64 bits, or a nest of more than `DEEPEST` lists and objects.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hamlet.files import plain_files

LARGEST = 64 * 2**20
"""Bytes of a file at most."""
DEEPEST = 64
"""Lists and objects within one another at most: Python's own recursion ends at a few hundred."""
# Beyond lies what neither arrays nor counters can hold.
_WHOLE = 2**63


def read(path: Path, *, inside: Path | None = None, finite: bool = True) -> Any:
    """What a file holds.

    Args:
        path: Of the file.
        inside: The directory that a link at ``path`` must not lead out of; by default the file's own.
        finite: Whether NaN and infinities, which Python writes though JSON has them not, are refused.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is none that is read; the line says why.
    """
    return parse(contents(path, inside=inside), finite=finite)


def contents(path: Path, *, inside: Path | None = None) -> bytes:
    """The bytes of a regular file of at most `LARGEST` bytes.

    Raises:
        OSError: It cannot be opened.
        ValueError: It is a pipe, a device or a directory, a link that leads out, or too large.
    """
    return plain_files.contents(path, LARGEST, inside=inside or path.parent)


def as_text(value: Any) -> str:
    """A value as files hold it."""
    return json.dumps(value, indent=2) + "\n"


def parse(data: bytes, *, finite: bool = True) -> Any:
    """What the bytes of a file say.

    Raises:
        ValueError: They are no such JSON.

    >>> parse(b'{"steps": 10}')
    {'steps': 10}
    >>> parse(b'{"steps": NaN}')
    Traceback (most recent call last):
    ValueError: it holds NaN, which is no number of JSON
    """
    try:
        value = json.loads(
            data.decode("utf-8"),
            parse_constant=_refuse if finite else None,
            parse_float=_finite if finite else None,
            parse_int=_whole,
            object_pairs_hook=_once,
        )
    except UnicodeDecodeError as error:
        raise ValueError(f"it is no UTF-8: {error.reason} at byte {error.start}") from None
    except RecursionError:
        raise ValueError(_DEEP) from None
    if any(depth > DEEPEST for depth in _depths(value)):
        raise ValueError(_DEEP)
    return value


_DEEP = f"it nests more than {DEEPEST} lists and objects"


def _depths(value: Any) -> Iterator[int]:
    pending = [(value, 0)]
    while pending:
        item, depth = pending.pop()
        if isinstance(item, dict | list):
            yield depth + 1
            if depth < DEEPEST:
                inner = item.values() if isinstance(item, dict) else item
                pending += [(each, depth + 1) for each in inner if isinstance(each, dict | list)]


def _refuse(name: str) -> Any:
    raise ValueError(f"it holds {name}, which is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it holds a number that is too large: {text[:20]}")
    return number


def _whole(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) >= _WHOLE:
        raise ValueError(f"it holds a whole number of more than 64 bits: {text[:20]}…")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has the key {twice[:40]!r} twice")
    return members
