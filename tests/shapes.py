"""The type checker that the import hook of conftest puts around every function of hamlet."""

from functools import wraps
from typing import Any, Self

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintException

# An int is a float to a type checker (PEP 484), and so it is here.
_checker = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(thing: Any) -> Any:
    """A function that beartype checks from its first call on: most of what is imported is never called."""
    if isinstance(thing, type):
        return _checker(thing)
    made = None

    @wraps(thing)
    def first(*args: Any, **kwargs: Any) -> Any:
        nonlocal made
        made = made or _checked(thing)
        return made(*args, **kwargs)

    return first


def _checked(function: Any) -> Any:
    """By beartype, which outside of a decorated class knows no Self."""
    annotations = getattr(function, "__annotations__", {})
    if Self in annotations.values():
        function.__annotations__ = {name: Any if hint is Self else hint for name, hint in annotations.items()}
    try:
        return _checker(function)
    except BeartypeDecorHintException:
        return function
