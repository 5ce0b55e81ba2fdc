"""The whole state of a run, and the update of an iteration, for every environment backend."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet import learners
from hamlet.buffers.replay import Replay
from hamlet.envs.base import AnyDeclaration
from hamlet.errors import require
from hamlet.estimation.trajectory import Trajectory
from hamlet.learners import Algorithm
from hamlet.rollouts.rollout import Episodes
from hamlet.rollouts.seats import Seating
from hamlet.roster import Roster
from hamlet.streams import declared_streams
from hamlet.types import Info, Key, Scalar


class Training(eqx.Module):
    """The whole state of a run, as a checkpoint stores it.

    Attributes:
        learner: Networks, optimisers and all other learned quantities.
        play: The state of the environment copies: a `rollout.Play`, or a `host_rollout.HostPlay`.
        iteration: Number of completed iterations.
        key: The run's random key. It never changes: each iteration derives its own key from it and its number.
        replay: The replay buffer, or None. It is stored beside a checkpoint, not in it (`checkpoints.replay_files`).
    """

    learner: Any
    play: Any
    iteration: Int[Array, ""]
    key: Key
    replay: Replay | None = None


def with_replay(training: Any, replay: Any) -> Any:
    """Return the state with another replay buffer; None removes it."""
    # Not dataclasses.replace: the tree may contain shapes or shardings where a state has arrays.
    return eqx.tree_at(lambda tree: tree.replay, training, replay, is_leaf=lambda leaf: leaf is None)


def roster_of(algorithm: Algorithm, env: AnyDeclaration) -> Roster:
    """Return the environment's agents with the algorithm's parameter sharing, and the streams beside the reward."""
    return Roster(env.groups, algorithm.sharing, getattr(env, "state_space", None), declared_streams(env))


def check_seating(seating: Seating | None, algorithm: Algorithm) -> None:
    """Check that an algorithm can train with a seat table.

    Raises:
        RequestError: The algorithm uses a replay buffer, which does not store seats; or the table is for another number
            of copies.
    """
    if seating is None:
        return
    require(
        not algorithm.sampling.replays,
        "seats need an on-policy algorithm, and this algorithm uses a replay buffer; the nearest is happo",
    )
    rows, copies = seating.table.player.shape[0], algorithm.sampling.copies
    require(
        rows in (1, copies),
        f"the seat table has {rows} rows for {copies} copies: give one row for each copy, or one row for all copies",
    )


def keys(training: Training) -> tuple[Key, Key]:
    """Return the random keys of an iteration's rollout and of its update."""
    rollout_key, update_key = jax.random.split(jax.random.fold_in(training.key, training.iteration))
    return rollout_key, update_key


def left(done: Int[Array, ""], total: Int[Array, ""]) -> Scalar:
    """Return the share of a run that is left after ``done`` iterations: 1 for the first, 1/total for the last."""
    return 1.0 - done.astype(jnp.float32) / total.astype(jnp.float32)


def learn(
    algorithm: Algorithm,
    env: AnyDeclaration,
    learner: Any,
    replay: Replay | None,
    trajectory: Trajectory,
    episodes: Episodes,
    key: Key,
    remaining: Scalar | float = 1.0,
) -> tuple[Any, Replay | None, Info]:
    """Make one update, and return the metrics of the iteration; ``remaining`` is the share of the run that is left."""
    roster, before = roster_of(algorithm, env), learner
    learner, replay, actor_info, critic_info = learners.step(
        algorithm, roster, env.state_shape, learner, replay, trajectory, key, remaining
    )
    info = {f"actor/{name}": value for name, value in actor_info.items()}
    info |= {f"critic/{name}": value for name, value in critic_info.items()}
    info |= {"episodes": episodes.count, "return": episodes.total / episodes.count}
    info |= {f"measure/{name}": total / episodes.count for name, total in episodes.paid.items()}
    sampling: Any = algorithm.sampling
    if sampling.replays:
        # Number of critic and actor updates in this iteration, from which its metrics come; 0 during warm-up.
        updates, delay = (before.updates, learner.updates), sampling.delay
        info |= {"updates": updates[1] - updates[0], "moves": updates[1] // delay - updates[0] // delay}
    info["constant_sum"] = _constant_sum(algorithm, trajectory.reward)
    return learner, replay, info


def _constant_sum(algorithm: Algorithm, reward: Float[Array, "C L E n"]) -> Bool[Array, ""]:
    """Whether a team with more than one agent is trained on rewards that sum to a constant."""
    if algorithm.critic.credits != "team" or reward.shape[-1] == 1:
        return jnp.zeros((), bool)
    total = reward.sum(-1)
    spread, reward_spread = total.max() - total.min(), reward.max() - reward.min()
    return (reward_spread > 0) & (spread <= 1e-6 * reward_spread)
