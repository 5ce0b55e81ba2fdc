"""Training on environments written in JAX: rollout, estimation and update in one compiled call, many at a time."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, UInt

from hamlet.envs.base import Environment
from hamlet.haml.template import Haml
from hamlet.learners import policy
from hamlet.learners.policy import Learner
from hamlet.roster import Roster
from hamlet.training.rollout import Play, begin, rollout
from hamlet.types import Info, Key, Scalar


class Training(eqx.Module):
    """The whole state of a run: what a checkpoint holds.

    Attributes:
        learner: What is learnt.
        play: The games under way.
        iteration: How many updates were made.
        key: Never used up: every iteration takes its own from it by number.
    """

    learner: Learner
    play: Play
    iteration: Int[Array, ""]
    key: Key


def roster_of(algorithm: Haml, env: Environment) -> Roster:
    """The environment's agents under the algorithm's sharing."""
    return Roster(env.groups, algorithm.sharing)


def begin_training(algorithm: Haml, env: Environment, seed: int | UInt[Array, ""]) -> Training:
    """The state before the first iteration."""
    learner_key, play_key, key = jax.random.split(jax.random.key(seed), 3)
    return Training(
        policy.init(algorithm, roster_of(algorithm, env), env.state_shape, learner_key),
        begin(env, algorithm.body, algorithm.sampling.copies, play_key),
        jnp.zeros((), jnp.int32),
        key,
    )


def iterate(
    algorithm: Haml, env: Environment, training: Training, remaining: Scalar | float = 1.0
) -> tuple[Training, Info]:
    """One rollout and one update; ``remaining`` is the share of the run that is left, by which learning rates fall."""
    roster, sampling = roster_of(algorithm, env), algorithm.sampling
    rollout_key, update_key = jax.random.split(jax.random.fold_in(training.key, training.iteration))
    play, trajectory, episodes = rollout(
        env,
        roster,
        training.learner.team.actors,
        training.play,
        steps=sampling.steps,
        length=sampling.length(memory=algorithm.body.memory),
        key=rollout_key,
    )
    learner, actor_info, critic_info = policy.step(
        algorithm, roster, env.state_shape, training.learner, trajectory, update_key, remaining
    )
    info = {f"actor/{name}": value for name, value in actor_info.items()}
    info |= {f"critic/{name}": value for name, value in critic_info.items()}
    info |= {"episodes": episodes.count, "return": episodes.total / episodes.count}
    info["constant_sum"] = _constant_sum(algorithm, trajectory.reward)
    return Training(learner, play, training.iteration + 1, training.key), info


def iterate_many(
    algorithm: Haml,
    env: Environment,
    training: Training,
    count: Int[Array, ""],
    total: Int[Array, ""],
    *,
    capacity: int,
) -> tuple[Training, Info]:
    """``count`` iterations, at most ``capacity``; how many are run in one call never changes what they compute.

    ``total`` is how many the whole run has: an argument of the program, so that a run can be lengthened.
    """
    shapes = jax.eval_shape(partial(iterate, algorithm, env), training)[1]
    infos = jax.tree.map(lambda s: jnp.zeros((capacity, *s.shape), s.dtype), shapes)

    def one(done: Array, at: tuple[Training, Info]) -> tuple[Training, Info]:
        training, info = iterate(algorithm, env, at[0], left(at[0].iteration, total))
        return training, jax.tree.map(lambda all_, now: all_.at[done].set(now), at[1], info)

    return jax.lax.fori_loop(0, count, one, (training, infos))


def left(done: Int[Array, ""], total: Int[Array, ""]) -> Scalar:
    """The share of a run that is left after so many iterations: 1 for the first, 1/total for the last."""
    return 1.0 - done.astype(jnp.float32) / total.astype(jnp.float32)


def _constant_sum(algorithm: Haml, reward: Float[Array, "C L E n"]) -> Bool[Array, ""]:
    """Whether a team is to be trained on rewards that only change hands."""
    if algorithm.critic.credits != "team" or reward.shape[-1] == 1:
        return jnp.zeros((), bool)
    total = reward.sum(-1)
    spread, own = total.max() - total.min(), reward.max() - reward.min()
    return (own > 0) & (spread <= 1e-6 * own)
