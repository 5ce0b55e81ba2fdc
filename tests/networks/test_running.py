"""Running mean and standard deviation: against float64, at any offset, over many rows, by either weighting."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.estimation.fitting import value_scale
from hamlet.networks.running import RunningMeanStd
from pieces import same

update = jax.jit(RunningMeanStd.update)
fold = jax.jit(lambda known, batches: jax.lax.scan(lambda at, rows: (at.update(rows), None), known, batches)[0])


def test_the_moments_are_those_of_all_rows_that_count():
    rng = np.random.default_rng(0)
    rows = [rng.normal([0.0, 50.0, -3.0], [1.0, 0.1, 20.0], (40, 2, 3)).astype(np.float32) for _ in range(5)]
    masks = [rng.random((40, 2)) < chance for chance in (1.0, 0.5, 0.0, 0.1, 0.9)]
    running = RunningMeanStd.create(3)
    for x, mask in zip(rows, masks, strict=True):
        running = update(running, jnp.array(x), jnp.array(mask))
    counted = np.concatenate([x[mask] for x, mask in zip(rows, masks, strict=True)]).astype(np.float64)
    assert running.weight == len(counted)
    np.testing.assert_allclose(running.mean, counted.mean(0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(running.std, counted.std(0), rtol=1e-5)
    unmasked = update(RunningMeanStd.create(3), jnp.array(rows[0]))
    np.testing.assert_allclose(unmasked.mean, rows[0].astype(np.float64).mean((0, 1)), rtol=1e-6, atol=1e-6)


def test_rows_weigh_as_much_as_is_said():
    rng = np.random.default_rng(1)
    rows, weights = rng.normal(7.0, 3.0, (4, 30, 2)).astype(np.float32), rng.random((4, 30)).astype(np.float32)
    weights[:, ::3] = 0.0
    running = RunningMeanStd.create(2)
    for x, weight in zip(rows, weights, strict=True):
        running = update(running, jnp.array(x), jnp.array(weight))
    x, weight = rows.reshape(-1, 2).astype(np.float64), weights.reshape(-1).astype(np.float64)
    mean = np.average(x, axis=0, weights=weight)
    np.testing.assert_allclose(running.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(running.std, np.average((x - mean) ** 2, axis=0, weights=weight) ** 0.5, rtol=1e-5)


# Offsets and spreads that single precision can hold: at 1e8 its numbers are 8 apart.
@pytest.mark.parametrize("decay", [None, 0.99999], ids=["equal", "decaying"])
@pytest.mark.parametrize(
    ("offset", "spread", "unit"),
    [(1e3, 1.0, 0.0), (1e4, 10.0, 0.0), (-3e4, 30.0, 0.0), (1e6, 1.0, 0.0625), (1e8, 80.0, 8.0)],
)
def test_the_deviation_is_right_however_far_from_zero_the_numbers_lie(offset, spread, unit, decay):
    rng = np.random.default_rng(0)
    away = rng.normal(0.0, spread, (300, 64))
    x = (offset + (np.round(away / unit) * unit if unit else away)).astype(np.float32)
    known = fold(RunningMeanStd.create(1, decay=decay), jnp.array(x))
    # 300 batches weigh alike to 0.3 % by either weighting.
    exact = x.astype(np.float64)
    weights = np.ones(300) if decay is None else decay ** np.arange(299, -1, -1.0)
    mean = np.average(exact.mean(1), weights=weights)
    std = np.average(((exact - mean) ** 2).mean(1), weights=weights) ** 0.5
    np.testing.assert_allclose(np.float64(known.mean) + np.float64(known.mean_rest), mean, atol=1e-4 * spread)
    np.testing.assert_allclose(known.std, std, rtol=1e-4)
    np.testing.assert_allclose(known.scale(jnp.array(x[0])), (exact[0] - mean) / std, atol=1e-3)
    np.testing.assert_allclose(known.unscale(known.scale(jnp.array(x[0]))), x[0], atol=unit, rtol=1e-6)


def test_after_a_thousand_million_rows_a_batch_still_moves_both_moments_by_its_share():
    """A shift to a mean that is 1,000 deviations away from 0: each batch moves it by a tenth of its last place."""
    batch, batches = 4000, 2000
    rows = jax.random.normal(jax.random.key(0), (batch, 2)) + jnp.array([0.0, 1000.0])[None]
    mean, variance = jnp.array([1.0, 998.0]), jnp.array([2.0, 0.999])
    old = RunningMeanStd(mean, jnp.zeros(2), variance, jnp.zeros(2), jnp.float32(1e9), None, 1e-8)
    known = jax.jit(lambda old, x: jax.lax.scan(lambda at, _: (at.update(x), None), old, None, batches)[0])(old, rows)
    x, share = np.asarray(rows, np.float64), batch * batches / (1e9 + batch * batches)
    away = x.mean(0) - [1.0, 998.0]
    np.testing.assert_allclose(known.weight, 1e9 + batch * batches, rtol=1e-4)
    np.testing.assert_allclose(known.mean - mean, share * away, rtol=0.02)
    expected = (1 - share) * np.asarray(variance, np.float64) + share * x.var(0) + share * (1 - share) * away**2
    np.testing.assert_allclose(known.variance - variance, expected - np.asarray(variance, np.float64), rtol=0.02)


def test_a_hundred_thousand_batches_that_decay_end_where_exact_arithmetic_does():
    """Each moves the variance by less than half a unit in its last place; without its rest, it would stay at 1."""
    x, away = jnp.array([99.0, 101.004]), 100.002
    old = RunningMeanStd(*(jnp.array([v]) for v in (100.0, 0.0, 1.0, 0.0)), jnp.ones(()), 0.99999, 1e-8)
    known = jax.jit(lambda old: jax.lax.fori_loop(0, 100_000, lambda _, at: at.update(x), old))(old)
    kept = 0.99999**100_000
    mean = kept * 100.0 + (1 - kept) * away
    square = kept * (1.0 + 100.0**2) + (1 - kept) * (99.0**2 + 101.004**2) / 2
    np.testing.assert_allclose(known.mean - 100.0, [mean - 100.0], rtol=1e-2)
    np.testing.assert_allclose(known.variance - 1.0, [square - mean**2 - 1.0], rtol=1e-2)


def test_rows_that_do_not_count_change_no_bit_whatever_is_in_them():
    x, mask = jax.random.normal(jax.random.key(0), (6, 2)), jnp.array([True, False, True, True, False, True])
    for decay in (None, 0.9):
        fresh = RunningMeanStd.create(2, decay=decay)
        known = update(fresh, x, mask)
        for junk in (1e30, jnp.inf, jnp.nan):
            assert same(update(fresh, jnp.where(mask[:, None], x, junk), mask), known)
        assert same(update(known, x, jnp.zeros(6, bool)), known)
        assert same(update(fresh, x, jnp.zeros(6, bool)), fresh)


def test_numbers_are_standardised_and_at_most_ten_and_left_alone_before_there_are_rows():
    x = jnp.array([[1.0, 1000.1], [3.0, 1000.1]])
    fresh = RunningMeanStd.create(2)
    np.testing.assert_array_equal(fresh(x), x)
    running = update(fresh, x)
    np.testing.assert_allclose(running(x), [[-1.0, 0.0], [1.0, 0.0]], atol=1e-6)
    np.testing.assert_array_equal(running(jnp.array([[-99.0, 999.0], [99.0, 1001.0]])), [[-10.0, -10.0], [10.0, 10.0]])
    slope = jax.grad(lambda r: (r(x + 0.5) ** 2).sum())(running)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(slope))


def test_before_any_data_values_are_not_scaled():
    x = jnp.array([-3.0, 5.0])
    np.testing.assert_array_equal(value_scale().scale(x), x)
    np.testing.assert_array_equal(value_scale().unscale(x), x)
    assert value_scale().std == 1.0


def test_one_batch_of_returns_is_known_at_once_in_spite_of_the_slow_average():
    scale = value_scale().update(jnp.array([[-1.0, 5.0], [5.0, -1.0]]))
    np.testing.assert_allclose([scale.mean[0], scale.std[0]], [2.0, 3.0], rtol=1e-6)


def test_batches_that_decay_are_those_of_a_slow_loop_freed_of_their_start():
    draw, decay = np.random.default_rng(0), 0.9
    batches = draw.normal(3.0, 2.0, size=(7, 50))
    weights = np.array([(1 - decay) * decay ** (len(batches) - 1 - k) for k in range(len(batches))])
    known = fold(RunningMeanStd.create(1, decay=decay), jnp.array(batches, jnp.float32))
    first, second = (np.average([f(b) for b in batches], weights=weights) for f in (np.mean, lambda b: (b**2).mean()))
    np.testing.assert_allclose(known.mean[0], first, rtol=1e-5)
    np.testing.assert_allclose(known.std[0], np.sqrt(second - first**2), rtol=1e-5)
    np.testing.assert_allclose(known.weight, weights.sum(), rtol=1e-6)


def test_scaling_is_undone_and_the_deviation_of_values_never_falls_below_a_tenth():
    scale = value_scale().update(jnp.full(8, 5.0))
    np.testing.assert_allclose(scale.std, 0.1, rtol=1e-5)
    x = jnp.array([4.0, 5.5])
    np.testing.assert_allclose(scale.scale(x), [-10.0, 5.0], rtol=1e-4)
    np.testing.assert_allclose(scale.unscale(scale.scale(x)), x, rtol=1e-5)
