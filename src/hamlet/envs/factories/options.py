"""Values of an environment's options as a run keeps them: numbers, words, truth values and tuples of them."""

import enum
import os
from typing import Any

import numpy as np

from hamlet.errors import RequestError


def plain(name: str, value: Any) -> Any:
    """The value of an option as it goes to workers and into config.json; the factory gets just this.

    A NumPy number becomes a Python one, a path its words, a list or a range a tuple, and a member of an IntEnum or a
    StrEnum its value, which equals it.

    Raises:
        RequestError: It is of no kind that a run can keep; says what to give in its place.

    >>> plain("size", np.int64(3)), plain("cells", [1, (2.5, None)])
    (3, (1, (2.5, None)))
    """
    if isinstance(value, enum.Enum):
        if isinstance(value, int | float | str):
            return plain(name, value.value)
        place = f"{type(value).__name__}.{value.name}"
        raise _refused(name, value, f"give its name, {value.name!r}, and let the factory look {place} up")
    if isinstance(value, np.floating):  # the widest is no Python number by item()
        return float(value)
    if isinstance(value, np.generic) and not isinstance(value, np.complexfloating):
        return plain(name, value.item())
    if isinstance(value, os.PathLike):
        return plain(name, os.fspath(value))
    if value is None or isinstance(value, bool | int | float | str):
        # Of a subclass what it equals: another process may not have the class.
        return (
            value if value is None else next(kind for kind in (bool, int, float, str) if isinstance(value, kind))(value)
        )
    if isinstance(value, list | tuple | range):
        return tuple(plain(name, item) for item in value)
    if isinstance(value, np.ndarray):
        raise _refused(name, value, f"give a tuple of numbers: {name}.tolist() is taken")
    if isinstance(value, dict):
        raise _refused(name, value, "give one option for each entry, or a tuple of pairs")
    if isinstance(value, set | frozenset):
        raise _refused(name, value, "give a sorted tuple")
    if callable(value):
        raise _refused(name, value, "give its name, and let the factory look it up")
    raise _refused(name, value, "give numbers or words, and let the factory make of them what it needs")


def _refused(name: str, value: Any, advice: str) -> RequestError:
    return RequestError(f"the option {name} is a {type(value).__name__}, which a run cannot keep: {advice}")
