"""The replay buffer on a run's devices: it is created there, and read and written in blocks of rows.

The replay buffer is by far the largest part of a run's state, so this module never holds it twice in memory.
"""

from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hamlet.buffers.replay import Replay, Steps

# Approximate size in bytes of a block that is read or written at once.
_BLOCK = 8_000_000


def placed(ring: Replay | None, like: Replay | None, where: Any) -> Replay | None:
    """Return a copy of the replay buffer on its devices; if none is given, create an empty one there.

    Args:
        ring: The replay buffer, or None for an empty one.
        like: The shapes of the replay buffer, or None for an algorithm without one.
        where: The sharding of every leaf.
    """
    if like is None:
        return None
    if ring is not None:
        return jax.tree.map(lambda leaf, sharding: jax.device_put(leaf.copy(), sharding), ring, where)
    return jax.jit(lambda: jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like), out_shardings=where)()


def block(ring: Replay) -> int:
    """Return the number of rows that are read or written at once."""
    rows = ring.steps.episode.shape[0]
    row = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(ring.steps)) // rows
    return max(1, min(rows, _BLOCK // max(row, 1)))


def read(ring: Replay, first: int, count: int) -> Steps:
    """Return ``count`` rows from row ``first`` as NumPy arrays: at most a `block`, and not beyond the last row."""
    size = block(ring)
    start = min(first, ring.steps.episode.shape[0] - size)
    block_rows = _read(size)(ring.steps, np.int32(start))
    # The start is an argument and the size is a constant, so one compiled program reads all blocks of a run.
    return jax.tree.map(lambda leaf: np.asarray(leaf)[first - start : first - start + count], block_rows)


def write(ring: Replay, first: int, rows: Steps) -> Replay:
    """Return the replay buffer with ``rows`` written from row ``first``: at most a `block`. The input is consumed."""
    size, count = block(ring), rows.episode.shape[0]
    start = min(first, ring.steps.episode.shape[0] - size)
    block_rows = jax.tree.map(np.array, _read(size)(ring.steps, np.int32(start)))
    for room, leaf in zip(jax.tree.leaves(block_rows), jax.tree.leaves(rows), strict=True):
        room[first - start : first - start + count] = leaf
    where = tuple(leaf.sharding for leaf in jax.tree.leaves(ring.steps))
    steps = _write(jax.tree.structure(ring.steps), where)(ring.steps, block_rows, np.int32(start))
    return eqx.tree_at(lambda tree: tree.steps, ring, steps)


def counted(ring: Replay, played: int) -> Replay:
    """Return the replay buffer with its position and fill level set for ``played`` rows since the start of the run."""
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
