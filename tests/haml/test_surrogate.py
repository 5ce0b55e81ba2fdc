"""How the moves of earlier agents enter the objective of later ones."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.estimation.returns import standardise
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.surrogate import Importance
from pieces import actor, experience, moved


def ratio(data, before, after):
    """π̄/π of each step in NumPy; 1 where absent."""
    old, new = (np.asarray(data.policy(a).log_prob(data.action), np.float64) for a in (before, after))
    return np.where(True if data.alive is None else np.asarray(data.alive), np.exp(new - old), 1.0)


@pytest.mark.parametrize("kind", ["discrete", "continuous", "masked", "recurrent"])
def test_the_carry_is_the_product_of_the_ratios_of_the_agents_that_moved(kind):
    surrogate, sequences = Importance(), 24
    length = 5 if kind == "recurrent" else 1
    carry, expected = surrogate.start(sequences, length), np.ones((sequences, length))
    np.testing.assert_array_equal(carry, expected)
    for agent in range(3):
        before = actor(agent, kind)
        data, after = experience(10 + agent, kind, before), moved(before, 20 + agent, 0.1)
        aim = surrogate.objective(carry, before, data, ZeroDrift())
        np.testing.assert_allclose(aim.corrected, expected * np.asarray(data.advantage), rtol=1e-4, atol=1e-5)
        carry, expected = surrogate.advance(carry, aim, after), expected * ratio(data, before, after)
        np.testing.assert_allclose(carry, expected, rtol=1e-4)
    assert np.abs(expected - 1).max() > 0.1


def test_an_absent_agent_leaves_the_carry_as_it_is():
    before = actor(0, "masked")
    data, after = experience(1, "masked", before), moved(before, 2, 0.5)
    carry = 0.5 + jax.random.uniform(jax.random.key(3), (24, 1))
    surrogate = Importance()
    onward = surrogate.advance(carry, surrogate.objective(carry, before, data, ZeroDrift()), after)
    assert (onward == carry)[~data.alive].all() and (onward != carry)[data.alive].any()


def test_the_carry_multiplies_the_advantage_after_it_was_standardised():
    before = actor(0, "discrete")
    data = experience(1, "discrete", before)
    data = dataclasses.replace(data, advantage=standardise(7 + 3 * data.advantage))
    aim = Importance().objective(jnp.full((24, 1), 5.0), before, data, ZeroDrift())
    # Neither centred nor scaled anew: five times the standardised advantage.
    np.testing.assert_allclose(aim.corrected.std(), 5.0, rtol=1e-3)
    gain = (np.asarray(aim.corrected) * 1.0).mean()
    np.testing.assert_allclose(aim(before).gain, gain, atol=1e-5)


def test_agents_that_share_parameters_multiply_into_one_factor_and_all_meet_it():
    # Two copies, three agents of one unit: rows are copy 0 agents 0, 1, 2, copy 1 agents 0, 1, 2.
    before = actor(0, "discrete")
    data = experience(1, "discrete", before, sequences=6, agents=3)
    after, surrogate = moved(before, 2, 0.2), Importance()
    carry = jnp.array([[2.0], [3.0]])
    aim = surrogate.objective(carry, before, data, ZeroDrift())
    met = np.repeat([2.0, 3.0], 3)[:, None]
    np.testing.assert_allclose(aim.corrected, met * np.asarray(data.advantage), rtol=1e-6)
    expected = np.asarray(carry) * ratio(data, before, after).reshape(2, 3, 1).prod(1)
    np.testing.assert_allclose(surrogate.advance(carry, aim, after), expected, rtol=1e-5)
