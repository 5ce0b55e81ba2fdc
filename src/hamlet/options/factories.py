"""The environment at ``MODULE:FACTORY``, and its options. The factory returns a PettingZoo or a Hamlet environment."""

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
# The parameters of `from_pettingzoo` that are options on the command line.
_OF_PETTINGZOO = ("processes", "timeout", "on_failure", "state", "pictures", "measures")
# Time limit for the import of a module, in seconds.
_PATIENCE = 60.0


@dataclass(frozen=True)
class Factory:
    """A factory and its keywords.

    Attributes:
        place: ``MODULE:FACTORY``.
        keywords: The keywords, which a worker process found.
    """

    place: str
    keywords: Keywords

    @classmethod
    def at(cls, place: str) -> "Factory":
        """Return the factory at ``MODULE:FACTORY``.

        Raises:
            RequestError: If there is no such factory.
        """
        user_modules.called(place_of(place))
        return cls(place, factory_keywords(place, _PATIENCE))

    @cached_property
    def parameters(self) -> dict[str, inspect.Parameter]:
        """Return the keywords whose values can be written on the command line, by name."""
        parameters = (_parameter(parameter, handed_on=self.keywords.handed_on) for parameter in self.keywords.known)
        return {parameter.name: parameter for parameter in parameters if parameter is not None}

    def signed(self, function: Callable[..., Any], own: Iterable[inspect.Parameter] = ()) -> Callable[..., Any]:
        """Give a function that takes any keyword the factory's keywords and its own parameters as signature."""
        free = [inspect.Parameter("further_", inspect.Parameter.VAR_KEYWORD)] if self.keywords.free else []
        signature = inspect.Signature([*self.parameters.values(), *own, *free])
        texts = (self.keywords.text, function.__doc__)
        function.__signature__ = signature  # type: ignore[attr-defined]
        function.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
        function.__doc__ = "\n\n".join(inspect.cleandoc(text) for text in texts if text)
        return function

    def call(self, function: Callable[[dict[str, Any]], Any], given: Mapping[str, Any]) -> Any:
        """Call a function with the options that differ from the factory's defaults.

        Raises:
            RequestError: If the factory refuses the options; for an unknown option, with the nearest known one.
        """
        asked = {name: value for name, value in given.items() if not self._is_default(name, value)}
        for name in ("factory", "copies"):
            require(
                name not in asked,
                f"there is no option --env.{name}: the factory is the first word, and --num-envs sets the copies",
            )
        try:
            return function(asked)
        except RequestError as error:
            # A factory that takes any keyword reports the refused keyword but not the accepted ones.
            for name in asked.keys() - self.parameters.keys():
                flags = [f"--env.{parameter.replace('_', '-')}" for parameter in self.parameters]
                if f"argument '{name}'" in str(error):
                    raise RequestError(f"{error}{suggestion(name, flags, '{}')}") from error
            raise

    def _is_default(self, name: str, value: Any) -> bool:
        parameter = self.parameters.get(name)
        return parameter is not None and type(value) is type(parameter.default) and value == parameter.default


def environment(place: str) -> Callable[..., Any]:
    """Return a function that creates the environment of one factory from the options of the command line.

    The number of environment copies comes from the algorithm.

    Raises:
        RequestError: If there is no such factory.
    """
    factory = Factory.at(place)

    def make(**options: Any) -> Any:
        return factory.call(lambda asked: _environment(place, asked), options)

    make.__doc__ = from_pettingzoo.__doc__
    return factory.signed(make, [_OWN[name] for name in _OF_PETTINGZOO])


def _environment(place: str, asked: Mapping[str, Any]) -> Any:
    """Return the environment of a factory. The options of worker processes are for PettingZoo environments only."""
    env = by_factory(place, **asked)
    if not isinstance(env, PettingZoo):
        for name in _OF_PETTINGZOO:
            require(
                asked.get(name, _OWN[name].default) == _OWN[name].default,
                f"--env.{name} is an option of PettingZoo environments only, and {place} returns a Hamlet environment",
            )
    return env


def _parameter(one: Keyword, *, handed_on: bool) -> inspect.Parameter | None:
    """Return a keyword as an option; None if it is optional and only Python code can set it."""
    if one.name in _OWN or one.name.startswith("_"):
        return None
    default = _EMPTY if one.required else one.default
    annotation = _annotation(one, handed_on=handed_on)
    if not values.supported(annotation) and not one.required:
        return None
    return inspect.Parameter(one.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _annotation(one: Keyword, *, handed_on: bool) -> Any:
    """Return the type of an option: from the factory's annotation, else from the default, else None."""
    if not one.readable:
        return None
    hint = None if one.annotation in (_EMPTY, Any, object) else one.annotation
    if hint is None:
        hint = {bool: bool, int: values.Number, float: float, str: str, type(None): values.Plain}.get(type(one.default))
        if isinstance(one.default, tuple) and len(kinds := {type(item) for item in one.default}) == 1:
            hint = tuple[kinds.pop(), ...]  # type: ignore[misc]
    if hint is bool and (handed_on or one.required):
        hint = values.Plain  # a keyword behind ``**keywords`` is not visible as a switch
    return Optional[hint] if hint is not None and not one.required and one.default is None else hint  # noqa: UP045
