"""Arguments of public functions, checked before anything is begun: by name, by number and by type."""

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypeVar

import numpy as np

from hamlet import field_types
from hamlet.errors import RequestError, unknown

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Declaration = TypeVar("Declaration")


def checked(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """The function, which refuses in one line what it cannot take.

    Checked is what an annotation says of plain values: numbers, switches, words, choices of words, tuples and paths.

    >>> @checked
    ... def play(run: str, *, episodes: int = 100):
    ...     return episodes
    >>> play("runs/a", episodes=1e2)
    100
    >>> play("runs/a", episode=3)
    Traceback (most recent call last):
    hamlet.errors.RequestError: there is no argument of play 'episode'; the nearest is 'episodes' (of episodes, run)
    >>> play("runs/a", episodes="3")
    Traceback (most recent call last):
    hamlet.errors.RequestError: episodes is a whole number, not '3'
    """
    signature = inspect.signature(function)
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())

    @functools.wraps(function)
    def call(*args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        for name in keywords:
            if name not in signature.parameters and not free:
                raise unknown(f"argument of {function.__name__}", name, signature.parameters)
        try:
            bound = signature.bind(*args, **keywords).arguments
        except TypeError as error:
            raise RequestError(f"{function.__name__}: {error}") from None
        hints = _hints(function)
        check(bound, hints)
        # 1e6 is a whole number to whoever writes it.
        named: dict[str, Any] = dict(keywords)
        named |= {name: int(value) for name, value in named.items() if hints.get(name) is int}
        return function(*args, **named)

    return call


def replace(declaration: Declaration, /, **parts: Any) -> Declaration:
    """A declaration with other parts: `dataclasses.replace`, which names what is not there.

    >>> import hamlet
    >>> hamlet.replace(hamlet.algorithms.happo(), drft=None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    hamlet.errors.RequestError: there is no part of Haml 'drft'; the nearest is 'drift' (of ...)
    """
    if not dataclasses.is_dataclass(declaration) or isinstance(declaration, type):
        raise RequestError(f"{declaration!r} is no declaration, such as hamlet.algorithms.happo()")
    known = [field.name for field in dataclasses.fields(declaration) if field.init]
    for name in parts:
        if name not in known:
            raise unknown(f"part of {type(declaration).__name__}", name, known)
    return dataclasses.replace(declaration, **parts)


def check(values: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    """Refuse values that are not of the annotated types; numbers of NumPy are numbers.

    Raises:
        RequestError: With the first, and what it may be.
    """
    for name, value in values.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if name in hints and not _fits(plain, hints[name]):
            hint = hints[name]
            near = f"; the nearest is ({value!r},)" if not isinstance(value, str) and _fits((plain,), hint) else ""
            what = field_types.spoken(hint).replace("null", "None").replace("a list", "a tuple")
            raise RequestError(f"{name} is {what}, not {value!r}{near}")


def _fits(value: Any, hint: Any) -> bool:
    """As `hamlet.field_types.fits`; a word is no sequence of words, and a function is one."""
    if hint is int and isinstance(value, float) and value.is_integer():
        return True
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, choice) for choice in typing.get_args(hint))
    if origin is Sequence:
        return isinstance(value, Sequence) and not isinstance(value, str)
    return callable(value) if origin is Callable else field_types.fits(value, hint)


@functools.cache
def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    return typing.get_type_hints(function)
