"""A ring of what was played, and uniform samples of it with returns of n steps; pure functions.

Every leaf of the ring is ``[R, E, …]``: R steps of E copies, allocated once, the oldest overwritten by the newest. What
was arrived at is kept beside what was seen, so that the end of an episode needs no special case. Drawing a sample
reads nothing but the steps drawn: its cost depends on their number alone, whatever the ring holds. (The reference code
permutes all of its indices for every sample: 16 to 26 ms at a million steps.)
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.envs.base import View
from hamlet.estimation.trajectory import Trajectory, whole
from hamlet.types import Key


class Steps(eqx.Module):
    """Some steps of all copies, leaves ``[R, E, …]``; or some steps drawn from them, ``[B, …]``.

    Attributes:
        view: What was seen before.
        action: For every group ``[R, E, N, …]``.
        reward: What each agent learns from, ``[R, E, n]``.
        terminated: The episode ended for good.
        episode: The number of the copy's episode, int32: a window goes on only while it stays the same.
        arrival: What was arrived at, before any restart.
        streams: What else was paid, by name, ``[R, E, n]`` or ``[R, E, 1]``.
    """

    view: View
    action: tuple[Any, ...]
    reward: Any
    terminated: Any
    episode: Any
    arrival: View
    streams: dict[str, Any] = eqx.field(default_factory=dict)


class Replay(eqx.Module):
    """The ring.

    Attributes:
        steps: What it holds.
        head: The row that is written next, int32.
        filled: How many rows hold something, int32.
    """

    steps: Steps
    head: Int[Array, ""]
    filled: Int[Array, ""]


class Sample(eqx.Module):
    """B windows of steps.

    Attributes:
        view: Seen before the first step, leaves ``[B, …]``.
        action: Of the first step, for every group ``[B, N, …]``.
        reward: Σ_{k<m} γᵏ rₜ₊ₖ, each agent's own, ``[B, n]``.
        discount: γᵐ, or 0 where the window ends in a terminated step, ``[B]``.
        arrival: Arrived at after the last step, leaves ``[B, …]``.
        streams: The same sum of what else was paid, by name, ``[B, n]`` or ``[B, 1]``.
    """

    view: View
    action: tuple[Any, ...]
    reward: Float[Array, "B n"]
    discount: Float[Array, " B"]
    arrival: View
    streams: dict[str, Float[Array, "B _k"]] = eqx.field(default_factory=dict)


def steps_of(trajectory: Trajectory, before: Int[Array, " E"] | int = 0) -> Steps:
    """A rollout as rows; ``before`` is the number of the episode that every copy was in.

    Episodes are counted where they begin, not where they end: where a run is resumed whose games cannot be put back,
    copies begin new ones although those before never ended.
    """

    def rows(tree):
        return jax.tree.map(lambda leaf: whole(leaf)[0], tree)

    begun = jnp.cumsum(rows(trajectory.start), axis=0, dtype=jnp.int32)
    return Steps(
        rows(trajectory.view),
        rows(trajectory.action),
        rows(trajectory.reward),
        rows(trajectory.terminated),
        begun + jnp.reshape(before, (1, -1)),
        rows(trajectory.arrival),
        rows(trajectory.streams),
    )


def init(like: Any, rows: int) -> Replay:
    """An empty ring of so many rows, for rollouts of the shapes of ``like``; its length must divide them."""
    shapes = jax.eval_shape(steps_of, like)
    assert rows % shapes.episode.shape[0] == 0, "a ring holds whole rollouts"
    empty = jax.tree.map(lambda leaf: jnp.zeros((rows, *leaf.shape[1:]), leaf.dtype), shapes)
    return Replay(empty, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def size_in_bytes(like: Any, rows: int) -> int:
    """What a ring takes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(lambda: init(like, rows))))


def add(replay: Replay, trajectory: Trajectory) -> Replay:
    """The ring with a rollout over its oldest rows."""
    rows = replay.steps.episode.shape[0]
    # Of an empty ring that is 0.
    new = steps_of(trajectory, replay.steps.episode[(replay.head - 1) % rows])

    def put(ring, rows):
        return jax.lax.dynamic_update_slice_in_dim(ring, rows, replay.head, 0)

    length = new.episode.shape[0]
    return Replay(
        jax.tree.map(put, replay.steps, new),
        (replay.head + length) % rows,
        jnp.minimum(replay.filled + length, rows),
    )


def ready(replay: Replay, samples: int) -> Bool[Array, ""]:
    """Whether it holds as many steps as are to be drawn."""
    return replay.filled * replay.steps.episode.shape[1] >= samples


def sample(replay: Replay, samples: int, key: Key, *, discount: float, window: int) -> Sample:
    """Windows of at most ``window`` steps, their first drawn evenly and with replacement from all that is held.

    A window ends early where its episode does, or where the copy began another, and at the newest step.
    """
    age_key, copy_key = jax.random.split(key)
    age = jax.random.randint(age_key, (samples,), 0, replay.filled)
    copy = jax.random.randint(copy_key, (samples,), 0, replay.steps.episode.shape[1])
    return windows(replay, age, copy, discount=discount, window=window)


def windows(replay: Replay, age: Int[Array, " B"], copy: Int[Array, " B"], *, discount: float, window: int) -> Sample:
    """The windows that begin at given steps: ``age`` counts rows from the oldest."""
    rows = replay.steps.episode.shape[0]
    first = replay.head - replay.filled + age

    def at(leaf, k):
        return leaf[(first + k) % rows, copy]

    paid = (replay.steps.reward, replay.steps.streams)
    total = jax.tree.map(lambda leaf: jnp.zeros((age.shape[0], leaf.shape[-1])), paid)
    weight, last = jnp.ones(age.shape), 0 * age
    going = jnp.ones(age.shape, bool)
    for k in range(window):
        share = jnp.where(going, weight, 0.0)[:, None]
        total = jax.tree.map(lambda before, leaf, k=k, share=share: before + share * at(leaf, k), total, paid)
        weight, last = jnp.where(going, weight * discount, weight), jnp.where(going, k, last)
        on = at(replay.steps.episode, k + 1) == at(replay.steps.episode, 0)
        going = going & on & (age + k + 1 < replay.filled)
    (reward, streams), end = total, (first + last) % rows
    return Sample(
        jax.tree.map(lambda leaf: at(leaf, 0), replay.steps.view),
        tuple(at(leaf, 0) for leaf in replay.steps.action),
        reward,
        jnp.where(replay.steps.terminated[end, copy], 0.0, weight),
        jax.tree.map(lambda leaf: leaf[end, copy], replay.steps.arrival),
        streams,
    )
