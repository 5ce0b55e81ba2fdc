"""How the moves of earlier agents enter the objective of later ones."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet import algorithms, envs
from hamlet.backends.jax_backend import begin_training, iterate
from hamlet.estimation.returns import standardise
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.surrogate import ImportanceWeights
from pieces import KINDS, actor, always, experience, moved, same


def ratio(data, before, after):
    """π̄/π of each step in NumPy; 1 where absent."""
    old, new = (np.asarray(data.policy(a).log_prob(data.action), np.float64) for a in (before, after))
    return np.where(True if data.alive is None else np.asarray(data.alive), np.exp(new - old), 1.0)


@partial(jax.jit, static_argnames="kind")
def turn(seed, carry, kind):
    """One agent's move: what it met, its log-probabilities before and after, and the carry it leaves."""
    before = actor(seed, kind)
    data, after = experience(10 + seed, kind, before), moved(before, 20 + seed, 0.1)
    aim = ImportanceWeights().objective(carry, before, data, ZeroDrift())
    old, new = (data.policy(a).log_prob(data.action) for a in (before, after))
    return data.alive, data.advantage, old, new, aim.corrected, ImportanceWeights().advance(carry, aim, after)


@pytest.mark.parametrize("kind", always("continuous", "recurrent", of=[kind for kind in KINDS if kind != "multi"]))
def test_the_carry_is_the_product_of_the_ratios_of_the_agents_that_moved(kind):
    length = 5 if kind == "recurrent" else 1
    carry, expected = ImportanceWeights().start(24, length), np.ones((24, length))
    np.testing.assert_array_equal(carry, expected)
    for seed in range(3):
        alive, advantage, old, new, corrected, carry = turn(seed, carry, kind)
        np.testing.assert_allclose(corrected, expected * np.asarray(advantage), rtol=1e-4, atol=1e-5)
        ratios = np.exp(np.asarray(new, np.float64) - np.asarray(old))
        expected = expected * (ratios if alive is None else np.where(alive, ratios, 1.0))
        np.testing.assert_allclose(carry, expected, rtol=1e-4)
    assert np.abs(expected - 1).max() > 0.1


@pytest.mark.slow
def test_an_absent_agent_leaves_the_carry_as_it_is():
    before = actor(0, "masked")
    data, after = experience(1, "masked", before), moved(before, 2, 0.5)
    carry = 0.5 + jax.random.uniform(jax.random.key(3), (24, 1))
    surrogate = ImportanceWeights()
    onward = surrogate.advance(carry, surrogate.objective(carry, before, data, ZeroDrift()), after)
    assert (onward == carry)[~data.alive].all() and (onward != carry)[data.alive].any()


def test_the_carry_multiplies_the_advantage_after_it_was_standardised():
    before = actor(0, "discrete")
    data = experience(1, "discrete", before)
    data = dataclasses.replace(data, advantage=standardise(7 + 3 * data.advantage))
    aim = ImportanceWeights().objective(jnp.full((24, 1), 5.0), before, data, ZeroDrift())
    # Neither centred nor scaled anew: five times the standardised advantage.
    np.testing.assert_allclose(aim.corrected.std(), 5.0, rtol=1e-3)
    gain = (np.asarray(aim.corrected) * 1.0).mean()
    np.testing.assert_allclose(aim(before).gain, gain, atol=1e-5)


def test_agents_that_share_parameters_multiply_into_one_factor_and_all_meet_it():
    # Two copies, three agents of one unit: rows are copy 0 agents 0, 1, 2, copy 1 agents 0, 1, 2.
    before = actor(0, "discrete")
    data = experience(1, "discrete", before, sequences=6, agents=3)
    after, surrogate = moved(before, 2, 0.2), ImportanceWeights()
    carry = jnp.array([[2.0], [3.0]])
    aim = surrogate.objective(carry, before, data, ZeroDrift())
    met = np.repeat([2.0, 3.0], 3)[:, None]
    np.testing.assert_allclose(aim.corrected, met * np.asarray(data.advantage), rtol=1e-6)
    expected = np.asarray(carry) * ratio(data, before, after).reshape(2, 3, 1).prod(1)
    np.testing.assert_allclose(surrogate.advance(carry, aim, after), expected, rtol=1e-5)


@dataclasses.dataclass(frozen=True)
class Deaf(ImportanceWeights):
    """Someone's own: it begins with nothing, so that nothing is worth a move."""

    def start(self, sequences, length):
        return jnp.zeros((sequences, length))


@pytest.mark.slow
def test_a_surrogate_of_ones_own_is_asked_how_it_begins():
    own = algorithms.haa2c(hidden=(16,), num_envs=4, rollout_length=2, entropy=0.0)
    env = envs.make("matrix/climbing")
    for surrogate, moves in ((ImportanceWeights(), True), (Deaf(), False)):
        algorithm = dataclasses.replace(own, surrogate=surrogate)
        before = begin_training(algorithm, env, 0)
        after = jax.jit(partial(iterate, algorithm, env))(before)[0]
        assert same(before.learner.team.actors, after.learner.team.actors) == (not moves)


def test_the_measures_of_an_update_are_the_estimated_divergence_and_the_share_of_ratios_beyond_a_fifth():
    before = actor(0, "masked")
    data, after = experience(1, "masked", before), moved(before, 2, 0.1)
    measures = ImportanceWeights().objective(jnp.ones((24, 1)), before, data, ZeroDrift())(after).measures
    ratios = ratio(data, before, after)[np.asarray(data.alive)]
    assert 0 < (np.abs(ratios - 1) > 0.2).mean() < 1 and (np.abs(np.abs(ratios - 1) - 0.11) < 0.09).mean() > 0
    np.testing.assert_allclose(measures["clip_fraction"], (np.abs(ratios - 1) > 0.2).mean(), rtol=1e-6)
    np.testing.assert_allclose(measures["approx_kl"], (ratios - 1 - np.log(ratios)).mean(), rtol=1e-4)
