"""Turns a frozen group of hyperparameters into a factory that takes each hyperparameter as a keyword."""

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
"""Former names of keywords, and their current names. The former names are accepted for one release."""


def algorithm(
    options: Callable[Keywords, Options],
) -> Callable[[Callable[[Options], Declared]], Callable[Keywords, Declared]]:
    """Turn a function of one group of hyperparameters into a factory that takes each of them as a keyword.

    The factory gets its signature, annotations and docstring from the group and from the groups that it inherits from;
    fields of the group itself come first. Each hyperparameter is therefore written once: a field with type and default,
    and a line under ``Attributes`` in the docstring of its class. Editors, type checkers, the command line and the
    documentation all read it there.

    Args:
        options: The group, a frozen dataclass with keyword-only fields.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Shared:
    ...     '''Hyperparameters of several algorithms.
    ...
    ...     Attributes:
    ...         discount: γ in [0, 1].'''
    ...     discount: float = 0.99
    >>> @dataclass(frozen=True, kw_only=True)
    ... class Options(Shared):
    ...     '''Hyperparameters of this algorithm.
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
    """Return the keywords under their current names; a name in ``known`` stays unchanged.

    >>> renamed({"copies": 8, "memory": 1}, {"num_envs": ..., "memory": ...})
    {'num_envs': 8, 'memory': 1}
    """
    return {name if name in known else RENAMED.get(name, name): value for name, value in keywords.items()}


def keyword(factory: Callable[..., Any], name: str) -> str:
    """Return the name that a factory uses for a hyperparameter: the current name, or else the former one.

    >>> def older(copies=4): ...
    >>> keyword(older, "num_envs")
    'copies'
    """
    known = inspect.signature(factory).parameters
    before = next((old for old, new in RENAMED.items() if new == name and old in known), name)
    return name if name in known else before


def _parameters(options: type) -> dict[str, inspect.Parameter]:
    """Return a keyword parameter for every field: first the fields of the class itself, then the inherited fields."""
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
    """Return the description of each hyperparameter, from the most derived class that describes it."""
    sentences: dict[str, str] = {}
    for kind in reversed(options.__mro__):
        sentences |= descriptions(kind)
    return {name: sentences[name] for name in names}
