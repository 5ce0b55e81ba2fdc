"""Store and restore the leaves of a training state by name.

A leaf's name is its path in the tree, as `jax.tree_util.keystr` writes it: ``.actors[0].torso.weight``. A typed PRNG
key is stored as its uint32 words, and its dtype names its implementation: ``key<fry>``.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hamlet.errors import RequestError, RunError
from hamlet.nearest import closest


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """Shape and dtype of a leaf, in the program and in the file."""

    shape: tuple[int, ...]
    dtype: str
    stored_shape: tuple[int, ...]
    stored_dtype: np.dtype

    @property
    def record(self) -> dict[str, Any]:
        """The leaf's entry in a manifest."""
        return {"shape": list(self.shape), "dtype": self.dtype}


def outline(tree: Any) -> dict[str, Leaf]:
    """Return the leaves of a pytree by name.

    Raises:
        RequestError: A leaf is not an array of numbers or PRNG keys.

    >>> outline({"bias": np.zeros(3)})["['bias']"].record
    {'shape': [3], 'dtype': 'float64'}
    """
    named = _named(tree)
    leaves = {name: _leaf(name, value) for name, value in named}
    if len(leaves) < len(named):
        raise RequestError("two leaves of the training state have the same path: give its pytree nodes distinct keys")
    return leaves


def store(tree: Any) -> dict[str, np.ndarray]:
    """Return the arrays to store for a pytree, by name."""
    return {name: np.asarray(jax.random.key_data(value) if _is_key(value) else value) for name, value in _named(tree)}


def compare(sought: Mapping[str, Leaf], held: Mapping[str, Any], path: Path) -> None:
    """Raise a `RunError` that names the first leaf in which a checkpoint differs from the expected structure."""
    for name in sought:
        if name not in held:
            unused = [other for other in held if other not in sought]
            raise RunError(f"the checkpoint {path} has no leaf {name}{_nearest(name, unused)}")
    for name in held:
        if name not in sought:
            raise RunError(f"the checkpoint {path} has a leaf {name} that the training state does not have")
    for name, leaf in sought.items():
        if leaf.record != held[name]:
            there, here = (f"{record['dtype']}{record['shape']}" for record in (held[name], leaf.record))
            raise RunError(f"the leaf {name} is {there} in the checkpoint {path} and {here} in the training state")


def rebuild(like: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    """Return a pytree with the structure of ``like`` and the stored arrays.

    Each array has the type (NumPy or JAX) and the devices of the leaf in ``like``.
    """

    def place(path: tuple, value: Any) -> Any:
        array = arrays[jax.tree_util.keystr(path)]
        if isinstance(value, np.generic):
            return array[()]
        if isinstance(value, np.ndarray):
            return array
        # Copy the array: on a CPU, JAX may otherwise continue to use memory that belongs to NumPy.
        placed = jnp.array(array)
        if _is_key(value):
            placed = jax.random.wrap_key_data(placed, impl=_implementation(value))
        # An uncommitted array stays uncommitted: a committed array would cause another compilation.
        committed = value.committed if isinstance(value, jax.Array) else value.sharding is not None
        return jax.device_put(placed, value.sharding) if committed else placed

    return jax.tree_util.tree_map_with_path(place, like)


def _named(tree: Any) -> list[tuple[str, Any]]:
    return [(jax.tree_util.keystr(path), value) for path, value in jax.tree_util.tree_leaves_with_path(tree)]


def _leaf(name: str, value: Any) -> Leaf:
    if not isinstance(value, jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct):
        raise RequestError(
            f"the leaf {name} of the training state is a {type(value).__name__}, not an array: "
            "make it an array, or remove it from the state (equinox.partition)"
        )
    stored = jax.eval_shape(jax.random.key_data, value) if _is_key(value) else value
    if not (jnp.issubdtype(stored.dtype, np.number) or jnp.issubdtype(stored.dtype, np.bool_)):
        raise RequestError(f"the leaf {name} of the training state has dtype {stored.dtype}: only numbers are stored")
    return Leaf(
        shape=tuple(value.shape),
        dtype=str(value.dtype),
        stored_shape=tuple(stored.shape),
        stored_dtype=np.dtype(stored.dtype),
    )


def _is_key(value: Any) -> bool:
    return jnp.issubdtype(value.dtype, jax.dtypes.prng_key)


def _implementation(value: Any) -> Any:
    key_impls = []
    jax.eval_shape(lambda key: key_impls.append(jax.random.key_impl(key)), value)  # traced: value may be only a shape
    return key_impls[0]


def _nearest(name: str, names: Iterable[str]) -> str:
    near = closest(name, names)
    return f", which the training state has; the nearest unused leaf is {near[0]}" if near else ""
