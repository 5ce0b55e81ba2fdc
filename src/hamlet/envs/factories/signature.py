"""The keywords of a factory. A worker reads them and sends them as values that need none of the factory's modules.

Importing an environment's module in the training process could change the training: the module may set up JAX, or start
threads. Workers import this file, so it uses only the standard library.
"""

import inspect
import io
import pickle
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_MISSING = inspect.Parameter.empty
# The modules of types and defaults that can be received without an import of the factory's own modules.
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
        name: The keyword's name.
        required: Whether the factory has no default for it.
        annotation: Its type; `inspect.Parameter.empty` if the factory has no annotation.
        default: Its default; None if there is none.
        readable: Whether type and default are plain. If not, both are left out.
    """

    name: str
    required: bool
    annotation: Any
    default: Any
    readable: bool


class Keywords(NamedTuple):
    """The keywords that a factory takes.

    Attributes:
        known: The keywords in the factory's signature.
        free: Whether the factory accepts any other keyword.
        handed_on: Whether the factory names no keyword itself. ``known`` then lists the keywords of the ``raw_env`` in
            the same module, as with PettingZoo's own environments.
        text: The factory's docstring.
    """

    known: tuple[Keyword, ...]
    free: bool
    handed_on: bool
    text: str


def ask(module: str, make: Callable[..., Any]) -> tuple[Any, ...]:
    """Return the keywords of a module's factory as plain values for `keywords_of`; each type is pickled alone."""
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
    """Convert the answer of `ask`; its inverse."""
    known, free, handed_on, text = answer
    return Keywords(tuple(_received(*keyword) for keyword in known), free, handed_on, text)


def _parameters(make: Callable[..., Any]) -> list[inspect.Parameter]:
    for evaluate in (True, False):  # an annotation may name a type that only type checkers import
        try:
            return list(inspect.signature(make, eval_str=evaluate).parameters.values())
        except Exception:  # third-party annotations may raise anything; some callables have no signature
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
    """Refuses a pickle that would import one of the factory's modules."""

    def find_class(self, module: str, name: str) -> Any:
        if module not in _PLAIN and (module, name) != ("inspect", "_empty"):
            raise pickle.UnpicklingError(module)
        return super().find_class(module, name)
