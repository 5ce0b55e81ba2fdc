"""Q-DPP's determinant, and its sampler, against enumeration."""

import itertools
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.networks.dpp import Diversity, Items, extended, greedy, log_det, picked, sample

JITTER = 1e-6


def unit(rng, *shape):
    rows = rng.normal(size=shape)
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def blocks(seed, agents=2, choices=3, width=4, jitter=JITTER):
    """Extended rows of every agent, ``[n, A, X]``, and their values."""
    rng = np.random.default_rng(seed)
    plain = jnp.asarray(unit(rng, agents, choices, width), jnp.float32)
    rows = extended(plain.swapaxes(0, 1), 0, agents, jitter).swapaxes(0, 1)
    return np.asarray(rows, np.float64), rng.normal(size=(agents, choices))


def determinants(rows, values):
    """Of every joint action: det of the kernel exp(Q/2) B Bᵀ exp(Q/2) restricted to it."""
    scaled = rows * np.exp(values / 2)[..., None]
    found = {}
    for joint in itertools.product(*(range(values.shape[1]) for _ in rows)):
        chosen = np.stack([scaled[i, a] for i, a in enumerate(joint)])
        found[joint] = np.linalg.det(chosen @ chosen.T)
    return found


def test_the_joint_value_is_the_logarithm_of_the_determinant_of_the_chosen_items():
    rows, values = blocks(0, agents=3)
    exact = determinants(rows, values)
    chosen = np.array([[rows[i, a] for i, a in enumerate(joint)] for joint in exact], np.float32)
    own = [sum(values[i, a] for i, a in enumerate(joint)) for joint in exact]
    assert np.asarray(log_det(jnp.asarray(chosen))) + own == pytest.approx(np.log(list(exact.values())), abs=1e-4)


def test_little_that_is_left_of_a_row_is_measured_and_not_rounded_away():
    rows = jnp.array([[[1.0, 0.0, 0.0], [(1 - 1e-12) ** 0.5, 1e-6, 0.0]]], jnp.float32)
    assert float(log_det(rows)[0]) == pytest.approx(2 * np.log(1e-6), abs=1e-3)


def test_orthogonal_rows_make_it_a_sum_whatever_the_jitter():
    for jitter in (1e-8, 0.1):
        rows = extended(jnp.eye(4)[None, :3], 0, 3, jitter)
        assert float(log_det(rows)[0]) == pytest.approx(0.0, abs=1e-6)


def test_parallel_rows_cost_what_the_jitter_leaves():
    rows = extended(jnp.array([[[0.6, 0.8]] * 2]), 0, 2, 1e-3)
    assert float(log_det(rows)[0]) == pytest.approx(np.log(1 - 0.999**2), abs=1e-4)
    assert np.isfinite(jax.grad(lambda r: log_det(r)[0])(rows)).all()


@pytest.mark.parametrize("seed", range(3))
def test_over_one_item_of_each_of_two_agents_determinants_sum_to_the_traces_product_less_the_cross_blocks_square(seed):
    rows, values = blocks(seed)
    first, second = rows * np.exp(values / 2)[..., None]
    wanted = np.trace(first @ first.T) * np.trace(second @ second.T) - np.linalg.norm(first @ second.T) ** 2
    assert sum(determinants(rows, values).values()) == pytest.approx(wanted, rel=1e-6)


def by_the_rule(rows, values, temperature, order):
    """Each joint action's probability under the sampler in one order, by a loop."""
    found = {}
    for joint in itertools.product(*(range(values.shape[1]) for _ in rows)):
        probability, taken = 1.0, np.zeros((0, rows.shape[-1]))
        for agent in order:
            span = taken.T @ np.linalg.pinv(taken.T) if len(taken) else np.zeros((rows.shape[-1],) * 2)
            left = rows[agent] - rows[agent] @ span
            weight = (left**2).sum(-1) * np.exp(values[agent] / temperature)
            probability *= weight[joint[agent]] / weight.sum()
            taken = np.concatenate((taken, rows[agent, joint[agent]][None]))
        found[joint] = probability
    return found


def items(rows, values, batch=1, available=None, alive=None):
    """Agents of a group as the sampler takes them, the same in every row of the batch."""
    spread = lambda x: None if x is None else jnp.broadcast_to(jnp.asarray(x)[None], (batch, *np.shape(x)))  # noqa: E731
    return Items(spread(rows.astype(np.float32)), spread(values.astype(np.float32)), spread(available), spread(alive))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_the_sampler_draws_as_often_as_residuals_and_qualities_say(order):
    rows, values = blocks(4, agents=3)
    count, temperature = 40_000, 0.7
    group, other = items(rows[:2], values[:2], count), items(rows[2:], values[2:], count)
    drawn = jax.jit(sample)((group, other), jnp.array(order), temperature, jax.random.key(1))
    wanted = by_the_rule(rows, values, temperature, order)
    seen = Counter(map(tuple, np.asarray(drawn).tolist()))
    square = sum((seen[joint] - count * p) ** 2 / (count * p) for joint, p in wanted.items())
    assert square < 54.1  # 26 degrees of freedom: exceeded by chance once in a thousand


def test_where_rows_are_orthogonal_the_sampler_draws_the_determinants_exactly():
    rows = extended(jnp.eye(6).reshape(2, 3, 6).swapaxes(0, 1), 0, 2, JITTER)
    rows = np.asarray(rows.swapaxes(0, 1), np.float64)
    values = np.random.default_rng(0).normal(size=(2, 3))
    exact = determinants(rows, values)
    total = sum(exact.values())
    for joint, probability in by_the_rule(rows, values, 1.0, (1, 0)).items():
        assert probability == pytest.approx(exact[joint] / total, abs=1e-5)


def test_greedy_agents_add_what_they_can_in_their_turn():
    for seed in range(5):
        rows, values = blocks(seed, agents=3)
        order, taken, wanted = (1, 2, 0), np.zeros((0, rows.shape[-1])), [0, 0, 0]
        for agent in order:
            span = taken.T @ np.linalg.pinv(taken.T) if len(taken) else np.zeros((rows.shape[-1],) * 2)
            left = rows[agent] - rows[agent] @ span
            wanted[agent] = int((np.log((left**2).sum(-1)) + values[agent]).argmax())
            taken = np.concatenate((taken, rows[agent, wanted[agent]][None]))
        assert greedy((items(rows, values),), jnp.array(order))[0].tolist() == wanted


def test_the_sampler_draws_nothing_unavailable_and_absent_agents_crowd_nobody_out():
    rows, values = blocks(1, agents=2)
    available = np.array([[True, True, True], [False, True, True]])
    drawn = sample((items(rows, values, 500, available),), jnp.array([0, 1]), 0.5, jax.random.key(0))
    assert set(np.unique(drawn[:, 1])) == {1, 2}
    alone = (items(rows, values, 1, None, np.array([False, True])),)
    assert greedy(alone, jnp.array([0, 1]))[0].tolist() == [0, int(values[1].argmax())]
    both = picked((items(rows, values).rows,), (jnp.array([[1, 2]]),), jnp.array([[False, True]]))
    assert float(log_det(both)[0]) == pytest.approx(0.0, abs=1e-6)


def test_every_choice_of_every_agent_has_a_unit_row_of_its_own_or_of_its_units_network():
    keys = jax.random.split(jax.random.key(0), 2)
    features = (jax.random.normal(keys[0], (4, 2, 5)), jax.random.normal(keys[1], (4, 1, 3)))
    network = Diversity.create(jax.random.key(1), (5, 3), (3, 2), (2, 1), embedding=6, jitter=JITTER)
    first, second = network.rows(features)
    assert first.shape == (4, 2, 3, 9) and second.shape == (4, 1, 2, 9)
    assert (first**2).sum(-1) == pytest.approx(np.ones((4, 2, 3)), abs=1e-5)
    same = (jnp.broadcast_to(features[0][:, :1], (4, 2, 5)), features[1])
    own = network.rows(same)[0]
    assert not np.allclose(own[:, 0, :, :6], own[:, 1, :, :6], atol=1e-2)
    shared = Diversity.create(jax.random.key(1), (5, 3), (3, 2), (1, 1), embedding=6, jitter=JITTER).rows(same)[0]
    assert shared[:, 0, :, :6] == pytest.approx(shared[:, 1, :, :6])
