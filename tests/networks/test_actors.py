"""What actors and layers are made of, by numbers that are known beforehand."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.networks.actors import Deterministic, Exploring, Squashed
from hamlet.networks.duelling import Duelling
from hamlet.networks.exploration import Schedule
from hamlet.networks.heads import NormalScale
from hamlet.networks.torso import NetworkConfig, Torso, normalise
from hamlet.spaces import Box, Discrete

SEEN, BODY = Box(-float("inf"), float("inf"), (3,)), NetworkConfig(hidden=(4,))
ARM = Box((-1.0, 0.0), (3.0, 10.0), (2,))
ROWS = jnp.asarray(np.random.default_rng(0).normal(size=(5, 1, 3)), jnp.float32)


def acting(kind, action, bias):
    """What an actor makes of some rows where its head says a number whatever is seen."""
    actor = kind.create(jax.random.key(0), SEEN, action, BODY)
    head = actor.head
    says = eqx.tree_at(lambda h: (h.weight, h.bias), head, (0 * head.weight, jnp.broadcast_to(bias, head.bias.shape)))
    return eqx.tree_at(lambda a: a.head, actor, says)(ROWS, None, jnp.zeros((5, 1), bool))[0]


def test_normalised_numbers_have_mean_0_and_deviation_1():
    found = np.asarray(normalise(7.0 + 3.0 * ROWS))
    np.testing.assert_allclose(found.mean(-1), 0.0, atol=1e-5)
    np.testing.assert_allclose(found.std(-1), 1.0, rtol=1e-3)


def test_a_recurrent_unit_begins_by_keeping_three_quarters_of_its_memory():
    cell = Torso.create(jax.random.key(0), SEEN, NetworkConfig(hidden=(4,), memory=64)).cell
    alone = eqx.tree_at(lambda c: (c.weight_ih, c.weight_hh), cell, replace_fn=jnp.zeros_like)
    kept = alone(jnp.zeros(4), jnp.full(64, 100.0)) / 100.0
    assert 0.70 < float(kept.mean()) < 0.76


@pytest.mark.parametrize(("says", "reached"), [(-50.0, (-1.0, 0.0)), (0.0, (1.0, 5.0)), (50.0, (3.0, 10.0))])
def test_a_deterministic_policy_reaches_its_bounds_and_goes_no_further(says, reached):
    found = acting(Deterministic(), ARM, says).mode()
    np.testing.assert_allclose(found, np.broadcast_to(reached, (5, 1, 2)), atol=1e-5)


def test_the_scale_of_a_squashed_policy_is_held_within_its_bounds():
    for says, log_scale in ((-50.0, -20.0), (1.0, 1.0), (50.0, 2.0)):
        np.testing.assert_allclose(acting(Squashed(), ARM, says).base.std, np.exp(log_scale), rtol=1e-5)


def test_the_scale_of_a_normal_policy_begins_at_about_a_third_and_stays_below_one_half():
    np.testing.assert_allclose(NormalScale(jnp.array([1.0, -100.0, 100.0]))(), [0.36553, 0.0, 0.5], atol=1e-5)


def test_a_share_of_even_choices_falls_along_its_line_and_stays_at_its_end():
    falling = Exploring(Schedule(start=0.9, end=0.1, steps=100))
    actor = falling.create(jax.random.key(0), SEEN, Discrete(2), BODY)
    for steps, left in ((25, 0.7), (25, 0.5), (100, 0.1)):
        actor = actor.after(steps)
        np.testing.assert_allclose(actor.exploration.value, left, rtol=1e-5)


def test_the_mean_of_duelling_values_over_all_choices_is_that_of_the_state():
    made = Duelling.create(jax.random.key(0), SEEN, 3, BODY, 4)
    features = made.torso(ROWS, None, jnp.zeros((5, 1), bool))[0][:, 0]
    np.testing.assert_allclose(made(ROWS[:, 0]).mean(-1), made.value(features)[:, 0], rtol=1e-4, atol=1e-6)
