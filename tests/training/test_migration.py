"""Checkpoints that an older Hamlet wrote: what it kept of running means and deviations is taken over."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import Pot
from hamlet.algorithms import happo
from hamlet.backends.jax_backend import begin_training
from hamlet.checkpoints import checkpoint
from hamlet.errors import RunError


class Moments(eqx.Module):
    """What was kept of returns."""

    first: jax.Array
    second: jax.Array
    weight: jax.Array


class Running(eqx.Module):
    """What was kept of observations and rewards."""

    mean: jax.Array
    rest: jax.Array
    variance: jax.Array
    count: jax.Array


def state():
    algorithm = happo(hidden=(8,), num_envs=2, rollout_length=4, normalise_observations=True, normalise_rewards=True)
    return jax.jit(lambda: begin_training(algorithm, Pot(), 0))()


def parts(training):
    return (
        training.learner.critic.moments[0],
        training.learner.rewards.spread,
        training.learner.team.actors[0].torso.running,
    )


def test_what_was_known_of_returns_observations_and_rewards_is_taken_over(tmp_path):
    like = state()
    wide = parts(like)[2].mean.shape
    returns = Moments(jnp.array([0.25]), jnp.array([1.25]), jnp.array([0.5]))
    rewards = Running(jnp.array([[7.0]]), jnp.array([[1e-7]]), jnp.array([[4.0]]), jnp.array([9.0]))
    seen = Running(jnp.full(wide, 3.0), jnp.full(wide, -1e-7), jnp.full(wide, 2.0), jnp.full(wide[:1], 8.0))
    checkpoint.save(tmp_path, eqx.tree_at(parts, like, (returns, rewards, seen)), step=1)
    held = checkpoint.restore(tmp_path, like).state
    found = parts(held)
    for part, mean, rest, variance, weight in zip(
        found, (0.5, 7.0, 3.0), (0.0, 1e-7, -1e-7), (2.25, 4.0, 2.0), (0.5, 9.0, 8.0), strict=True
    ):
        for leaf, value in zip(jax.tree.leaves(part), (mean, rest, variance, 0.0, weight), strict=True):
            np.testing.assert_allclose(leaf, value, rtol=1e-6)
    assert jax.tree.structure(held) == jax.tree.structure(like)
    assert all(old.shape == new.shape for old, new in zip(*map(jax.tree.leaves, (like, held)), strict=True))


@pytest.mark.slow
def test_before_any_data_nothing_is_known_after_it_either(tmp_path):
    like = state()
    zero = jnp.zeros(1)
    checkpoint.save(tmp_path, eqx.tree_at(lambda t: parts(t)[0], like, Moments(zero, zero, zero)), step=1)
    assert parts(checkpoint.restore(tmp_path, like).state)[0].std.tolist() == [[1.0]]


def test_a_former_part_of_which_a_leaf_is_missing_is_refused_by_name(tmp_path):
    like = state()
    half = Moments(jnp.zeros(1), jnp.zeros(1), None)
    checkpoint.save(tmp_path, eqx.tree_at(lambda t: parts(t)[0], like, half), step=1)
    with pytest.raises(RunError, match=r"has no leaf \.learner\.critic\.moments\[0\]\.mean"):
        checkpoint.restore(tmp_path, like)
