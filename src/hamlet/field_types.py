"""Check whether a value from a file has the type that a dataclass's field declares.

Supported types are those of declarations: numbers, booleans, strings, string literals, tuples of these, and other
dataclasses.
"""

import dataclasses
import types
import typing
from typing import Any, Literal, Union


def fits(value: Any, hint: Any) -> bool:
    """Return whether a field may hold a value.

    An int also fits a float field; a bool fits neither an int nor a float field. If the field declares an interface (a
    protocol), every dataclass fits. A user's own dataclass fits in place of any dataclass of Hamlet.

    >>> fits((64, 64), tuple[int, ...]), fits("64", int), fits(1, float), fits(True, int)
    (True, False, True, False)
    """
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return any(value == choice and type(value) is type(choice) for choice in arguments)
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in arguments)
    if origin is tuple:
        return isinstance(value, tuple) and _items_fit(value, arguments)
    if hint is None or hint is type(None):
        return value is None
    if hint in (bool, str):
        return isinstance(value, hint)
    if hint in (int, float):
        return isinstance(value, (int, float) if hint is float else int) and not isinstance(value, bool)
    if not isinstance(hint, type) or hint in (Any, object):
        return True
    if not dataclasses.is_dataclass(hint) and not getattr(hint, "_is_protocol", False):
        return isinstance(value, hint)
    user_defined = type(value).__module__.partition(".")[0] != "hamlet"
    return dataclasses.is_dataclass(value) and (
        user_defined or hint in type(value).__mro__ or not dataclasses.is_dataclass(hint)
    )


def spoken(hint: Any) -> str:
    """Return a description of a type for messages.

    >>> spoken(int), spoken(Literal["random", "fixed"]), spoken(float | None)
    ('a whole number', "'random' or 'fixed'", 'a number or null')
    """
    words = {
        int: "a whole number",
        float: "a number",
        bool: "true or false",
        str: "a word",
        dict: "an object",
        type(None): "null",
    }
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(map(repr, arguments))
    if origin in (Union, types.UnionType):
        return " or ".join(map(spoken, arguments))
    if origin is tuple:
        return "a list" + (f" of {len(arguments)}" if arguments and Ellipsis not in arguments else "")
    return words.get(hint) or f"a {getattr(hint, '__name__', hint)}"


def _items_fit(values: tuple[Any, ...], hints: tuple[Any, ...]) -> bool:
    if len(hints) == 2 and hints[1] is Ellipsis:
        return all(fits(value, hints[0]) for value in values)
    return not hints or (len(values) == len(hints) and all(map(fits, values, hints)))
