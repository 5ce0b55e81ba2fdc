"""Spaces of observations and actions: frozen, hashable descriptions of one agent's arrays.

At the border with PettingZoo they are exchanged for Gymnasium's spaces by ``from_gymnasium`` and
``to_gymnasium``; inside they hold Python numbers only, so that an environment can be a static argument of a
compiled function.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np

from hamlet.errors import RequestError
from hamlet.types import Key


@dataclass(frozen=True)
class Discrete:
    """The integers 0 … n − 1."""

    n: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one element."""
        return ()

    @property
    def width(self) -> int:
        """Number of choices."""
        return self.n

    def sample(self, key: Key) -> jax.Array:
        """One element, uniformly; int32."""
        return jax.random.randint(key, (), 0, self.n)

    def contains(self, value: Any) -> bool:
        """Whether a NumPy value is an element."""
        value = np.asarray(value)
        return value.shape == () and np.issubdtype(value.dtype, np.integer) and 0 <= int(value) < self.n


@dataclass(frozen=True)
class MultiDiscrete:
    """Several independent choices; component k is one of 0 … sizes[k] − 1."""

    sizes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one element."""
        return (len(self.sizes),)

    @property
    def width(self) -> int:
        """Number of choices of all components together."""
        return sum(self.sizes)

    def sample(self, key: Key) -> jax.Array:
        """One element, uniformly; int32."""
        return jax.random.randint(key, self.shape, 0, jnp.asarray(self.sizes))

    def contains(self, value: Any) -> bool:
        """Whether a NumPy value is an element."""
        value = np.asarray(value)
        whole = value.shape == self.shape and np.issubdtype(value.dtype, np.integer)
        return bool(whole and (value >= 0).all() and (value < np.asarray(self.sizes)).all())


@dataclass(frozen=True)
class Box:
    """Real arrays between two bounds, which are one number for all entries or a flat tuple with one for each."""

    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    shape: tuple[int, ...]

    @property
    def width(self) -> int:
        """Number of entries."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bound of every entry, float32."""
        low, high = (
            np.broadcast_to(np.asarray(b, np.float32).reshape(self.shape if isinstance(b, tuple) else ()), self.shape)
            for b in (self.low, self.high)
        )
        return low, high

    @property
    def bounded(self) -> bool:
        """Whether every entry has two bounds, and room between them."""
        low, high = self.bounds
        return bool(np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all())

    def sample(self, key: Key) -> jax.Array:
        """One element: uniform where bounded on both sides, standard normal elsewhere; float32."""
        low, high = self.bounds
        bounded = np.isfinite(low) & np.isfinite(high)
        uniform_key, normal_key = jax.random.split(key)
        unit = jax.random.uniform(uniform_key, self.shape)
        normal = jnp.clip(jax.random.normal(normal_key, self.shape), low, high)
        start = np.where(bounded, low, 0.0).astype(np.float32)
        span = np.where(bounded, high, 1.0).astype(np.float32) - start
        return jnp.where(bounded, start + unit * span, normal)

    def contains(self, value: Any) -> bool:
        """Whether a NumPy value is an element."""
        value = np.asarray(value)
        low, high = self.bounds
        return value.shape == self.shape and bool((value >= low).all() and (value <= high).all())


Space: TypeAlias = Discrete | MultiDiscrete | Box


def from_gymnasium(space: gymnasium.Space[Any]) -> Space:
    """Our description of a Gymnasium space.

    Raises:
        RequestError: If the space is of a kind without one.
    """
    match space:
        case gymnasium.spaces.Discrete(start=0):
            return Discrete(int(space.n))
        case gymnasium.spaces.MultiDiscrete():
            return MultiDiscrete(tuple(int(n) for n in space.nvec))
        case gymnasium.spaces.Box():
            low, high = (_compact(bound) for bound in (space.low, space.high))
            return Box(low, high, tuple(space.shape))
        case _:
            raise RequestError(f"space {space} is not supported; use Discrete (from 0), MultiDiscrete or Box")


def to_gymnasium(space: Space) -> gymnasium.Space[Any]:
    """The Gymnasium space of the same elements."""
    match space:
        case Discrete(n):
            return gymnasium.spaces.Discrete(n)
        case MultiDiscrete(sizes):
            return gymnasium.spaces.MultiDiscrete(list(sizes))
        case Box():
            low, high = space.bounds
            return gymnasium.spaces.Box(low, high, dtype=np.float32)


def _compact(bound: np.ndarray) -> float | tuple[float, ...]:
    values = np.asarray(bound, np.float64).ravel()
    return float(values[0]) if (values == values[0]).all() else tuple(float(v) for v in values)
