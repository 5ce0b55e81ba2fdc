"""A run's environment with changed options: ``hamlet evaluate RUN --env.NAME VALUE``."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from hamlet.envs.factories.place import find
from hamlet.envs.host import AnyEnvironment
from hamlet.envs.named import Named
from hamlet.envs.pettingzoo.environment import PettingZoo, from_pettingzoo
from hamlet.options import factories
from hamlet.options.parsing import OptionGroup

# Options of a PettingZoo environment on the command line that do not belong to its factory.
_OWN = ("processes", "timeout", "on_failure", "state", "measures")


class _Variation(NamedTuple):
    """How a kind of environment changes its options.

    The fields are functions: the callable that takes the options, their current values, and the changed environment.
    """

    takes: Callable[[Any], Callable[..., Any]]
    values: Callable[[Any], dict[str, Any]]
    varied: Callable[..., Any]


def options(env: AnyEnvironment, argv: Sequence[str]) -> OptionGroup:
    """Return the options of a run's environment, with the run's values as defaults.

    Args:
        env: The environment.
        argv: The arguments, because some factories take any option.
    """
    kind = _KINDS.get(type(env), _DATACLASS)
    return OptionGroup("env", kind.takes(env), kind.values(env), prefixed=True).taking(argv)


def varied(env: AnyEnvironment, given: Mapping[str, Any]) -> AnyEnvironment:
    """Return the environment with the given options; the other options stay unchanged.

    Raises:
        RequestError: If the environment refuses an option.
    """
    return _KINDS.get(type(env), _DATACLASS).varied(env, **given)


def _fields(env: Any) -> dict[str, Any]:
    fields = dataclasses.fields(env) if dataclasses.is_dataclass(env) else ()
    return {field.name: getattr(env, field.name) for field in fields}


def _of_pettingzoo(env: PettingZoo) -> dict[str, Any]:
    return dict(env.options) | {name: getattr(env, name) for name in _OWN}


def _varied_pettingzoo(env: PettingZoo, **given: Any) -> PettingZoo:
    settings = {name: getattr(env, name) for name in (*_OWN, "copies", "pictures")}
    return from_pettingzoo(env.factory, **(settings | dict(env.options) | given))


def _varied_named(env: Named, **given: Any) -> Named:
    return dataclasses.replace(env, options=tuple((dict(env.options) | given).items()))


_DATACLASS = _Variation(type, _fields, dataclasses.replace)
_KINDS = {
    PettingZoo: _Variation(lambda env: factories.environment(env.factory), _of_pettingzoo, _varied_pettingzoo),
    Named: _Variation(lambda env: find(env.factory), lambda env: dict(env.options), _varied_named),
}
