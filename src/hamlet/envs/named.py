"""Environments of others, by name: a factory, its options and an adapter, asked for when they are first needed.

A declaration names a function of a module, ``package.module:function``. Nothing is imported or started until someone
asks what the environment is, as by its `groups`; what is found then is kept in this process for all equal declarations
(`discovered`). An **adapter** says how to find that out:

* `Named`, of environments in JAX: the factory is called in this process, and the adapter makes an
  `hamlet.envs.base.Environment` of what it gives, whatever interface that has.
* `hamlet.envs.pettingzoo.environment.PettingZoo`, of Python objects: a worker process makes one copy and describes it.
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
# What was discovered, by who asked, the factory, its options, and the directory of its module.
_FOUND: dict[tuple[Any, ...], Any] = {}


class Ask(Protocol[Answer]):
    """How one finds out what a factory makes. Hashable: equal ones find the same."""

    def __call__(self, factory: str, options: Options) -> Answer:
        """What it is.

        Raises:
            RequestError: It cannot be made, or is not supported.
        """
        ...


class Adapter(Protocol):
    """How an environment in JAX of another interface becomes one of Hamlet's: a frozen dataclass."""

    def __call__(self, product: Any) -> Environment:
        """The environment, of what a factory made."""
        ...


def discovered(ask: Ask[Answer], factory: str, options: Options) -> Answer:
    """What a factory makes with these options: asked once in a process, and kept.

    Raises:
        RequestError: As `Ask` has it; then it is asked again the next time.
    """
    home = user_modules.known().get(user_modules.top(factory))
    key = (ask, factory, options, home)
    if key not in _FOUND:
        _FOUND[key] = ask(factory, options)
    return _FOUND[key]


class FoundOut:
    """The default of a dataclass's field that is found out when it is first read, unless it is given.

    Args:
        find: Finds it, of the instance.
    """

    def __init__(self, find: Callable[[Any], Any]) -> None:
        self._find = find

    def __set_name__(self, owner: type, name: str) -> None:
        """Where the value is kept."""
        self._place = f"_{name}"

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        """The value; of the class itself, this."""
        if instance is None:
            return self
        values = vars(instance)
        if self._place not in values:
            values[self._place] = self._find(instance)
        return values[self._place]

    def __set__(self, instance: Any, value: Any) -> None:
        """The value that is given; this itself, the default, stands for none."""
        if value is not self:
            vars(instance)[self._place] = value

    @staticmethod
    def known(instance: Any, name: str) -> bool:
        """Whether an instance was given the field of a name, or was asked for it."""
        return f"_{name}" in vars(instance)


class _Own:
    """How a configuration writes the factory of a `Named`: as code of the user's own, whatever it is."""

    @staticmethod
    def name(place: str, fields: Mapping[str, Any]) -> None:
        """None stands for it."""

    @staticmethod
    def place(name: str, fields: Mapping[str, Any]) -> None:
        """None is known by another name."""


@dataclass(frozen=True)
class _InThisProcess:
    """Calls a factory here, and hands what it makes to an adapter."""

    adapter: Adapter

    def __call__(self, factory: str, options: Options) -> Environment:
        return self.adapter(build(factory, options))


@dataclass(frozen=True)
class Named:
    """An environment in JAX of another interface, as `from_factory` declares it.

    What else the adapter's environment declares, as ``horizon`` or ``known_returns``, is this one's too.

    Attributes:
        factory: What makes it, ``package.module:function``.
        adapter: What makes an environment of Hamlet's of that.
        options: Keyword arguments for the factory, as pairs.
    """

    factory: str = field(metadata={CODE: _Own})
    adapter: Adapter
    options: Options = ()

    @property
    def environment(self) -> Environment:
        """What the adapter made.

        Raises:
            RequestError: The factory is not there, or refuses its options.
        """
        return discovered(_InThisProcess(self.adapter), self.factory, self.options)

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of equal spaces."""
        return self.environment.groups

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of the critic's state."""
        return self.environment.state_shape

    def reset(self, key: Key) -> tuple[Any, View]:
        """A fresh episode."""
        return self.environment.reset(key)

    def step(self, key: Key, state: Any, actions: tuple[Array, ...]) -> tuple[Any, View, Outcome]:
        """One step."""
        return self.environment.step(key, state, actions)

    def __getattr__(self, name: str) -> Any:
        """What else the environment declares."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.environment, name)


def from_factory(factory: Callable[..., Any] | str, adapter: Adapter, /, **options: Any) -> Named:
    """An environment in JAX of another interface, to train on; nothing is made of it yet.

    Args:
        factory: A function of a module, or its place ``"package.module:function"``.
        adapter: Makes an environment of Hamlet's of what the factory makes.
        options: Keyword arguments for the factory.

    Raises:
        RequestError: The factory cannot be named, or an option cannot be kept by a run.
    """
    place = place_of(factory)
    user_modules.called(place)
    return Named(place, adapter, tuple((name, plain(name, value)) for name, value in options.items()))


def build(factory: str, options: Options) -> Any:
    """What a factory makes, called in this process.

    Raises:
        RequestError: It is not there, or refuses its options.
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
