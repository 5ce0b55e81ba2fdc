"""What a run remembers of play, on its devices: made there, and read and written some rows at a time.

It is the larger part of a run by far, so that nothing here ever holds it twice.
"""

from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hamlet.buffers.replay import Replay, Steps

# A block that is read or written at once takes about so many bytes.
_BLOCK = 8_000_000


def placed(ring: Replay | None, like: Replay | None, where: Any) -> Replay | None:
    """A ring on its devices: an empty one made there where none is given, else a copy.

    Args:
        ring: What is remembered, or None for nothing.
        like: Its shapes, or None of an algorithm that remembers nothing.
        where: For every leaf its sharding.
    """
    if like is None:
        return None
    if ring is not None:
        return jax.tree.map(lambda leaf, sharding: jax.device_put(leaf.copy(), sharding), ring, where)
    return jax.jit(lambda: jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like), out_shardings=where)()


def block(ring: Replay) -> int:
    """How many rows are read or written at once."""
    rows = ring.steps.episode.shape[0]
    row = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(ring.steps)) // rows
    return max(1, min(rows, _BLOCK // max(row, 1)))


def read(ring: Replay, first: int, count: int) -> Steps:
    """Rows from ``first`` on, at most a `block` and none beyond the last, as numpy arrays."""
    size = block(ring)
    start = min(first, ring.steps.episode.shape[0] - size)
    block_rows = _read(size)(ring.steps, np.int32(start))
    # The start is an argument and the size is not: every block of a run is read by one compiled program.
    return jax.tree.map(lambda leaf: np.asarray(leaf)[first - start : first - start + count], block_rows)


def write(ring: Replay, first: int, rows: Steps) -> Replay:
    """The ring with ``rows`` from ``first`` on, at most a `block`; the ring given is consumed."""
    size, count = block(ring), rows.episode.shape[0]
    start = min(first, ring.steps.episode.shape[0] - size)
    block_rows = jax.tree.map(np.array, _read(size)(ring.steps, np.int32(start)))
    for room, leaf in zip(jax.tree.leaves(block_rows), jax.tree.leaves(rows), strict=True):
        room[first - start : first - start + count] = leaf
    where = tuple(leaf.sharding for leaf in jax.tree.leaves(ring.steps))
    steps = _write(jax.tree.structure(ring.steps), where)(ring.steps, block_rows, np.int32(start))
    return eqx.tree_at(lambda tree: tree.steps, ring, steps)


def counted(ring: Replay, played: int) -> Replay:
    """The ring where it stands after so many rows since the run began."""
    rows = ring.steps.episode.shape[0]
    values = (np.int32(played % rows), np.int32(min(played, rows)))
    marks = [jax.device_put(new, old.sharding) for new, old in zip(values, (ring.head, ring.filled), strict=True)]
    return Replay(ring.steps, *marks)


@lru_cache
def _read(size: int) -> Any:
    return jax.jit(
        lambda steps, start: jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size), steps)
    )


@lru_cache
def _write(form: Any, where: tuple[Any, ...]) -> Any:
    def put(steps: Steps, rows: Steps, start: Any) -> Steps:
        return jax.tree.map(lambda leaf, new: jax.lax.dynamic_update_slice_in_dim(leaf, new, start, 0), steps, rows)

    return jax.jit(put, donate_argnums=0, out_shardings=jax.tree.unflatten(form, where))
