"""From a frozen group of hyperparameters to a factory that takes each of them as a keyword."""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from hamlet.arguments import check
from hamlet.errors import RequestError, unknown
from hamlet.hyperparameters.docstrings import descriptions

Keywords = ParamSpec("Keywords")
Options = TypeVar("Options")
Declared = TypeVar("Declared")

RENAMED = {
    "copies": "num_envs",
    "steps_per_rollout": "rollout_length",
    "memory": "rnn_size",
    "chunk": "sequence_length",
}
"""Keywords that were called otherwise: the names from before are read for one release."""


def algorithm(
    options: Callable[Keywords, Options],
) -> Callable[[Callable[[Options], Declared]], Callable[Keywords, Declared]]:
    """Make a function of one group of hyperparameters a factory that takes each of them as a keyword.

    The factory's signature, annotations and docstring are those of the group and of the groups that it is made of, the
    group's own first. So editors, type checkers, the command line and the documentation read each from where it is
    written: a field with its type and default, and its line under ``Attributes`` in the docstring of its class.

    Args:
        options: The group, a frozen dataclass of keywords only.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Shared:
    ...     '''What others have too.
    ...
    ...     Attributes:
    ...         discount: γ in [0, 1].'''
    ...     discount: float = 0.99
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Options(Shared):
    ...     '''The algorithm's own.
    ...
    ...     Attributes:
    ...         clip: ε > 0.'''
    ...     clip: float = 0.2
    >>> @algorithm(Options)
    ... def clipped(options):
    ...     '''A clipped algorithm.'''
    ...     return options.clip * options.discount
    >>> str(inspect.signature(clipped)), clipped(clip=0.1, discount=1.0)
    ('(*, clip: float = 0.2, discount: float = 0.99)', 0.1)
    """

    def wrapped(declare: Callable[[Options], Declared]) -> Callable[Keywords, Declared]:
        @functools.wraps(declare)
        def factory(*args: Keywords.args, **keywords: Keywords.kwargs) -> Declared:
            if args:
                raise RequestError(f"{declare.__name__} takes its hyperparameters by name, as in {first}=…")
            given = renamed(keywords, parameters)
            for name in given:
                if name not in parameters:
                    raise unknown(f"hyperparameter of {declare.__name__}", name, parameters)
            plain = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
            check(plain, factory.__annotations__)
            return declare(typing.cast(Any, options)(*args, **plain))

        parameters = _parameters(typing.cast(type, options))
        first = next(iter(parameters), "name")
        described: Any = factory
        described.__signature__ = inspect.Signature(list(parameters.values()))
        described.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
        lines = [f"    {name}: {text}" for name, text in _texts(typing.cast(type, options), parameters).items()]
        described.__doc__ = "\n".join([inspect.cleandoc(declare.__doc__ or ""), "", "Args:", *lines])
        return factory

    return wrapped


def renamed(keywords: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    """Keywords by their names of today; one that is known stays what it is.

    >>> renamed({"copies": 8, "memory": 1}, {"num_envs": ..., "memory": ...})
    {'num_envs': 8, 'memory': 1}
    """
    return {name if name in known else RENAMED.get(name, name): value for name, value in keywords.items()}


def keyword(factory: Callable[..., Any], name: str) -> str:
    """How a factory calls a hyperparameter: as today, or as before where it has that name only.

    >>> def older(copies=4): ...
    >>> keyword(older, "num_envs")
    'copies'
    """
    known = inspect.signature(factory).parameters
    before = next((old for old, new in RENAMED.items() if new == name and old in known), name)
    return name if name in known else before


def _parameters(options: type) -> dict[str, inspect.Parameter]:
    """A keyword for every field, those that the class introduces before those of the groups that it is made of."""
    hints = typing.get_type_hints(options, include_extras=True)
    defaults = inspect.signature(options).parameters
    introduced = {name: kind for kind in options.__mro__ for name in vars(kind).get("__annotations__", {})}
    ordered = [
        name for kind in options.__mro__ for name in vars(kind).get("__annotations__", {}) if introduced[name] is kind
    ]
    return {
        name: inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name].default, annotation=hints[name]
        )
        for name in ordered
    }


def _texts(options: type, names: Mapping[str, Any]) -> dict[str, str]:
    """What each hyperparameter means, as the first class says that speaks of it."""
    sentences: dict[str, str] = {}
    for kind in reversed(options.__mro__):
        sentences |= descriptions(kind)
    return {name: sentences[name] for name in names}
