"""A run's environment with other options than the run's: ``hamlet evaluate RUN --env.NAME VALUE``."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from hamlet.envs.host import AnyEnvironment
from hamlet.envs.pettingzoo.environment import PettingZoo, from_pettingzoo
from hamlet.options import factories
from hamlet.options.parsing import OptionGroup

# What of a PettingZoo environment is an option on the command line, and not the factory's.
_OWN = ("processes", "timeout", "on_failure", "state", "measures")


def options(env: AnyEnvironment, argv: Sequence[str]) -> OptionGroup:
    """The options of a run's environment, at the run's values.

    Args:
        env: The environment.
        argv: What was typed, as some factories take any option.
    """
    if isinstance(env, PettingZoo):
        values = dict(env.options) | {name: getattr(env, name) for name in _OWN}
        return OptionGroup("env", factories.environment(env.factory), values, prefixed=True).taking(argv)
    fields = dataclasses.fields(env) if dataclasses.is_dataclass(env) else ()
    return OptionGroup("env", type(env), {field.name: getattr(env, field.name) for field in fields}, prefixed=True)


def varied(env: AnyEnvironment, given: Mapping[str, Any]) -> AnyEnvironment:
    """The environment with the options given, and else with its own.

    Raises:
        RequestError: If it refuses them.
    """
    if not isinstance(env, PettingZoo):
        return dataclasses.replace(env, **given)  # type: ignore[type-var]
    own = {name: getattr(env, name) for name in (*_OWN, "copies", "pictures")}
    return from_pettingzoo(env.factory, **(own | dict(env.options) | dict(given)))
