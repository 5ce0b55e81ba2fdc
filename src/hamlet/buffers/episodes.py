"""Where the last episodes lie in a ring of steps, and uniform samples of whole ones; pure functions.

The ring is that of `hamlet.buffers.replay`, copies playing on from episode to episode. Beside it stands a table of C
entries, one for each episode that ended: the row in which it began, its copy and its length. An ended episode takes the
place of the oldest entry; drawing one reads nothing but the table and its own steps, whatever the ring holds.

An episode longer than L is entered in pieces of L steps as it goes. So every copy makes an entry at least every L rows,
and a ring of L (⌈C/E⌉ + 1) rows always holds what the last C entries speak of.
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
    """The table. Rows are counted from the run's first.

    Attributes:
        first: The row in which an episode, or a piece of one, began, int32 ``[C]``.
        copy: Which copy played it, int32 ``[C]``.
        length: Its steps, from 1 to L, int32 ``[C]``.
        count: Entries ever made, int32.
        rows: Rows ever added, int32.
        since: The row in which every copy's episode under way began, int32 ``[E]``.
    """

    first: Int[Array, " C"]
    copy: Int[Array, " C"]
    length: Int[Array, " C"]
    count: Int[Array, ""]
    rows: Int[Array, ""]
    since: Int[Array, " E"]


class Windows(eqx.Module):
    """B episodes, time first; beyond its end an episode is padded with whatever lies there.

    Attributes:
        view: What was seen before every step, and arrived at after the last, leaves ``[L + 1, B, …]``.
        action: For every group ``[L, B, N, …]``.
        reward: What each agent learns from, ``[L, B, n]``.
        terminated: The episode ended for good at this step, ``[L, B]``.
        present: The step is the episode's, and no padding, ``[L, B]``.
        last: It is the last that is, ``[L, B]``.
        at_once: How many episodes networks look at at once; 0 for all.
        weight: What each step of a part counts in a mean over all, ``[L, B]``.
        streams: What else was paid, by name, ``[L, B, n]`` or ``[L, B, 1]``.
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
        """B."""
        return self.present.shape[1]

    def take(self, index: Int[Array, " P"]) -> "Windows":
        """Some of the episodes."""
        return jax.tree.map(lambda leaf: leaf[:, index], self)

    def weighed(self) -> "Windows":
        """The same with each step's share of all."""
        return replace(self, at_once=0, weight=shares(self.present.shape, self.present))


def init(capacity: int, copies: int) -> Index:
    """An empty table."""

    # Each an array of its own: a run's state is donated leaf by leaf.
    def zeros(*shape):
        return jnp.zeros(shape, jnp.int32)

    return Index(zeros(capacity), zeros(capacity), zeros(capacity), zeros(), zeros(), zeros(copies))


def add(index: Index, trajectory: Trajectory, longest: int) -> Index:
    """The table with the episodes, and pieces of ``longest`` steps, that ended within a rollout."""
    start, ended = (whole(flag)[0] for flag in (trajectory.start, trajectory.terminated | trajectory.truncated))
    steps, copies = start.shape
    row = index.rows + jnp.arange(steps, dtype=jnp.int32)[:, None]
    since = jnp.maximum(jax.lax.cummax(jnp.where(start, row, -1), axis=0), index.since[None])
    age = row - since
    over = (ended | ((age + 1) % longest == 0)).reshape(-1)
    number = index.count + jnp.cumsum(over, dtype=jnp.int32) - 1
    count, capacity = index.count + over.sum(dtype=jnp.int32), index.first.shape[0]
    # Of more entries than there is room for, the last: no place is written twice.
    place = jnp.where(over & (number >= count - capacity), number % capacity, capacity)
    into = age % longest
    copy = jnp.broadcast_to(jnp.arange(copies, dtype=jnp.int32)[None], age.shape)
    first, copy, length = (
        room.at[place].set(new.reshape(-1), mode="drop")
        for room, new in ((index.first, row - into), (index.copy, copy), (index.length, into + 1))
    )
    return Index(first, copy, length, count, index.rows + steps, since[-1])


def sample(index: Index, ring: Replay, samples: int, key: Key, *, longest: int) -> Windows:
    """Episodes drawn evenly and with replacement from all that the table has; it must have some."""
    held = jnp.minimum(index.count, index.first.shape[0])
    return windows(index, ring, jax.random.randint(key, (samples,), 0, held), longest=longest)


def windows(index: Index, ring: Replay, entry: Int[Array, " B"], *, longest: int) -> Windows:
    """The episodes of some entries."""
    first, copy, length = index.first[entry], index.copy[entry], index.length[entry]
    rows, time = ring.steps.episode.shape[0], jnp.arange(longest + 1, dtype=jnp.int32)[:, None]
    row = (first[None] + time) % rows

    def seen(view: Array, arrival: Array) -> Array:
        final = arrival[(first + length - 1) % rows, copy]
        there = (time == length[None]).reshape(*row.shape, *(1,) * (final.ndim - 1))
        return jnp.where(there, final[None], view[row, copy[None]])

    def steps(leaf):
        return leaf[row[:-1], copy[None]]

    # Where copies began another episode before theirs had ended, which is then not entered, entries are fewer, and the
    # oldest may be gone from the ring.
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
