"""A ring buffer of environment steps, and uniform samples from it with n-step returns; pure functions.

Every leaf of the ring is ``[R, E, …]``: R steps of E environment copies. It is allocated once, and the newest steps
overwrite the oldest. The next observation is stored with every step, so the end of an episode needs no special case.
Sampling reads only the sampled steps: its cost depends on their number, not on the size of the ring. (The reference
code permutes all of its indices for every sample: 16 to 26 ms at a million steps.)
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
    """Consecutive steps of all environment copies, leaves ``[R, E, …]``; or steps sampled from them, ``[B, …]``.

    Attributes:
        view: The observations before the step.
        action: For every group ``[R, E, N, …]``.
        reward: The reward that each agent learns from, ``[R, E, n]``.
        terminated: True where the episode terminated at this step.
        episode: The number of the copy's episode, int32. An n-step window ends where this number changes.
        arrival: The next observations, before any reset.
        streams: All other streams, by name, ``[R, E, n]`` or ``[R, E, 1]``.
    """

    view: View
    action: tuple[Any, ...]
    reward: Any
    terminated: Any
    episode: Any
    arrival: View
    streams: dict[str, Any] = eqx.field(default_factory=dict)


class Replay(eqx.Module):
    """The ring buffer.

    Attributes:
        steps: Its contents.
        head: The row that is written next, int32.
        filled: How many rows have been filled, int32.
    """

    steps: Steps
    head: Int[Array, ""]
    filled: Int[Array, ""]


class Sample(eqx.Module):
    """B n-step windows, each of m ≤ n consecutive steps from a time t.

    Attributes:
        view: The observations before the first step, leaves ``[B, …]``.
        action: The actions of the first step, for every group ``[B, N, …]``.
        reward: Σ_{k<m} γᵏ rₜ₊ₖ for each agent's own reward r and the discount γ, ``[B, n]``.
        discount: γᵐ, or 0 if the window ends with a terminated step, ``[B]``.
        arrival: The next observations after the last step, leaves ``[B, …]``.
        streams: The same sum for all other streams, by name, ``[B, n]`` or ``[B, 1]``.
    """

    view: View
    action: tuple[Any, ...]
    reward: Float[Array, "B n"]
    discount: Float[Array, " B"]
    arrival: View
    streams: dict[str, Float[Array, "B _k"]] = eqx.field(default_factory=dict)


def steps_of(trajectory: Trajectory, before: Int[Array, " E"] | int = 0) -> Steps:
    """Return a rollout as rows; ``before`` is the number of the episode that every copy was in.

    Episodes are counted at their starts, not at their ends. The reason: if a resumed run cannot restore its games, its
    copies start new episodes although the previous ones never ended.
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
    """Return an empty ring of ``rows`` rows for rollouts shaped like ``like``; their length must divide ``rows``."""
    shapes = jax.eval_shape(steps_of, like)
    assert rows % shapes.episode.shape[0] == 0, "the number of rows must be a multiple of a rollout's length"
    empty = jax.tree.map(lambda leaf: jnp.zeros((rows, *leaf.shape[1:]), leaf.dtype), shapes)
    return Replay(empty, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def size_in_bytes(like: Any, rows: int) -> int:
    """Return the memory that a ring needs, in bytes."""
    return sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(jax.eval_shape(lambda: init(like, rows))))


def add(replay: Replay, trajectory: Trajectory) -> Replay:
    """Return the ring with a rollout written over its oldest rows."""
    rows = replay.steps.episode.shape[0]
    # In an empty ring this number is 0.
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
    """Return whether the ring contains at least ``samples`` steps."""
    return replay.filled * replay.steps.episode.shape[1] >= samples


def sample(replay: Replay, samples: int, key: Key, *, discount: float, window: int) -> Sample:
    """Sample windows of at most ``window`` steps; their first steps are uniform, with replacement, over the whole ring.

    A window ends early at the end of its episode, where the copy started another episode, and at the newest step.
    """
    age_key, copy_key = jax.random.split(key)
    age = jax.random.randint(age_key, (samples,), 0, replay.filled)
    copy = jax.random.randint(copy_key, (samples,), 0, replay.steps.episode.shape[1])
    return windows(replay, age, copy, discount=discount, window=window)


def windows(replay: Replay, age: Int[Array, " B"], copy: Int[Array, " B"], *, discount: float, window: int) -> Sample:
    """Return the windows that start at given steps; ``age`` counts rows from the oldest."""
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
