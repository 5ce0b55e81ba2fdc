"""An index of the last episodes in a ring of steps, and uniform samples of whole episodes; pure functions.

The ring is `hamlet.buffers.replay.Replay`, in which every environment copy continues from episode to episode. The index
is a table of C entries, one for each episode that ended: its first row, its environment copy and its length. A newly
ended episode replaces the oldest entry. Sampling an episode reads only the table and the episode's own steps, so its
cost does not depend on the size of the ring.

An episode longer than L steps is entered in pieces of L steps while it is played. Every environment copy therefore
makes an entry at least every L rows. With E copies, a ring of L (⌈C/E⌉ + 1) rows always contains the last C entries.
"""

from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.buffers.replay import Replay
from hamlet.envs.base import View
from hamlet.estimation.accumulation import shares
from hamlet.estimation.trajectory import Trajectory, whole
from hamlet.types import Key


class Index(eqx.Module):
    """The table of episodes. Rows are counted from the run's first row.

    Attributes:
        first: The row in which an episode, or a piece of one, started, int32 ``[C]``.
        copy: The environment copy that played it, int32 ``[C]``.
        length: Its number of steps, from 1 to L, int32 ``[C]``.
        count: Number of entries made so far, int32.
        rows: Number of rows added so far, int32.
        since: The row in which every copy's unfinished episode started, int32 ``[E]``.
    """

    first: Int[Array, " C"]
    copy: Int[Array, " C"]
    length: Int[Array, " C"]
    count: Int[Array, ""]
    rows: Int[Array, ""]
    since: Int[Array, " E"]


class Windows(eqx.Module):
    """B episodes, time first. After its last step, an episode is padded with arbitrary steps of the ring.

    Attributes:
        view: The observations before every step, and the final observation after the last, leaves ``[L + 1, B, …]``.
        action: For every group ``[L, B, N, …]``.
        reward: The reward that each agent learns from, ``[L, B, n]``.
        terminated: True where the episode terminated at this step, ``[L, B]``.
        present: True where the step belongs to the episode, False where it is padding, ``[L, B]``.
        last: True at the episode's last step, ``[L, B]``.
        at_once: How many episodes networks process at the same time; 0 for all.
        weight: The weight of each step of a part in a mean over all steps, ``[L, B]``.
        streams: All other streams, by name, ``[L, B, n]`` or ``[L, B, 1]``.
    """

    view: View
    action: tuple[Any, ...]
    reward: Float[Array, "L B n"]
    terminated: Bool[Array, "L B"]
    present: Bool[Array, "L B"]
    last: Bool[Array, "L B"]
    at_once: int = eqx.field(static=True, default=0)
    weight: Float[Array, "L B"] | None = None
    streams: dict[str, Float[Array, "L B _k"]] = eqx.field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return B."""
        return self.present.shape[1]

    def take(self, index: Int[Array, " P"]) -> "Windows":
        """Return the episodes with the given indices."""
        return jax.tree.map(lambda leaf: leaf[:, index], self)

    def weighed(self) -> "Windows":
        """Return the same episodes with each step's weight in a mean over all steps."""
        return replace(self, at_once=0, weight=shares(self.present.shape, self.present))


def init(capacity: int, copies: int) -> Index:
    """Return an empty table for ``capacity`` episodes."""

    # Separate arrays are necessary: a run's state is donated leaf by leaf, and no buffer may be donated twice.
    def zeros(*shape):
        return jnp.zeros(shape, jnp.int32)

    return Index(zeros(capacity), zeros(capacity), zeros(capacity), zeros(), zeros(), zeros(copies))


def add(index: Index, trajectory: Trajectory, longest: int) -> Index:
    """Return the table with the episodes, and the pieces of ``longest`` steps, that ended within a rollout."""
    start, ended = (whole(flag)[0] for flag in (trajectory.start, trajectory.terminated | trajectory.truncated))
    steps, copies = start.shape
    row = index.rows + jnp.arange(steps, dtype=jnp.int32)[:, None]
    since = jnp.maximum(jax.lax.cummax(jnp.where(start, row, -1), axis=0), index.since[None])
    age = row - since
    over = (ended | ((age + 1) % longest == 0)).reshape(-1)
    number = index.count + jnp.cumsum(over, dtype=jnp.int32) - 1
    count, capacity = index.count + over.sum(dtype=jnp.int32), index.first.shape[0]
    # If there are more new entries than places, only the last ones are written, so that no place is written twice.
    place = jnp.where(over & (number >= count - capacity), number % capacity, capacity)
    into = age % longest
    copy = jnp.broadcast_to(jnp.arange(copies, dtype=jnp.int32)[None], age.shape)
    first, copy, length = (
        room.at[place].set(new.reshape(-1), mode="drop")
        for room, new in ((index.first, row - into), (index.copy, copy), (index.length, into + 1))
    )
    return Index(first, copy, length, count, index.rows + steps, since[-1])


def sample(index: Index, ring: Replay, samples: int, key: Key, *, longest: int) -> Windows:
    """Sample episodes uniformly, with replacement, from all entries of the table, which must not be empty."""
    held = jnp.minimum(index.count, index.first.shape[0])
    return windows(index, ring, jax.random.randint(key, (samples,), 0, held), longest=longest)


def windows(index: Index, ring: Replay, entry: Int[Array, " B"], *, longest: int) -> Windows:
    """Return the episodes of the given entries."""
    first, copy, length = index.first[entry], index.copy[entry], index.length[entry]
    rows, time = ring.steps.episode.shape[0], jnp.arange(longest + 1, dtype=jnp.int32)[:, None]
    row = (first[None] + time) % rows

    def seen(view: Array, arrival: Array) -> Array:
        final = arrival[(first + length - 1) % rows, copy]
        there = (time == length[None]).reshape(*row.shape, *(1,) * (final.ndim - 1))
        return jnp.where(there, final[None], view[row, copy[None]])

    def steps(leaf):
        return leaf[row[:-1], copy[None]]

    # If a copy started another episode before the previous one had ended, the previous one has no entry. The table then
    # has fewer entries, and its oldest entries may refer to rows that the ring has overwritten.
    standing = first >= index.rows - ring.filled
    return Windows(
        jax.tree.map(seen, ring.steps.view, ring.steps.arrival),
        tuple(steps(action) for action in ring.steps.action),
        steps(ring.steps.reward),
        steps(ring.steps.terminated),
        (time[:-1] < length[None]) & standing[None],
        time[:-1] == length[None] - 1,
        streams=jax.tree.map(steps, ring.steps.streams),
    )
