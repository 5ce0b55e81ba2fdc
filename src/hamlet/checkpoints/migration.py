"""Convert the leaves of checkpoints of an older Hamlet to the current names and quantities.

An older critic stored its running mean and standard deviation as m₁ = Σ w E[x], m₂ = Σ w E[x²] and W = Σ w. Here x is
the normalised quantity, w the weight of a batch, and E the mean over the batch. The running mean and standard deviation
of observations and rewards had other names. Both are now `hamlet.networks.running.RunningMeanStd`.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hamlet.checkpoints.pytree_io import Leaf

# The largest number of entries of a running mean. A manifest with more is wrong, and no memory is allocated for it.
_LARGEST = 100_000_000


def _from_sums(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> dict[str, np.ndarray]:
    """Return the mean m₁/W and the variance m₂/W − mean², within the single precision of the stored sums."""
    known = np.where(weight > 0, weight, 1.0).astype(np.float64)
    mean = first / known
    variance = np.where(weight > 0, np.maximum(second / known - mean**2, 0.0), 0.0)
    entries = _entries(mean, variance)
    return {**{name: value[..., None] for name, value in entries.items()}, "weight": weight}


def _from_counts(mean: np.ndarray, rest: np.ndarray, variance: np.ndarray, count: np.ndarray) -> dict[str, np.ndarray]:
    return {**_entries(mean.astype(np.float64) + rest, variance.astype(np.float64)), "weight": count}


def _entries(mean: np.ndarray, variance: np.ndarray) -> dict[str, np.ndarray]:
    """Split numbers of double precision into single-precision numbers and the remainders of the rounding."""
    parts = {}
    for name, value in (("mean", mean), ("variance", variance)):
        parts[name] = value.astype(np.float32)
        parts[f"{name}_rest"] = (value - parts[name]).astype(np.float32)
    return parts


# The old leaf names of a part, and the function that converts its leaves.
_FORMER: tuple[tuple[tuple[str, ...], Callable[..., dict[str, np.ndarray]]], ...] = (
    (("first", "second", "weight"), _from_sums),
    (("mean", "rest", "variance", "count"), _from_counts),
)


def former(held: Mapping[str, Any]) -> dict[str, Leaf]:
    """Return the leaves of a checkpoint that must be converted, from its manifest's records."""
    small = {name: record for name, record in held.items() if math.prod(record["shape"]) <= _LARGEST}
    names = [name for path, parts, _ in _parts(small) for name in (f"{path}.{part}" for part in parts)]
    shapes = {name: tuple(held[name]["shape"]) for name in names}
    return {
        name: Leaf(shape=shape, dtype="float32", stored_shape=shape, stored_dtype=np.dtype(np.float32))
        for name, shape in shapes.items()
    }


def records(held: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest's records in the current form."""
    old = former(held)
    new_arrays = renewed({name: np.zeros(leaf.shape, np.float32) for name, leaf in old.items()})
    rest = {name: record for name, record in held.items() if name not in old}
    return rest | {name: {"shape": list(array.shape), "dtype": str(array.dtype)} for name, array in new_arrays.items()}


def renewed(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays in the current form; arrays that need no conversion are unchanged."""
    new_arrays = dict(arrays)
    for path, parts, convert in _parts(arrays):
        old = [new_arrays.pop(f"{path}.{part}") for part in parts]
        new_arrays |= {f"{path}.{name}": np.asarray(value, np.float32) for name, value in convert(*old).items()}
    return new_arrays


def _parts(names: Mapping[str, Any]) -> list[tuple[str, tuple[str, ...], Callable[..., dict[str, np.ndarray]]]]:
    """Return the parts to convert: for each its path, the names of its leaves, and the function that converts them."""
    return [
        (path, parts, convert)
        for parts, convert in _FORMER
        for path in (name.removesuffix(f".{parts[1]}") for name in names if name.endswith(f".{parts[1]}"))
        if all(f"{path}.{part}" in names for part in parts)
    ]
