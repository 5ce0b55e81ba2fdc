"""Q-DPP's determinant, and its sampler, against enumeration."""

import itertools
from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.networks.mixers.dpp import Items, extended, greedy, log_det, picked, present, sample

JITTER = 1e-6


apart = jax.jit(log_det)


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
    assert np.asarray(apart(jnp.asarray(chosen))) + own == pytest.approx(np.log(list(exact.values())), abs=1e-4)


def test_little_that_is_left_of_a_row_is_measured_and_not_rounded_away():
    rows = jnp.array([[[1.0, 0.0, 0.0], [(1 - 1e-12) ** 0.5, 1e-6, 0.0]]], jnp.float32)
    assert float(apart(rows)[0]) == pytest.approx(2 * np.log(1e-6), abs=1e-3)


def test_orthogonal_rows_make_it_a_sum_whatever_the_jitter():
    for jitter in (1e-8, 0.1):
        rows = extended(jnp.eye(4)[None, :3], 0, 3, jitter)
        assert float(apart(rows)[0]) == pytest.approx(0.0, abs=1e-6)


def test_parallel_rows_cost_what_the_jitter_leaves():
    rows = extended(jnp.array([[[0.6, 0.8]] * 2]), 0, 2, 1e-3)
    assert float(apart(rows)[0]) == pytest.approx(np.log(1 - 0.999**2), abs=1e-4)
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


def items(rows, values, batch=1, available=None):
    """Agents of a group as the sampler takes them, the same in every row of the batch."""
    spread = lambda x: None if x is None else jnp.broadcast_to(jnp.asarray(x)[None], (batch, *np.shape(x)))  # noqa: E731
    return Items(spread(rows.astype(np.float32)), spread(values.astype(np.float32)), spread(available))


def drawn(groups, order, temperature, **settings):
    """Joint actions ``[B, n]``."""
    keys = jax.random.split(jax.random.key(1), len(groups))
    noise = tuple(jax.random.gumbel(key, group.values.shape) for key, group in zip(keys, groups, strict=True))
    orders = jnp.tile(jnp.array(order), (len(noise[0]), 1))
    made = jax.jit(lambda *given: sample(*given, temperature=temperature, **settings))(groups, orders, noise)
    return np.concatenate(made, axis=1)


@pytest.mark.parametrize("order", [pytest.param((0, 1, 2), marks=pytest.mark.slow), (2, 0, 1)])
def test_the_sampler_draws_as_often_as_residuals_and_qualities_say(order):
    rows, values = blocks(4, agents=3)
    count, temperature = 40_000, 0.7
    groups = (items(rows[:2], values[:2], count), items(rows[2:], values[2:], count))
    seen = Counter(map(tuple, drawn(groups, order, temperature).tolist()))
    wanted = by_the_rule(rows, values, temperature, order)
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
    walk = jax.jit(greedy)
    for seed in range(5):
        rows, values = blocks(seed, agents=3)
        order, taken, wanted = (1, 2, 0), np.zeros((0, rows.shape[-1])), [0, 0, 0]
        for agent in order:
            span = taken.T @ np.linalg.pinv(taken.T) if len(taken) else np.zeros((rows.shape[-1],) * 2)
            left = rows[agent] - rows[agent] @ span
            wanted[agent] = int((np.log((left**2).sum(-1)) + values[agent]).argmax())
            taken = np.concatenate((taken, rows[agent, wanted[agent]][None]))
        assert walk((items(rows, values),), jnp.array(order))[0][0].tolist() == wanted


def test_the_sampler_draws_nothing_unavailable_and_evenly_where_it_is_told_to():
    rows, values = blocks(1)
    available = np.array([[True, True, True], [False, True, True]])
    made = drawn((items(rows, values, 4000, available),), (0, 1), 0.5, exploration=1.0)
    counts = [np.bincount(made[:, agent], minlength=3).tolist() for agent in range(2)]
    assert counts[0] == pytest.approx([4000 / 3] * 3, rel=0.1)
    assert counts[1][0] == 0 and counts[1][1:] == pytest.approx([2000] * 2, rel=0.1)


def test_absent_agents_crowd_nobody_out_and_add_nothing_to_the_determinant():
    rows, values = blocks(1)
    (alone,) = present((items(rows, values),), jnp.array([[False, True]]))
    assert greedy((alone,), jnp.array([0, 1]))[0][0, 1] == int(values[1].argmax())
    assert float(log_det(picked((alone.rows,), (jnp.array([[1, 2]]),)))[0]) == pytest.approx(0.0, abs=1e-6)
