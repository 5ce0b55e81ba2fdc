"""Measure the variance of the policy gradient over rollouts on spread, for several advantage estimators.

1. The policies are trained, and then fixed.
2. A critic of states and a critic of actions are fitted to new rollouts of these policies, and then fixed.
3. For every further rollout and every estimator, the gradient of E[ Â log π ] with respect to one agent's parameters is
   computed. π is the agent's policy, and Â the estimated advantage, which is not standardised.

The total variance is the sum over the parameters of their variance over rollouts.
"""

from functools import partial
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from hamlet.algorithms import mappo
from hamlet.backends.iteration import Training
from hamlet.backends.jax_backend import begin_training, iterate, roster_of
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.estimation.counterfactual import CounterfactualValue
from hamlet.estimation.credit import Counterfactual, OptimalBaseline
from hamlet.haml.template import Haml, Team, behaviour, experience
from hamlet.rollouts.rollout import begin, rollout
from hamlet.types import Key

_SETTINGS = {"discount": 0.95, "num_envs": 20, "rollout_length": 25, "hidden": (64, 64)}
_BLOCKS = 5
# The estimators: the quantity that is credited, minus the baseline.
METHODS = ("returns", "returns − V", "returns − COMA", "returns − OB", "Q − COMA", "Q − OB")


def measure(agents: tuple[int, ...] = (2, 4, 8), trained: int = 200, fitted: int = 60, rollouts: int = 100) -> Any:
    """Measure the total variances for each number of agents, before training and after ``trained`` updates.

    Args:
        agents: The numbers of agents.
        trained: The number of updates of the policies.
        fitted: The number of updates of the critics, with fixed policies.
        rollouts: The number of rollouts of which the variance is computed.

    Returns:
        The total variances and their standard errors, and other statistics of the gradients.
    """
    summary: dict[str, Any] = {"methods": METHODS, "updates": trained, "rollouts": rollouts, **_SETTINGS}
    for number in agents:
        env = SimpleSpread(agents=number, continuous=False)
        plays = mappo(advantage="optimal_baseline", **_SETTINGS)
        start = jax.jit(partial(begin_training, plays, env))(jnp.uint32(0))
        later = _iterated(plays, env, start, trained)
        summary[f"{number} agents"] = {
            name: _one(env, training.learner.team.actors, fitted, rollouts)
            for name, training in (("at first", start), ("later", later))
        }
    return summary


def _iterated(algorithm: Haml, env: SimpleSpread, training: Training, count: int) -> Training:
    def step(_, at):
        return iterate(algorithm, env, at)[0]

    return jax.jit(lambda state: jax.lax.fori_loop(0, count, step, state))(training)


def _one(env: SimpleSpread, actors: Any, fitted: int, rollouts: int) -> dict[str, Any]:
    still = {"learning_rate": 0.0, "epochs": 1, **_SETTINGS}
    kinds = (mappo(**still), mappo(advantage="optimal_baseline", **still))  # type: ignore[arg-type]
    critics = []
    for kind in kinds:
        training = jax.jit(partial(begin_training, kind, env))(jnp.uint32(1))
        training = eqx.tree_at(lambda t: t.learner.team.actors, training, actors)
        critics.append(_iterated(kind, env, training, fitted).learner.critic)
    gradients = np.asarray(
        jax.jit(partial(_gradients, env, kinds, rollouts))(actors, critics, jax.random.key(2)), np.float64
    )
    blocks = np.stack(np.split(gradients, _BLOCKS)).var(1, ddof=1).sum(-1)  # [block, method]
    mean, error = blocks.mean(0), blocks.std(0, ddof=1) / np.sqrt(_BLOCKS)
    over_v = blocks / blocks[:, METHODS.index("returns − V"), None]
    return {
        "total_variance": dict(zip(METHODS, mean.tolist(), strict=True)),
        "standard_error": dict(zip(METHODS, error.tolist(), strict=True)),
        "over_V": dict(zip(METHODS, over_v.mean(0).tolist(), strict=True)),
        "squared_norm_of_the_mean": dict(zip(METHODS, (gradients.mean(0) ** 2).sum(-1).tolist(), strict=True)),
    }


def _gradients(
    env: SimpleSpread, kinds: tuple[Haml, Haml], rollouts: int, actors: Any, critics: list[Any], key: Key
) -> Any:
    """Return the first agent's gradients, ``[rollouts, methods, parameters]``."""
    by_state, by_action = kinds
    roster, sampling = roster_of(by_state, env), by_state.sampling
    team, against = Team(actors, ()), cast(CounterfactualValue, by_action.critic)

    def once(play: Any, key: Key) -> tuple[Any, Any]:
        act_key, draw_key = jax.random.split(key)
        play, played, _ = rollout(env, roster, actors, play, steps=sampling.steps, length=1, key=act_key)
        by = partial(behaviour, roster, team, played)
        of: list[Any] = []
        for kind, state in zip(kinds, critics, strict=True):
            critic: Any = kind.critic
            seen_by = critic.roster(roster, env.state_shape)
            of.append(critic.estimate(state, seen_by, played, critic.blank(seen_by, kind.body, 0), by, draw_key))
        back: Any = by_state.advantage
        lead, weights = of[0].value.shape[:-1], {"discount": back.discount, "lambda_": back.lambda_}
        plain, returns = back(played, of[0], by_state.critic)
        credits = [returns, plain]
        for credited in ("returns", "values"):
            for estimator in (Counterfactual, OptimalBaseline):
                credits.append(estimator(**weights, credited=credited)(played, of[1], against)[0])
        # An advantage of the team is the advantage of every agent.
        first = jnp.stack([jnp.broadcast_to(credit, (*lead, len(roster.names)))[..., 0] for credit in credits])
        share = jax.tree.map(lambda leaf: leaf[0], experience(roster, 0, played, jnp.zeros(played.reward.shape)))
        actor = jax.tree.map(lambda leaf: leaf[0], actors[0])

        def gradient(credit: Any) -> Any:
            rows = jnp.moveaxis(credit, 2, 0).reshape(-1, 1)  # the layout of `sequences`

            def gain(actor):
                return (rows * share.policy(actor).log_prob(share.action)).mean()

            return ravel_pytree(jax.grad(gain)(actor))[0]

        return play, jax.lax.map(gradient, first)

    begin_key, play_key = jax.random.split(key)
    play = begin(env, by_state.body, sampling.copies, begin_key)
    return jax.lax.scan(once, play, jax.random.split(play_key, rollouts))[1]
