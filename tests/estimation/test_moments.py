"""The running normaliser of values."""

import jax.numpy as jnp
import numpy as np

from hamlet.estimation.moments import Moments


def test_before_any_data_nothing_is_scaled():
    x = jnp.array([-3.0, 5.0])
    np.testing.assert_array_equal(Moments.create().scale(x), x)
    np.testing.assert_array_equal(Moments.create().unscale(x), x)


def test_one_batch_is_known_at_once_in_spite_of_the_slow_average():
    moments = Moments.create().update(jnp.float32(2.0), jnp.float32(13.0), beta=0.99999)
    np.testing.assert_allclose([moments.mean, moments.std], [2.0, 3.0], rtol=1e-3)


def test_updates_are_those_of_a_slow_loop_freed_of_their_start():
    draw, beta = np.random.default_rng(0), 0.9
    batches = draw.normal(3.0, 2.0, size=(7, 50))
    moments = Moments.create()
    weights = np.array([(1 - beta) * beta ** (len(batches) - 1 - k) for k in range(len(batches))])
    for batch in batches:
        moments = moments.update(jnp.float32(batch.mean()), jnp.float32((batch**2).mean()), beta=beta)
    first, second = (np.average([f(b) for b in batches], weights=weights) for f in (np.mean, lambda b: (b**2).mean()))
    np.testing.assert_allclose(moments.mean, first, rtol=1e-4)
    np.testing.assert_allclose(moments.std, np.sqrt(second - first**2), rtol=1e-4)


def test_scaling_is_undone_and_the_deviation_never_falls_below_a_tenth():
    moments = Moments.create().update(jnp.float32(5.0), jnp.float32(25.0), beta=0.9)
    np.testing.assert_allclose(moments.std, 0.1, rtol=1e-5)
    x = jnp.array([4.0, 5.5])
    np.testing.assert_allclose(moments.scale(x), [-10.0, 5.0], rtol=1e-4)
    np.testing.assert_allclose(moments.unscale(moments.scale(x)), x, rtol=1e-5)
