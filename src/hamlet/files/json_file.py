"""Read JSON files that other people may have written: a file is read, or refused with one line, in bounded time.

Only regular files of limited size are read: no pipes, no devices, and no links that lead out of their directory. A text
is refused in these cases:

* it is not UTF-8 or not JSON;
* an object has a key twice;
* it has a number that JSON does not have (NaN, Infinity), or a whole number of more than 64 bits;
* it nests more than `DEEPEST` lists and objects.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hamlet.files import plain_files

LARGEST = 64 * 2**20
"""The largest size of a file in bytes."""
DEEPEST = 64
"""The largest nesting depth of lists and objects; Python's own recursion limit is a few hundred."""
# Whole numbers from here on do not fit into arrays and counters.
_WHOLE = 2**63


def read(path: Path, *, inside: Path | None = None, finite: bool = True) -> Any:
    """Return the content of a JSON file.

    Args:
        path: The file.
        inside: A link at ``path`` must not lead out of this directory; by default the file's own directory.
        finite: Whether to refuse NaN and infinities, which Python writes although JSON does not have them.

    Raises:
        OSError: The file cannot be opened.
        ValueError: The file is refused; the message gives the reason.
    """
    return parse(contents(path, inside=inside), finite=finite)


def contents(path: Path, *, inside: Path | None = None) -> bytes:
    """Return the bytes of a regular file of at most `LARGEST` bytes.

    Raises:
        OSError: The file cannot be opened.
        ValueError: It is a pipe, a device, a directory, a link that leads out of its directory, or too large.
    """
    return plain_files.contents(path, LARGEST, inside=inside or path.parent)


def as_text(value: Any) -> str:
    """Return a value as the text of a JSON file."""
    return json.dumps(value, indent=2) + "\n"


def parse(data: bytes, *, finite: bool = True) -> Any:
    """Return the value in the bytes of a JSON file.

    Raises:
        ValueError: The bytes are refused; the message gives the reason.

    >>> parse(b'{"steps": 10}')
    {'steps': 10}
    >>> parse(b'{"steps": NaN}')
    Traceback (most recent call last):
    ValueError: it contains NaN, which is not a number in JSON
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
        raise ValueError(f"it is not UTF-8: {error.reason} at byte {error.start}") from None
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
    raise ValueError(f"it contains {name}, which is not a number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"it contains a number that is too large: {text[:20]}")
    return number


def _whole(text: str) -> int:
    if len(text) > 20 or abs(number := int(text)) >= _WHOLE:
        raise ValueError(f"it contains a whole number of more than 64 bits: {text[:20]}…")
    return number


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"it has the key {twice[:40]!r} twice")
    return members
