"""Advantage estimates against a slow loop and literal numbers."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.estimation.advantage import Gae
from hamlet.estimation.critic import Estimate, StateValue
from hamlet.estimation.returns import gae, mean, standardise
from hamlet.estimation.trajectory import Trajectory
from pieces import views


def slow_gae(reward, value, next_value, terminated, truncated, gamma, lambda_):
    """Σₖ (γλ)ᵏ δₜ₊ₖ to the end of t's own episode, term by term."""
    steps = len(reward)
    result = np.zeros(steps)
    for t in range(steps):
        weight = 1.0
        for k in range(t, steps):
            bootstrap = 0.0 if terminated[k] else gamma * next_value[k]
            result[t] += weight * (reward[k] + bootstrap - value[k])
            if terminated[k] or truncated[k]:
                break
            weight *= gamma * lambda_
    return result


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("lambda_", [0.0, 0.7, 1.0])
def test_gae_is_the_sum_over_the_rest_of_the_episode(seed, lambda_):
    draw, steps = np.random.default_rng(seed), 20
    reward, value, next_value = draw.normal(size=(3, steps))
    terminated = draw.random(steps) < 0.15
    truncated = ~terminated & (draw.random(steps) < 0.15)
    expected = slow_gae(reward, value, next_value, terminated, truncated, 0.9, lambda_)
    columns = [jnp.asarray(x, jnp.float32) for x in (reward, value, next_value, np.where(terminated, 0.0, 0.9))]
    found = gae(*columns, jnp.asarray(terminated | truncated), lambda_=lambda_)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_gae_gives_these_numbers():
    # A truncated step in the middle: it bootstraps from 8, its final observation, and the sum stops there.
    found = gae(
        jnp.array([1.0, 2.0, 3.0]),
        jnp.array([4.0, 5.0, 6.0]),
        jnp.array([5.0, 8.0, 7.0]),
        jnp.array([0.5, 0.5, 0.0]),
        jnp.array([False, True, True]),
        lambda_=0.5,
    )
    np.testing.assert_allclose(found, [-0.5 + 0.25 * 1.0, 2 + 4 - 5, 3 - 6])


def trajectory(alive=None):
    """Two copies, two chunks of three steps, two agents; copy 0 is truncated at step 1, copy 1 terminates at step 3."""
    shape = (2, 3, 2)
    flags = np.zeros((2, 6, 2), bool)
    flags[0, 1, 0] = flags[1, 3, 1] = True
    truncated, terminated = (jnp.asarray(f.reshape(shape)) for f in flags)
    blank, arrival = (views((jnp.zeros((*shape, 2, 1)),), jnp.zeros((*shape, 1)), a) for a in (None, alive))
    reward = jnp.asarray(np.random.default_rng(0).normal(size=(*shape, 2)), jnp.float32)
    start = jnp.zeros(shape, bool)
    return Trajectory(blank, start, (jnp.zeros((*shape, 2)),), reward, terminated, truncated, arrival, (None,))


def estimate(seed, streams):
    value, after = jnp.asarray(np.random.default_rng(seed).normal(size=(2, 2, 3, 2, streams)), jnp.float32)
    return Estimate(value, value, after, (None,))


def slow_advantage(played, guess, reward, stream, copy, alive=None):
    flat = lambda x: np.asarray(x).reshape(6, 2, *x.shape[3:])[:, copy]  # noqa: E731
    terminated, truncated = flat(played.terminated), flat(played.truncated)
    ends = terminated if alive is None else terminated | ~flat(alive)[:, stream]
    return slow_gae(
        flat(reward)[:, stream],
        flat(guess.value)[:, stream],
        flat(guess.next_value)[:, stream],
        ends,
        truncated,
        0.9,
        0.8,
    )


def test_the_team_is_credited_with_the_sum_of_rewards_across_chunks_and_from_final_observations():
    played, guess = trajectory(), estimate(1, 1)
    advantage, returns = Gae(discount=0.9, lambda_=0.8)(played, guess, StateValue())
    reward = played.reward.sum(-1, keepdims=True)
    for copy in range(2):
        found = advantage.reshape(6, 2, 1)[:, copy, 0]
        np.testing.assert_allclose(found, slow_advantage(played, guess, reward, 0, copy), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(returns, advantage + guess.value)


def test_an_own_reward_stream_stops_at_its_agent_death():
    alive = np.ones((2, 3, 2, 2), bool)
    alive[0, 2, 0, 1] = False
    alive[1, :, 0, 1] = False
    played, guess = trajectory(jnp.asarray(alive)), estimate(2, 2)
    advantage, _ = Gae(discount=0.9, lambda_=0.8)(played, guess, StateValue(sees="observation", credits="own"))
    for copy in range(2):
        for agent in range(2):
            expected = slow_advantage(played, guess, played.reward, agent, copy, alive)
            found = advantage.reshape(6, 2, 2)[:, copy, agent]
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("own", [True, False])
def test_an_agent_cut_alone_bootstraps_from_its_final_view_and_the_team_plays_on(own):
    """Copy 0: agent 0 is cut at step 0 and agent 1 terminates at step 3. Copy 1 terminates, for agent 0 by a cut."""
    alive, cut = np.ones((6, 2, 2), bool), np.zeros((6, 2, 2), bool)
    alive[0:2, 0, 0] = alive[3:, 0, 1] = alive[3, 1] = False
    cut[0, 0, 0] = cut[3, 1, 0] = True
    chunked = lambda flags: jnp.asarray(flags.reshape(2, 3, 2, 2))  # noqa: E731
    played = eqx.tree_at(lambda t: t.cut, trajectory(chunked(alive)), chunked(cut), is_leaf=lambda x: x is None)
    guess = estimate(3, 2 if own else 1)
    critic = StateValue(sees="observation", credits="own") if own else StateValue()
    advantage, _ = Gae(discount=0.9, lambda_=0.8)(played, guess, critic)
    flat = lambda x, copy: np.asarray(x).reshape(6, 2, *x.shape[3:])[:, copy]  # noqa: E731
    for copy in range(2):
        terminated, truncated = flat(played.terminated, copy), flat(played.truncated, copy)
        for stream in range(2 if own else 1):
            ends, cuts, reward = terminated, truncated, played.reward.sum(-1, keepdims=True)
            if own:
                ends = (terminated | ~alive[:, copy, stream]) & ~cut[:, copy, stream]
                cuts, reward = truncated | cut[:, copy, stream], played.reward
            columns = [flat(x, copy)[:, stream] for x in (reward, guess.value, guess.next_value)]
            expected = slow_gae(*columns, ends, cuts, 0.9, 0.8)
            found = advantage.reshape(6, 2, -1)[:, copy, stream]
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_standardising_gives_these_numbers_and_ignores_what_is_masked():
    np.testing.assert_allclose(standardise(jnp.array([1.0, 2.0, 3.0])), [-1.2247, 0, 1.2247], atol=1e-3)
    mask = jnp.array([[True, False], [True, True]])
    found = standardise(jnp.array([[0.0, 1e6], [3.0, 6.0]]), mask)
    np.testing.assert_allclose(found, [[-1.2247, 0], [0, 1.2247]], atol=1e-3)
    np.testing.assert_array_equal(standardise(jnp.array([5.0, 5.0])), [0, 0])
    np.testing.assert_array_equal(standardise(jnp.array([5.0, 7.0]), jnp.zeros(2, bool)), [0, 0])


def test_a_mean_over_nothing_is_zero_and_has_no_gradient_through_what_is_masked():
    assert mean(jnp.array([1.0, jnp.nan]), jnp.array([True, False])) == 1
    assert mean(jnp.array([jnp.inf]), jnp.array([False])) == 0
