"""Measure the effect of the discount γ on discrete spread: early returns, and distances to landmarks.

The results are given per seed. A distance is an agent's distance to its nearest landmark. A large distance shows that
the agent moves away from the landmarks.

Episodes are truncated after 25 steps, and the value of the final observation is bootstrapped. With γ = 0.99, most of a
value comes from rewards after these 25 steps, which training never observes.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hamlet import presets
from hamlet.backends.iteration import Training, roster_of
from hamlet.backends.jax_backend import begin_training, iterate_many
from hamlet.envs import copies as vector
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.haml.template import Haml
from hamlet.networks.joint import act
from hamlet.rollouts.rollout import begin

DISCOUNTS = (0.99, 0.95, 0.9)
SEEDS = (1, 2, 3, 4, 5, 6)
STEPS = 500_000
_EPISODES = 512


def measure() -> dict[str, Any]:
    """Train HAPPO with the paper's settings and three discounts.

    Returns:
        For each discount and seed: the mean return, and each agent's mean distance to its nearest landmark after the
        last step.
    """
    env = SimpleSpread(continuous=False)
    rows = {str(gamma): _one(presets.find("paper/mpe", "happo", env)(discount=gamma), env) for gamma in DISCOUNTS}
    return {"steps": STEPS, "episodes": _EPISODES, "by_discount": rows}


def _one(algorithm: Haml, env: SimpleSpread) -> list[dict[str, Any]]:
    count = STEPS // algorithm.sampling.batch
    train = jax.jit(partial(iterate_many, algorithm, env, capacity=count))
    start = jax.jit(partial(begin_training, algorithm, env))
    judge = jax.jit(partial(_play, algorithm, env))
    rows = []
    for seed in SEEDS:
        training, _ = train(start(jnp.uint32(seed)), jnp.int32(count))
        returns, distance = (np.asarray(x) for x in judge(training))
        rows.append({"seed": seed, "return": float(returns.mean()), "distance": distance.tolist()})
    return rows


def _play(algorithm: Haml, env: SimpleSpread, training: Training) -> tuple[Array, Array]:
    """Return the returns of deterministic episodes ``[episodes]``, and each agent's mean distance to a landmark.

    The distance is to the agent's nearest landmark, after the last step.
    """
    roster, actors = roster_of(algorithm, env), training.learner.team.actors
    play = begin(env, algorithm.body, _EPISODES, jax.random.key(7))

    def step(copies: Any, _: Any) -> tuple[Any, tuple[Array, Array]]:
        view = copies.view
        actions, _ = act(roster, actors, view.observation, view.available, play.start, play.memory, None, alive=None)
        copies, arrival, outcome = vector.step(env, jax.random.key(8), copies, actions)
        landmarks = arrival.observation[0][..., 4 : 4 + 2 * env.agents]
        away = jnp.linalg.norm(landmarks.reshape(*landmarks.shape[:-1], env.agents, 2), axis=-1).min(-1)
        return copies, (outcome.reward.sum(-1), away.mean(0))

    _, (rewards, away) = jax.lax.scan(step, play.copies, None, length=env.max_steps)
    return rewards.sum(0), away[-1]
