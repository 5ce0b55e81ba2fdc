"""The type checker that the import hook of conftest puts around every function of hamlet."""

from typing import Any, Self

from beartype import beartype
from beartype.roar import BeartypeDecorHintException


def checked(thing: Any) -> Any:
    """beartype, which outside of a decorated class knows no Self."""
    annotations = getattr(thing, "__annotations__", {})
    if not isinstance(thing, type) and Self in annotations.values():
        thing.__annotations__ = {name: Any if hint is Self else hint for name, hint in annotations.items()}
    try:
        return beartype(thing)
    except BeartypeDecorHintException:
        return thing
