"""Third-party environments that are declared by name: a factory, its options and an adapter.

A declaration names a function of a module, ``package.module:function``. Hamlet imports and starts nothing until the
first property of the environment is read, such as `groups`. The result is then stored in this process for all equal
declarations (`discovered`). An **adapter** determines how Hamlet finds out what the factory makes:

* `Named` is for environments in JAX. The factory is called in this process. The adapter converts its product, which may
  have any interface, into an `hamlet.envs.base.Environment`.
* `hamlet.envs.pettingzoo.environment.PettingZoo` is for Python objects. A worker process makes one environment copy and
  describes it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, TypeVar

from jaxtyping import Array

from hamlet.envs.base import Environment, Group, Outcome, View
from hamlet.envs.conversion import Broken
from hamlet.envs.factories import user_modules
from hamlet.envs.factories.known import CODE
from hamlet.envs.factories.options import plain
from hamlet.envs.factories.place import find, place_of
from hamlet.errors import RequestError
from hamlet.types import Key

__all__ = ["Adapter", "Ask", "FoundOut", "Named", "Options", "build", "discovered", "from_factory"]

Options: TypeAlias = tuple[tuple[str, Any], ...]
Answer = TypeVar("Answer", covariant=True)
# The stored answers. A key has the `Ask`, the factory, its options, and the directory of its module.
_FOUND: dict[tuple[Any, ...], Any] = {}


class Ask(Protocol[Answer]):
    """A way to find out what a factory makes. It is hashable; equal instances give equal answers."""

    def __call__(self, factory: str, options: Options) -> Answer:
        """Return the answer for a factory and its options.

        Raises:
            RequestError: The environment cannot be made, or is not supported.
        """
        ...


class Adapter(Protocol):
    """A frozen dataclass that converts an environment in JAX with another interface into Hamlet's interface."""

    def __call__(self, product: Any) -> Environment:
        """Return the environment for the product of a factory."""
        ...


def discovered(ask: Ask[Answer], factory: str, options: Options) -> Answer:
    """Return what a factory makes with these options. Hamlet finds this out once in a process and stores it.

    Raises:
        RequestError: The `Ask` failed. The next call then tries again.
    """
    home = user_modules.known().get(user_modules.top(factory))
    key = (ask, factory, options, home)
    if key not in _FOUND:
        _FOUND[key] = ask(factory, options)
    return _FOUND[key]


class FoundOut:
    """The default of a dataclass field that is computed when it is first read, unless the user gives a value.

    Args:
        find: Computes the value from the instance.
    """

    def __init__(self, find: Callable[[Any], Any]) -> None:
        self._find = find

    def __set_name__(self, owner: type, name: str) -> None:
        """Set the name of the attribute that stores the value."""
        self._place = f"_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """Return the value; if the field is read from the class, return this descriptor."""
        if instance is None:
            return self
        values = vars(instance)
        if self._place not in values:
            values[self._place] = self._find(instance)
        return values[self._place]

    def __set__(self, instance: Any, value: Any) -> None:
        """Store a value that is given. The descriptor itself, the default, means that no value is given."""
        if value is not self:
            vars(instance)[self._place] = value

    @staticmethod
    def known(instance: Any, name: str) -> bool:
        """Return whether the field of an instance was given or already computed."""
        return f"_{name}" in vars(instance)


class _Own:
    """How a configuration stores the factory of a `Named`: always as user code, which needs trust."""

    @staticmethod
    def name(place: str, fields: Mapping[str, Any]) -> None:
        """Return None: no public name stands for the factory."""

    @staticmethod
    def place(name: str, fields: Mapping[str, Any]) -> None:
        """Return None: a public name stands for no such factory."""


@dataclass(frozen=True)
class _InThisProcess:
    """Calls a factory in this process and gives its product to an adapter."""

    adapter: Adapter

    def __call__(self, factory: str, options: Options) -> Environment:
        return self.adapter(build(factory, options))


@dataclass(frozen=True)
class Named:
    """An environment in JAX with another interface, as `from_factory` declares it.

    All further attributes are read from the adapter's environment, for example ``horizon`` or ``known_returns``.

    Attributes:
        factory: The function that makes the environment, ``package.module:function``.
        adapter: Converts the factory's product into an environment with Hamlet's interface.
        options: Keyword arguments for the factory, as pairs of name and value.
    """

    factory: str = field(metadata={CODE: _Own})
    adapter: Adapter
    options: Options = ()

    @property
    def environment(self) -> Environment:
        """The environment that the adapter made.

        Raises:
            RequestError: The factory does not exist, or it refuses its options.
        """
        return discovered(_InThisProcess(self.adapter), self.factory, self.options)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of agents with equal observation and action spaces."""
        return self.environment.groups

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of the state that the critic receives."""
        return self.environment.state_shape

    def reset(self, key: Key) -> tuple[Any, View]:
        """Start an episode."""
        return self.environment.reset(key)

    def step(self, key: Key, state: Any, actions: tuple[Array, ...]) -> tuple[Any, View, Outcome]:
        """Take one step."""
        return self.environment.step(key, state, actions)

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the environment."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.environment, name)


def from_factory(factory: Callable[..., Any] | str, adapter: Adapter, /, **options: Any) -> Named:
    """Declare an environment in JAX with another interface. The environment is made when it is first used.

    Args:
        factory: A function of a module, or its place ``"package.module:function"``.
        adapter: Converts the factory's product into an environment with Hamlet's interface.
        options: Keyword arguments for the factory.

    Raises:
        RequestError: The factory has no name by which another process can import it, or a run cannot store an option.
    """
    place = place_of(factory)
    user_modules.called(place)
    return Named(place, adapter, tuple((name, plain(name, value)) for name, value in options.items()))


def build(factory: str, options: Options) -> Any:
    """Call a factory in this process and return its product.

    Raises:
        RequestError: The factory does not exist, or it refuses its options.
    """
    try:
        user_modules.append(factory)
        return find(factory)(**dict(options))
    except RequestError:
        raise
    except Broken as broken:
        raise RequestError(f"{factory} cannot be used: {broken}") from None
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise RequestError(f"{factory} cannot be used: raised {text}") from error
