"""Running means and variances: against float64, over many rows, and with rows that do not count."""

import jax
import jax.numpy as jnp
import numpy as np

from hamlet.networks.running import Running
from pieces import same

merge = jax.jit(Running.merge)


def test_the_moments_are_those_of_all_rows_that_count():
    rng = np.random.default_rng(0)
    rows = [rng.normal([0.0, 50.0, -3.0], [1.0, 0.1, 20.0], (40, 2, 3)).astype(np.float32) for _ in range(5)]
    masks = [rng.random((40, 2)) < chance for chance in (1.0, 0.5, 0.0, 0.1, 0.9)]
    running = Running.create(3)
    for x, mask in zip(rows, masks, strict=True):
        running = merge(running, jnp.array(x), jnp.array(mask))
    counted = np.concatenate([x[mask] for x, mask in zip(rows, masks, strict=True)]).astype(np.float64)
    assert running.count == len(counted)
    np.testing.assert_allclose(running.mean, counted.mean(0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(running.variance, counted.var(0), rtol=1e-4)
    unmasked = merge(Running.create(3), jnp.array(rows[0]))
    np.testing.assert_allclose(unmasked.mean, rows[0].astype(np.float64).mean((0, 1)), rtol=1e-6, atol=1e-6)


def test_after_a_thousand_million_rows_a_batch_still_moves_the_mean_by_its_share():
    """A shift to a mean that is 1,000 deviations away from 0: each batch moves it by a tenth of its last place."""
    batch, batches = 4000, 2000
    rows = jax.random.normal(jax.random.key(0), (batch, 2)) + jnp.array([0.0, 1000.0])[None]
    old = Running(jnp.array([1.0, 998.0]), jnp.zeros(2), jnp.array([2.0, 1.0]), jnp.float32(1e9))
    found = jax.jit(lambda old, x: jax.lax.scan(lambda at, _: (at.merge(x), None), old, None, batches)[0])(old, rows)
    x, share = np.asarray(rows, np.float64), batch * batches / (1e9 + batch * batches)
    apart = x.mean(0) - [1.0, 998.0]
    np.testing.assert_allclose(found.count, 1e9 + batch * batches, rtol=1e-4)
    np.testing.assert_allclose(found.mean - jnp.array([1.0, 998.0]), share * apart, rtol=0.02)
    expected = (1 - share) * np.array([2.0, 1.0]) + share * x.var(0) + share * (1 - share) * apart**2
    np.testing.assert_allclose(found.variance, expected, rtol=1e-4)


def test_rows_that_do_not_count_change_no_bit_whatever_is_in_them():
    x, mask = jax.random.normal(jax.random.key(0), (6, 2)), jnp.array([True, False, True, True, False, True])
    found = merge(Running.create(2), x, mask)
    for junk in (1e30, jnp.inf, jnp.nan):
        assert same(merge(Running.create(2), jnp.where(mask[:, None], x, junk), mask), found)
    assert same(merge(found, x, jnp.zeros(6, bool)), found)


def test_numbers_are_standardised_and_at_most_ten_and_left_alone_before_there_are_rows():
    x = jnp.array([[1.0, 1000.1], [3.0, 1000.1]])
    fresh = Running.create(2)
    np.testing.assert_array_equal(fresh(x), x)
    running = merge(fresh, x)
    np.testing.assert_allclose(running(x), [[-1.0, 0.0], [1.0, 0.0]], atol=1e-6)
    np.testing.assert_array_equal(running(jnp.array([[-99.0, 999.0], [99.0, 1001.0]])), [[-10.0, -10.0], [10.0, 10.0]])
    slope = jax.grad(lambda r: (r(x + 0.5) ** 2).sum())(running)
    assert all((leaf == 0).all() for leaf in jax.tree.leaves(slope))
