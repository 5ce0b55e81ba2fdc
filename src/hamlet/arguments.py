"""Checks of the arguments of public functions: names, number and types. They run before the function does any work."""

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
    """Return the function with checks of its arguments; a wrong argument raises `RequestError` with one line.

    The checks cover annotations of plain values: numbers, booleans, strings, literals, tuples and paths.

    >>> @checked
    ... def play(run: str, *, episodes: int = 100):
    ...     return episodes
    >>> play("runs/a", episodes=1e2)
    100
    >>> play("runs/a", episode=3)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    hamlet.errors.RequestError: there is no play() argument 'episode'; the nearest is 'episodes' (choose from ...)
    >>> play("runs/a", episodes="3")
    Traceback (most recent call last):
    hamlet.errors.RequestError: episodes must be a whole number, got '3'
    """
    signature = inspect.signature(function)
    free = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())

    @functools.wraps(function)
    def call(*args: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        for name in keywords:
            if name not in signature.parameters and not free:
                raise unknown(f"{function.__name__}() argument", name, signature.parameters)
        try:
            bound = signature.bind(*args, **keywords).arguments
        except TypeError as error:
            raise RequestError(f"{function.__name__}: {error}") from None
        hints = _hints(function)
        check(bound, hints)
        # A user who writes steps=1e6 means a whole number.
        named: dict[str, Any] = dict(keywords)
        named |= {name: int(value) for name, value in named.items() if hints.get(name) is int}
        return function(*args, **named)

    return call


def replace(declaration: Declaration, /, **parts: Any) -> Declaration:
    """Return a copy of a declaration with other parts.

    Like `dataclasses.replace`, but an unknown part raises an error that suggests the nearest part.

    Args:
        declaration: An algorithm's declaration, such as ``hamlet.algorithms.happo()``, or a part of one.
        parts: The new parts, by name.

    Raises:
        RequestError: The declaration has no part of this name, or the object is no declaration.

    >>> import hamlet
    >>> hamlet.replace(hamlet.algorithms.happo(), drft=None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    hamlet.errors.RequestError: there is no Haml part 'drft'; the nearest is 'drift' (choose from ...)
    """
    if not dataclasses.is_dataclass(declaration) or isinstance(declaration, type):
        raise RequestError(f"{declaration!r} is no declaration; give one, such as hamlet.algorithms.happo()")
    known = [field.name for field in dataclasses.fields(declaration) if field.init]
    for name in parts:
        if name not in known:
            raise unknown(f"{type(declaration).__name__} part", name, known)
    return dataclasses.replace(declaration, **parts)


def check(values: Mapping[str, Any], hints: Mapping[str, Any]) -> None:
    """Check values against annotated types. NumPy scalars count as numbers.

    Raises:
        RequestError: A value has another type; the error names the first one and states the type that it must have.
    """
    for name, value in values.items():
        plain = value.item() if isinstance(value, np.generic) else value
        if name in hints and not _fits(plain, hints[name]):
            hint = hints[name]
            near = f"; the nearest is ({value!r},)" if not isinstance(value, str) and _fits((plain,), hint) else ""
            what = field_types.spoken(hint).replace("null", "None").replace("a list", "a tuple")
            raise RequestError(f"{name} must be {what}, got {value!r}{near}")


def _fits(value: Any, hint: Any) -> bool:
    """Return whether a value fits an annotation: `hamlet.field_types.fits` with three more rules.

    A float without a fraction is a whole number. A string is no `Sequence`. Any callable is a `Callable`.
    """
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
