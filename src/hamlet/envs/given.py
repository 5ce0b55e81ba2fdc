"""Find the environment that a user gives: a name, ``MODULE:FACTORY``, a function that makes it, or an environment."""

import sys
from typing import Any

from hamlet.envs.factories.place import place_of
from hamlet.envs.host import AnyEnvironment
from hamlet.envs.named import build
from hamlet.envs.pettingzoo.environment import described, from_pettingzoo
from hamlet.envs.registry import make
from hamlet.errors import RequestError

# The attributes of every environment with Hamlet's interface, in JAX or on the host.
_CONTRACT = ("groups", "state_shape")


def environment(given: Any) -> AnyEnvironment:
    """Return the environment that the user gives.

    Args:
        given: One of:

            * a name of `hamlet.envs.ENVIRONMENTS`;
            * ``MODULE:FACTORY``, or a function of a module, which makes an environment with PettingZoo's or Hamlet's
              interface;
            * an environment with Hamlet's interface, or its class if the class needs no arguments.

    Raises:
        RequestError: It is none of these; the message says what to give.
    """
    if isinstance(given, str):
        return by_factory(given) if ":" in given else make(given)
    if all(hasattr(given, name) for name in _CONTRACT) and not isinstance(given, type):
        return given
    if isinstance(given, type) and all(hasattr(given, name) for name in _CONTRACT):
        try:
            return given()
        except TypeError as error:
            raise RequestError(
                f"{given.__name__} is a class that needs arguments: give an instance of it ({error})"
            ) from None
    kind = f"{type(given).__module__}.{type(given).__qualname__}"
    if _is_instance(given, "pettingzoo", ("ParallelEnv", "AECEnv")):
        raise RequestError(
            f"{kind} is one PettingZoo environment, but Hamlet makes many copies in other processes: give the"
            " function that makes it, such as parallel_env, or its place 'package.module:parallel_env'"
        )
    if _is_instance(given, "gymnasium", ("Env",)):
        raise RequestError(
            f"{kind} is a Gymnasium environment, which has one agent without a name: wrap it as a PettingZoo"
            " ParallelEnv, and give the function that makes it"
        )
    if callable(given):
        return by_factory(place_of(given))
    raise RequestError(
        f"{given!r} is not an environment: give a name (hamlet list envs), 'package.module:function', a function"
        " that makes a PettingZoo environment, or an environment with Hamlet's interface (docs/extend/environment.md)"
    )


def by_factory(place: str, **options: Any) -> AnyEnvironment:
    """Return a factory's environment: with Hamlet's interface if it makes one, else as a PettingZoo environment.

    A worker process looks first, because an import in the training process could change the training. A PettingZoo
    environment is run by worker processes.

    Args:
        place: ``MODULE:FACTORY``.
        options: The options of `hamlet.envs.from_pettingzoo`.

    Raises:
        RequestError: The factory does not exist, or it makes neither kind of environment.
    """
    env = from_pettingzoo(place, **options)
    return build(place, env.options) if described(place, env.options, env.timeout) is None else env


def _is_instance(given: Any, package: str, names: tuple[str, ...]) -> bool:
    """Return whether a value is an instance of a package's classes. Without an import of the package, it is not."""
    classes = tuple(getattr(sys.modules[package], name) for name in names) if package in sys.modules else ()
    return isinstance(given, classes)
