"""Conjugate gradient and backtracking."""

import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.haml.linalg import backtrack, conjugate_gradient


def system(seed, size):
    draw = np.random.default_rng(seed)
    root = draw.normal(size=(size, size))
    return jnp.asarray(root @ root.T / size + np.eye(size), jnp.float32), jnp.asarray(
        draw.normal(size=size), jnp.float32
    )


@pytest.mark.parametrize("seed", range(3))
def test_conjugate_gradient_solves_what_numpy_solves(seed):
    matrix, target = system(seed, 6)
    x, residual = conjugate_gradient(lambda v: matrix @ v, target, iterations=12)
    np.testing.assert_allclose(x, np.linalg.solve(np.asarray(matrix, np.float64), target), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(residual, target - matrix @ x, atol=1e-4)


def test_the_residual_is_that_of_an_unfinished_solution():
    matrix, target = system(3, 8)
    x, residual = conjugate_gradient(lambda v: matrix @ v, target, iterations=2)
    assert jnp.linalg.norm(residual) > 1e-3
    np.testing.assert_allclose(residual, target - matrix @ x, atol=1e-4)


def test_further_iterations_leave_a_solution_as_it_is_and_nothing_stays_nothing():
    matrix, target = system(4, 5)
    few, many = (conjugate_gradient(lambda v: matrix @ v, target, iterations=n)[0] for n in (8, 40))
    np.testing.assert_allclose(few, many, rtol=1e-5, atol=1e-6)
    for x in conjugate_gradient(lambda v: matrix @ v, jnp.zeros(5), iterations=3):
        np.testing.assert_array_equal(x, np.zeros(5))


@pytest.mark.parametrize(("bound", "length", "count"), [(1.0, 1.0, 1), (0.6, 0.5, 2), (0.2, 0.125, 4), (0.1, 0.0, 4)])
def test_backtracking_gives_the_first_acceptable_length_or_none(bound, length, count):
    found, tried = backtrack(lambda x: x <= bound, first=jnp.float32(1.0), shrink=0.5, tries=4)
    assert (float(found), int(tried)) == (length, count)
