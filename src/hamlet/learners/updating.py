"""Functions of all learners with a replay buffer: store a rollout, then make a number of updates."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from hamlet.buffers import replay as ring
from hamlet.buffers.replay import Replay as Ring
from hamlet.envs.base import View
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.sampling import ReplaySampling
from hamlet.networks.torso import encode
from hamlet.roster import Roster
from hamlet.types import Info, Key

# One update: (learner, key) -> (learner, (actors' metrics, critic's metrics))
One = Callable[[Any, Key], tuple[Any, tuple[Info, Info]]]


def remembered(
    sampling: ReplaySampling, replay: Ring, trajectory: Trajectory, played: Int[Array, ""]
) -> tuple[Ring, Bool[Array, ""]]:
    """Add a rollout to the replay buffer.

    Returns:
        The buffer; and whether updates can start: the warm-up is over and the buffer holds a batch.
    """
    replay = ring.add(replay, trajectory)
    return replay, ~sampling.warm(played) & ring.ready(replay, sampling.samples)


def repeated(one: One, learner: Any, count: Int[Array, ""], key: Key) -> tuple[Any, tuple[Info, Info]]:
    """Make ``count`` updates, each with its own random key; return the learner and the sums of their metrics."""
    shapes = jax.eval_shape(one, learner, key)[1]
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def again(number: Array, at: tuple[Any, Any]) -> tuple[Any, Any]:
        learner, infos = one(at[0], jax.random.fold_in(key, number))
        return learner, jax.tree.map(jnp.add, at[1], infos)

    return jax.lax.fori_loop(0, count, again, (learner, nothing))


def seen(roster: Roster, group: int, view: View) -> tuple[Array, Array | None, Array | None]:
    """Return the encoded observations, the action masks and the masks of active agents of a group in B views.

    Arrays are stacked by unit, ``[units, K, B, …]`` with K agents per unit. A mask is None if there is none.
    """

    def by_unit(array):
        return jnp.moveaxis(roster.by_unit(group, array, 1), 2, 1)

    available = view.available[group]
    return (
        by_unit(encode(view.observation[group], roster.groups[group].observation)),
        None if available is None else by_unit(available),
        None if view.alive is None else by_unit(roster.split(view.alive)[group]),
    )


def mean(infos: Info, count: Int[Array, ""]) -> Info:
    """Divide sums by the count; zeros if the count is 0."""
    return jax.tree.map(lambda leaf: leaf / jnp.maximum(count, 1), infos)
