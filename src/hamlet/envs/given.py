"""An environment as a person gives it: its name, ``MODULE:FACTORY``, what makes it, or itself."""

import sys
from typing import Any

from hamlet.envs.host import AnyEnvironment
from hamlet.envs.pettingzoo.environment import from_pettingzoo
from hamlet.envs.registry import make
from hamlet.errors import RequestError

# What an environment of Hamlet's contract has, in JAX or on the host.
_CONTRACT = ("groups", "state_shape")


def environment(given: Any) -> AnyEnvironment:
    """The environment that somebody means.

    Args:
        given: A name of `hamlet.envs.ENVIRONMENTS`; ``MODULE:FACTORY`` or a function of a module, which makes a
            PettingZoo environment; an environment of Hamlet's contract, or its class where that takes no arguments.

    Raises:
        RequestError: It is none of these; the line says what would be.
    """
    if isinstance(given, str):
        return from_pettingzoo(given) if ":" in given else make(given)
    if all(hasattr(given, name) for name in _CONTRACT) and not isinstance(given, type):
        return given
    if isinstance(given, type) and all(hasattr(given, name) for name in _CONTRACT):
        try:
            return given()
        except TypeError as error:
            raise RequestError(f"{given.__name__} is a class: give an environment made of it ({error})") from None
    kind = f"{type(given).__module__}.{type(given).__qualname__}"
    if _is_instance(given, "pettingzoo", ("ParallelEnv", "AECEnv")):
        raise RequestError(
            f"{kind} is one PettingZoo environment, and many are made in other processes: give the function that makes"
            " it, such as parallel_env, or its place 'package.module:parallel_env'"
        )
    if _is_instance(given, "gymnasium", ("Env",)):
        raise RequestError(
            f"{kind} is a Gymnasium environment, with one agent and no name: make it a ParallelEnv of PettingZoo"
            ", and give the function that makes it"
        )
    if callable(given):
        return from_pettingzoo(given)
    raise RequestError(
        f"{given!r} is no environment: give a name (hamlet list envs), 'package.module:function', a function that makes"
        " a PettingZoo environment, or an environment of Hamlet's contract (docs/extend/environment.md)"
    )


def _is_instance(given: Any, package: str, names: tuple[str, ...]) -> bool:
    """Whether something is an instance of a package's classes; a package that nobody imported made nothing."""
    classes = tuple(getattr(sys.modules[package], name) for name in names) if package in sys.modules else ()
    return isinstance(given, classes)
