"""Environment options as a run stores them: numbers, strings, booleans, None, and tuples of these."""

import enum
import os
from typing import Any

import numpy as np

from hamlet.errors import RequestError


def plain(name: str, value: Any) -> Any:
    """Return an option's value as workers and config.json receive it; the factory receives this value too.

    A NumPy number becomes a Python number, a path a string, a list or range a tuple. A member of an IntEnum or StrEnum
    becomes its value, which is equal to it.

    Raises:
        RequestError: A run cannot store this type; the message says what to give instead.

    >>> plain("size", np.int64(3)), plain("cells", [1, (2.5, None)])
    (3, (1, (2.5, None)))
    """
    if isinstance(value, enum.Enum):
        if isinstance(value, int | float | str):
            return plain(name, value.value)
        place = f"{type(value).__name__}.{value.name}"
        raise _refused(name, value, f"give its name, {value.name!r}, and let the factory look {place} up")
    if isinstance(value, np.floating):  # item() of the widest type does not return a Python number
        return float(value)
    if isinstance(value, np.generic) and not isinstance(value, np.complexfloating):
        return plain(name, value.item())
    if isinstance(value, os.PathLike):
        return plain(name, os.fspath(value))
    if value is None or isinstance(value, bool | int | float | str):
        # A value of a subclass becomes the equal built-in value: another process may not have the class.
        return (
            value if value is None else next(kind for kind in (bool, int, float, str) if isinstance(value, kind))(value)
        )
    if isinstance(value, list | tuple | range):
        return tuple(plain(name, item) for item in value)
    if isinstance(value, np.ndarray):
        raise _refused(name, value, f"give a tuple of numbers, such as {name}.tolist()")
    if isinstance(value, dict):
        raise _refused(name, value, "give one option for each entry, or a tuple of pairs")
    if isinstance(value, set | frozenset):
        raise _refused(name, value, "give a sorted tuple")
    if callable(value):
        raise _refused(name, value, "give its name, and let the factory look it up")
    raise _refused(name, value, "give numbers or strings, and let the factory build the object from them")


def _refused(name: str, value: Any, advice: str) -> RequestError:
    return RequestError(f"the option {name} is a {type(value).__name__}, which a run cannot store: {advice}")
