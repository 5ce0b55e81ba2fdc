"""Linear algebra of the natural gradient, on flat vectors and in the precision of the parameters."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Vector = Float[Array, " P"]


def conjugate_gradient(
    product: Callable[[Vector], Vector], target: Vector, *, iterations: int, tolerance: float = 1e-10
) -> tuple[Vector, Vector]:
    """Solve F x = b approximately by the conjugate gradient method, and return x and the residual b − F x.

    F is symmetric positive definite; ``product`` computes F v, ``target`` is b. The method starts at x = 0. When
    ‖b − F x‖² reaches ``tolerance``, the remaining iterations do not change x, so the cost is always the same. Products
    use the full precision of the parameters on every device. By default accelerators multiply float32 with fewer bits,
    and the directions would not stay conjugate.

    Reference: Hestenes and Stiefel, 1952; its use for policies in Schulman et al., 2015, arXiv:1502.05477, appendix C.
    """

    def step(state: tuple[Vector, Vector, Vector, Array], _: None) -> tuple[tuple[Vector, Vector, Vector, Array], None]:
        x, residual, direction, square = state
        image = product(direction)
        curvature = direction @ image
        going = (square > tolerance) & (curvature > 0)
        length = jnp.where(going, square / jnp.where(going, curvature, 1.0), 0.0)
        x, residual = x + length * direction, residual - length * image
        after = residual @ residual
        direction = jnp.where(going, residual + after / jnp.where(going, square, 1.0) * direction, direction)
        return (x, residual, direction, jnp.where(going, after, square)), None

    with jax.default_matmul_precision("highest"):
        start = (jnp.zeros_like(target), target, target, target @ target)
        x, residual, _, _ = jax.lax.scan(step, start, None, length=iterations)[0]
    return x, residual


def backtrack(
    acceptable: Callable[[Array], Array], *, first: Array, shrink: float, tries: int
) -> tuple[Float[Array, ""], Array]:
    """Find the first acceptable length among ``first``, ``first·shrink``, ``first·shrink²``, … (backtracking).

    Evaluation stops at the first acceptable length.

    Returns:
        The length, or 0 if none of ``tries`` lengths is acceptable; and the number of evaluated lengths.
    """

    def going(state: tuple[Array, Array, Array]) -> Array:
        _, count, accepted = state
        return ~accepted & (count < tries)

    def attempt(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        length, count, _ = state
        accepted = acceptable(length)
        return jnp.where(accepted, length, length * shrink), count + 1, accepted

    length, count, success = jax.lax.while_loop(going, attempt, (first, jnp.zeros((), jnp.int32), jnp.zeros((), bool)))
    return jnp.where(success, length, 0.0), count
