"""Spaces of observations and actions: frozen, hashable descriptions of one agent's arrays.

``from_gymnasium`` and ``to_gymnasium`` convert between these spaces and the Gymnasium spaces of PettingZoo
environments. The spaces contain Python numbers only, so that an environment can be a static argument of a compiled
function.
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
        """Return the shape of one element."""
        return ()

    @property
    def width(self) -> int:
        """Return the number of discrete actions or values, n."""
        return self.n

    def sample(self, key: Key) -> jax.Array:
        """Sample one element uniformly; int32."""
        return jax.random.randint(key, (), 0, self.n)

    def contains(self, value: Any) -> bool:
        """Return whether a NumPy value is an element."""
        value = np.asarray(value)
        return value.shape == () and np.issubdtype(value.dtype, np.integer) and 0 <= int(value) < self.n


@dataclass(frozen=True)
class MultiDiscrete:
    """Several independent discrete components; component k is one of 0 … sizes[k] − 1."""

    sizes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one element."""
        return (len(self.sizes),)

    @property
    def width(self) -> int:
        """Return the sum of the components' sizes."""
        return sum(self.sizes)

    def sample(self, key: Key) -> jax.Array:
        """Sample one element uniformly; int32."""
        return jax.random.randint(key, self.shape, 0, jnp.asarray(self.sizes))

    def contains(self, value: Any) -> bool:
        """Return whether a NumPy value is an element."""
        value = np.asarray(value)
        integers = value.shape == self.shape and np.issubdtype(value.dtype, np.integer)
        return bool(integers and (value >= 0).all() and (value < np.asarray(self.sizes)).all())


@dataclass(frozen=True)
class Box:
    """Real arrays between two bounds.

    Each bound is one number for all entries, or a flat tuple with one number per entry.
    """

    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    shape: tuple[int, ...]

    @property
    def width(self) -> int:
        """Return the number of entries."""
        return int(np.prod(self.shape, dtype=int))

    @property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper bound of every entry, float32."""
        low, high = (
            np.broadcast_to(np.asarray(b, np.float32).reshape(self.shape if isinstance(b, tuple) else ()), self.shape)
            for b in (self.low, self.high)
        )
        return low, high

    @property
    def bounded(self) -> bool:
        """Return whether every entry has two finite bounds with low < high."""
        low, high = self.bounds
        return bool(np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all())

    def sample(self, key: Key) -> jax.Array:
        """Sample one element; float32.

        Entries with two bounds are uniform. All other entries are standard normal, clipped to the bound that exists.
        """
        low, high = self.bounds
        bounded = np.isfinite(low) & np.isfinite(high)
        uniform_key, normal_key = jax.random.split(key)
        unit = jax.random.uniform(uniform_key, self.shape)
        normal = jnp.clip(jax.random.normal(normal_key, self.shape), low, high)
        start = np.where(bounded, low, 0.0).astype(np.float32)
        span = np.where(bounded, high, 1.0).astype(np.float32) - start
        return jnp.where(bounded, start + unit * span, normal)

    def contains(self, value: Any) -> bool:
        """Return whether a NumPy value is an element."""
        value = np.asarray(value)
        low, high = self.bounds
        return value.shape == self.shape and bool((value >= low).all() and (value <= high).all())


@dataclass(frozen=True)
class Composite:
    """Several spaces as one row of numbers: discrete parts one-hot, arrays flat, in the order of the parts.

    An observation space may be a composite; networks process every image in it separately.
    """

    parts: tuple[Discrete | MultiDiscrete | Box, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the shape of one element."""
        return (self.width,)

    @property
    def width(self) -> int:
        """Return the number of entries."""
        return sum(part.width for part in self.parts)

    def cuts(self) -> tuple[tuple[int, int, Discrete | MultiDiscrete | Box], ...]:
        """Return every part with the indices in the row where it starts and where it stops (exclusive)."""
        ends = np.cumsum([part.width for part in self.parts]).tolist()
        return tuple(zip([0, *ends[:-1]], ends, self.parts, strict=True))

    def sample(self, key: Key) -> jax.Array:
        """Sample one element, every part independently; float32."""
        keys = jax.random.split(key, len(self.parts))
        return jnp.concatenate([flat(part, part.sample(k)) for part, k in zip(self.parts, keys, strict=True)], axis=-1)

    def contains(self, value: Any) -> bool:
        """Return whether a NumPy value is an element."""
        value = np.asarray(value)
        return value.shape == self.shape and all(
            part.contains(value[low:high].reshape(part.shape))
            if isinstance(part, Box)
            else bool(np.isin(value[low:high], (0, 1)).all())
            for low, high, part in self.cuts()
        )


Space: TypeAlias = Discrete | MultiDiscrete | Box | Composite


def flat(space: Space, value: jax.Array) -> jax.Array:
    """Return elements ``[…, *shape]`` as rows of float32 ``[…, W]``: one-hot vectors concatenated, arrays flattened."""
    match space:
        case Discrete(n):
            return jax.nn.one_hot(value, n)
        case MultiDiscrete(sizes):
            return jnp.concatenate([jax.nn.one_hot(value[..., k], n) for k, n in enumerate(sizes)], axis=-1)
        case _:
            return value.reshape(*value.shape[: value.ndim - len(space.shape)], -1).astype(jnp.float32)


def pictures(space: Space) -> tuple[Box, ...]:
    """Return the images in a space: a Box of height × width × channels is one, and a composite may contain several."""
    parts = space.parts if isinstance(space, Composite) else (space,)
    return tuple(part for part in parts if isinstance(part, Box) and len(part.shape) == 3)


def from_gymnasium(space: gymnasium.Space[Any]) -> Space:
    """Convert a Gymnasium space to Hamlet's description.

    Raises:
        RequestError: If Hamlet does not support this kind of space.
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
    """Return the Gymnasium space with the same elements."""
    match space:
        case Discrete(n):
            return gymnasium.spaces.Discrete(n)
        case MultiDiscrete(sizes):
            return gymnasium.spaces.MultiDiscrete(list(sizes))
        case Box():
            low, high = space.bounds
            return gymnasium.spaces.Box(low, high, dtype=np.float32)
        case Composite(parts):
            return gymnasium.spaces.Tuple([to_gymnasium(part) for part in parts])


def _compact(bound: np.ndarray) -> float | tuple[float, ...]:
    values = np.asarray(bound, np.float64).ravel()
    return float(values[0]) if (values == values[0]).all() else tuple(float(v) for v in values)
