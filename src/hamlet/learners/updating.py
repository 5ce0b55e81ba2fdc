"""What every learner of replayed steps does between two rollouts: remember the last one, then update so many times."""

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

# (learner, key) -> (learner, actors' infos, critic's infos)
One = Callable[[Any, Key], tuple[Any, tuple[Info, Info]]]


def remembered(
    sampling: ReplaySampling, replay: Ring, trajectory: Trajectory, played: Int[Array, ""]
) -> tuple[Ring, Bool[Array, ""]]:
    """The ring with a rollout in it, and whether it is time to learn after so many rollouts before."""
    replay = ring.add(replay, trajectory)
    return replay, ~sampling.warm(played) & ring.ready(replay, sampling.samples)


def repeated(one: One, learner: Any, count: Int[Array, ""], key: Key) -> tuple[Any, tuple[Info, Info]]:
    """``count`` updates, each by a key of its own, and the sums of their infos."""
    shapes = jax.eval_shape(one, learner, key)[1]
    nothing = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)

    def again(number: Array, at: tuple[Any, Any]) -> tuple[Any, Any]:
        learner, infos = one(at[0], jax.random.fold_in(key, number))
        return learner, jax.tree.map(jnp.add, at[1], infos)

    return jax.lax.fori_loop(0, count, again, (learner, nothing))


def seen(roster: Roster, group: int, view: View) -> tuple[Array, Array | None, Array | None]:
    """What a group's units see in B views, as networks take it; which choices they have; who of them is alive.

    Stacked by unit: ``[units, K, B, …]``.
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
    """Sums as means; zeros where nothing was summed."""
    return jax.tree.map(lambda leaf: leaf / jnp.maximum(count, 1), infos)
