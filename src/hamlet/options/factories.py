"""The environment at ``MODULE:FACTORY``: PettingZoo's or Hamlet's own, by what the factory makes, and its options."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional

from hamlet.envs.factories import user_modules
from hamlet.envs.factories.place import place_of
from hamlet.envs.factories.signature import Keyword, Keywords
from hamlet.envs.given import by_factory
from hamlet.envs.pettingzoo.copies import factory_keywords
from hamlet.envs.pettingzoo.environment import PettingZoo, from_pettingzoo
from hamlet.errors import RequestError, require
from hamlet.nearest import suggestion
from hamlet.options import values

_EMPTY = inspect.Parameter.empty
_OWN = inspect.signature(from_pettingzoo).parameters
# Those that are options on the command line.
_OF_PETTINGZOO = ("processes", "timeout", "on_failure", "state", "pictures", "measures")
# Seconds that a module has to be imported.
_PATIENCE = 60.0


@dataclass(frozen=True)
class Factory:
    """A factory, and what it can be told.

    Attributes:
        place: ``MODULE:FACTORY``.
        keywords: As a worker found them.
    """

    place: str
    keywords: Keywords

    @classmethod
    def at(cls, place: str) -> "Factory":
        """The factory at a place.

        Raises:
            RequestError: There is none.
        """
        user_modules.called(place_of(place))
        return cls(place, factory_keywords(place, _PATIENCE))

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Its keywords that can be written as words, by name."""
        parameters = (_parameter(parameter, handed_on=self.keywords.handed_on) for parameter in self.keywords.known)
        return {parameter.name: parameter for parameter in parameters if parameter is not None}

    def signed(self, function: Callable[..., Any], own: Iterable[inspect.Parameter] = ()) -> Callable[..., Any]:
        """The function, which takes any keyword, with the factory's keywords and its own as its signature."""
        free = [inspect.Parameter("further_", inspect.Parameter.VAR_KEYWORD)] if self.keywords.free else []
        signature = inspect.Signature([*self.parameters.values(), *own, *free])
        texts = (self.keywords.text, function.__doc__)
        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        function.__doc__ = "\n\n".join(inspect.cleandoc(text) for text in texts if text)
        return function

    def call(self, function: Callable[[dict[str, Any]], Any], given: Mapping[str, Any]) -> Any:
        """What a function makes of the options that differ from the factory's defaults.

        Raises:
            RequestError: If it refuses them; of an option that is not there, with the nearest that is.
        """
        asked = {name: value for name, value in given.items() if not self._is_default(name, value)}
        for name in ("factory", "copies"):
            require(name not in asked, f"--env.{name} is no option: the factory comes first, its copies are --num-envs")
        try:
            return function(asked)
        except RequestError as error:
            # A factory that takes any keyword says which it will not have, and not which it would.
            for name in asked.keys() - self.parameters.keys():
                flags = [f"--env.{parameter.replace('_', '-')}" for parameter in self.parameters]
                if f"argument '{name}'" in str(error):
                    raise RequestError(f"{error}{suggestion(name, flags, '{}')}") from error
            raise

    def _is_default(self, name: str, value: Any) -> bool:
        parameter = self.parameters.get(name)
        return parameter is not None and type(value) is type(parameter.default) and value == parameter.default


def environment(place: str) -> Callable[..., Any]:
    """What makes the environment of one factory, with the options that are words; the algorithm says how many copies.

    Raises:
        RequestError: There is no such factory.
    """
    factory = Factory.at(place)

    def make(**options: Any) -> Any:
        return factory.call(lambda asked: _environment(place, asked), options)

    make.__doc__ = from_pettingzoo.__doc__
    return factory.signed(make, [_OWN[name] for name in _OF_PETTINGZOO])


def _environment(place: str, asked: Mapping[str, Any]) -> Any:
    """What a factory makes; options of worker processes are for PettingZoo's alone."""
    env = by_factory(place, **asked)
    if not isinstance(env, PettingZoo):
        for name in _OF_PETTINGZOO:
            require(
                asked.get(name, _OWN[name].default) == _OWN[name].default,
                f"--env.{name} is of PettingZoo environments, and {place} makes one of Hamlet's own",
            )
    return env


def _parameter(one: Keyword, *, handed_on: bool) -> inspect.Parameter | None:
    """As an option, unless it can be given from Python alone and need not be."""
    if one.name in _OWN or one.name.startswith("_"):
        return None
    default = _EMPTY if one.required else one.default
    annotation = _annotation(one, handed_on=handed_on)
    if not values.supported(annotation) and not one.required:
        return None
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _annotation(one: Keyword, *, handed_on: bool) -> Any:
    """The type of an option: as the factory has it, or as its default tells, or whatever is written."""
    if not one.readable:
        return None
    hint = None if one.annotation in (_EMPTY, Any, object) else one.annotation
    if hint is None:
        hint = {bool: bool, int: values.Number, float: float, str: str, type(None): values.Plain}.get(type(one.default))
        if isinstance(one.default, tuple) and len(kinds := {type(item) for item in one.default}) == 1:
            hint = tuple[kinds.pop(), ...]  # type: ignore[misc]
    if hint is bool and (handed_on or one.required):
        hint = values.Plain  # behind ``**keywords`` nobody sees that it is a switch
    return Optional[hint] if hint is not None and not one.required and one.default is None else hint  # noqa: UP045
