"""The presets of MPE."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

import hamlet
from hamlet import presets
from hamlet.backends.jax_backend import begin_training, iterate
from pieces import same

SMALL = {"hidden": (16,), "num_envs": 4, "rollout_length": 10}


@pytest.mark.slow
def test_with_one_policy_for_all_happo_takes_the_steps_of_mappo():
    env, ends = hamlet.envs.make("mpe/simple_spread", continuous=False), []
    for name in ("happo", "mappo"):
        algorithm = presets.find("tuned/mpe/shared", name, env)(**SMALL)
        assert algorithm.advantage.discount == 0.8 and algorithm.sharing == "group"
        start = jax.jit(lambda algorithm=algorithm: begin_training(algorithm, env, 0))()
        end = jax.jit(lambda start, algorithm=algorithm: iterate(algorithm, env, start)[0])(start)
        assert not same(start.learner.team.actors, end.learner.team.actors)
        ends.append(end.learner.team.actors)
    for ours, theirs in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_policies_of_continuous_actions_are_shared_with_the_entropy_that_they_have_alone():
    env = hamlet.envs.make("mpe/simple_spread", continuous=True)
    alone, shared = (presets.find(preset, "happo", env) for preset in ("tuned/mpe", "tuned/mpe/shared"))
    assert shared() == alone(discount=0.8, sharing="group") and shared().neighbourhood.entropy == 40.0


def test_a_team_of_which_some_act_by_choices_has_the_entropy_of_choices():
    apart = [hamlet.envs.make("mpe/simple_spread", continuous=continuous) for continuous in (True, False)]
    mixed = SimpleNamespace(groups=(*apart[0].groups, *apart[1].groups), state_shape=apart[0].state_shape)
    entropies = [presets.find("paper/mpe", "happo", env)().neighbourhood.entropy for env in (*apart, mixed)]
    assert entropies == [40.0, 0.01, 0.01]


def test_coma_has_the_published_settings():
    made = presets.find("paper/mpe", "coma")()
    assert (made.sampling.copies, made.sampling.steps, made.sharing) == (8, 25, "group")
    critic = made.critic  # a step for every time step of a batch, and a copy after 200 of those
    assert (critic.epochs, critic.minibatches, critic.interval, critic.clip) == (1, 25, 200, 0.0)
    assert (critic.rule, critic.learning_rate, critic.max_gradient_norm) == ("rmsprop", 5e-4, 10.0)
    assert (made.neighbourhood.rule, made.neighbourhood.epochs, made.neighbourhood.entropy) == ("rmsprop", 1, 0.0)
    assert (made.advantage.discount, made.advantage.lambda_) == (0.99, 0.8)
    falling = made.actor.exploration
    assert (falling.start, falling.end, falling.steps) == (0.5, 0.01, 100_000)
