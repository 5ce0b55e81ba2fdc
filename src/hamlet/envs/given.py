"""An environment as a person gives it: its name, ``MODULE:FACTORY``, what makes it, or itself."""

import sys
from typing import Any

from hamlet.envs.factories.place import place_of
from hamlet.envs.host import AnyEnvironment
from hamlet.envs.named import build
from hamlet.envs.pettingzoo.environment import described, from_pettingzoo
from hamlet.envs.registry import make
from hamlet.errors import RequestError

# What an environment of Hamlet's contract has, in JAX or on the host.
_CONTRACT = ("groups", "state_shape")


def environment(given: Any) -> AnyEnvironment:
    """The environment that somebody means.

    Args:
        given: A name of `hamlet.envs.ENVIRONMENTS`; ``MODULE:FACTORY`` or a function of a module, which makes an
            environment of PettingZoo or of Hamlet's contract; such an environment, or its class where that takes no
            arguments.

    Raises:
        RequestError: It is none of these; the line says what would be.
    """
    if isinstance(given, str):
        return by_factory(given) if ":" in given else make(given)
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
        return by_factory(place_of(given))
    raise RequestError(
        f"{given!r} is no environment: give a name (hamlet list envs), 'package.module:function', a function that makes"
        " a PettingZoo environment, or an environment of Hamlet's contract (docs/extend/environment.md)"
    )


def by_factory(place: str, **options: Any) -> AnyEnvironment:
    """What a factory makes, if that is an environment of Hamlet's own; else as PettingZoo's, played by workers.

    A worker looks first, as what is imported where one trains could change what is trained.

    Args:
        place: ``MODULE:FACTORY``.
        options: As for `hamlet.envs.from_pettingzoo`.

    Raises:
        RequestError: It is not there, or makes neither.
    """
    env = from_pettingzoo(place, **options)
    return build(place, env.options) if described(place, env.options, env.timeout) is None else env


def _is_instance(given: Any, package: str, names: tuple[str, ...]) -> bool:
    """Whether something is an instance of a package's classes; a package that nobody imported made nothing."""
    classes = tuple(getattr(sys.modules[package], name) for name in names) if package in sys.modules else ()
    return isinstance(given, classes)
