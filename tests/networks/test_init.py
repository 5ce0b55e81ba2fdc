"""Initial weights."""

import jax
import jax.numpy as jnp
import numpy as np

from hamlet.networks.init import orthogonal


def test_rows_or_columns_are_orthonormal_times_the_gain():
    for rows, columns in ((3, 5), (5, 3)):
        weight = orthogonal(jax.random.key(0), rows, columns, gain=2.0)
        square = weight @ weight.T if rows < columns else weight.T @ weight
        np.testing.assert_allclose(square, 4.0 * np.eye(3), atol=1e-5)


def test_several_matrices_are_decomposed_one_after_another():
    """Two batched decompositions at once can wait for each other for ever (jaxlib 0.10)."""
    make = jax.jit(jax.vmap(lambda key: orthogonal(key, 3, 3, gain=1.0)))
    keys = jax.random.split(jax.random.key(0), 2)
    calls = [line for line in make.lower(keys).as_text().splitlines() if "lapack" in line]
    assert calls and not any("2x3x3" in line for line in calls)
    alone = jnp.stack([orthogonal(key, 3, 3, gain=1.0) for key in keys])
    np.testing.assert_array_equal(make(keys), alone)
