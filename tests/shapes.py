"""The type checker that the import hook of conftest puts around every function of hamlet."""

from typing import Any, Self

from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeDecorHintException

# An int is a float to a type checker (PEP 484), and so it is here.
_checker = beartype(conf=BeartypeConf(is_pep484_tower=True))


def checked(thing: Any) -> Any:
    """beartype, which outside of a decorated class knows no Self."""
    annotations = getattr(thing, "__annotations__", {})
    if not isinstance(thing, type) and Self in annotations.values():
        thing.__annotations__ = {name: Any if hint is Self else hint for name, hint in annotations.items()}
    try:
        return _checker(thing)
    except BeartypeDecorHintException:
        return thing
