"""What a factory can be told by keyword, found out by a worker, as values that need none of the factory's own modules.

To import an environment's module where one trains could change what is trained: it may set up JAX, or start threads.
Workers import this file: it needs the standard library alone.
"""

import inspect
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_MISSING = inspect.Parameter.empty
# Where types and defaults that can be written as words come from.
_PLAIN = {
    "builtins",
    "typing",
    "types",
    "functools",
    "_functools",
    "operator",
    "_operator",
    "pathlib",
    "pathlib._local",
}


class Keyword(NamedTuple):
    """A keyword of a factory.

    Attributes:
        name: As the factory has it.
        required: Whether the factory has no default for it.
        annotation: Its type; `inspect.Parameter.empty` where the factory says none.
        default: None where there is none.
        readable: Whether type and default are plain; else they are left out.
    """

    name: str
    required: bool
    annotation: Any
    default: Any
    readable: bool


class Keywords(NamedTuple):
    """What a factory can be told.

    Attributes:
        known: The keywords that it names.
        free: Whether it takes any other.
        handed_on: Whether it names none itself: those are of the ``raw_env`` beside it, as PettingZoo's own have it.
        text: Its docstring.
    """

    known: tuple[Keyword, ...]
    free: bool
    handed_on: bool
    text: str


def ask(module: str, make: Callable[..., Any]) -> tuple[Any, ...]:
    """What a module's factory can be told, as plain values for `told`; types and defaults are pickled one by one."""
    parameters = _parameters(make)
    free = any(param.kind is param.VAR_KEYWORD for param in parameters)
    raw: Any = getattr(sys.modules[module], "raw_env", None)
    named = list(_named(parameters))
    handed_on = free and not named and callable(raw)
    if handed_on:
        named = list(_named(_parameters(raw)))
    text = getattr(make, "__doc__", None)
    has_own_text = isinstance(text, str) and text != type(make).__doc__
    return tuple(map(_sent, named)), free, handed_on, text if has_own_text else ""


def keywords_of(answer: tuple[Any, ...]) -> Keywords:
    """The inverse of `ask`."""
    known, free, handed_on, text = answer
    return Keywords(tuple(_received(*keyword) for keyword in known), free, handed_on, text)


def _parameters(make: Callable[..., Any]) -> list[inspect.Parameter]:
    for evaluate in (True, False):  # a type may be named that is imported for type checkers alone
        try:
            return list(inspect.signature(make, eval_str=evaluate).parameters.values())
        except Exception:  # a third party's annotations may do anything; some callables tell nothing
            continue
    return [inspect.Parameter("keywords", inspect.Parameter.VAR_KEYWORD)]


def _named(parameters: list[inspect.Parameter]) -> Iterator[inspect.Parameter]:
    return (param for param in parameters if param.kind in (param.POSITIONAL_OR_KEYWORD, param.KEYWORD_ONLY))


def _sent(one: inspect.Parameter) -> tuple[str, bool, bytes | None]:
    required = one.default is _MISSING
    try:
        pickled = pickle.dumps((one.annotation, None if required else one.default))
    except Exception:
        pickled = None
    return one.name, required, pickled


def _received(name: str, required: bool, kept: bytes | None) -> Keyword:
    try:
        annotation, default = (_MISSING, None) if kept is None else _Plain(io.BytesIO(kept)).load()
    except Exception:
        kept, annotation, default = None, _MISSING, None
    return Keyword(name, required, annotation, default, kept is not None)


class _Plain(pickle.Unpickler):
    """Refuses what would import a module of the factory's."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in _PLAIN and (module, name) != ("inspect", "_empty"):
            raise pickle.UnpicklingError(module)
        return super().find_class(module, name)
