"""Damped Newton steps from many starts, for what both searches of equilibria do.

A start pulls everybody to itself at first; the pull falls to zero, and what then is left of the residual falls to zero
with it, or the start has failed. The next round of starts is tried only if all of one round have.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hamlet.types import Scalar

ACCEPTED = 1e-6  # regret of an equilibrium, where each player's payoffs are measured so that at most 1 can be gained
PULL = (*(2.0 * 0.6**step for step in range(16)), *(0.0,) * 12)
# Of the starts in 300 random games of 3, 5, 8 and 10 players with two choices and no pure equilibrium, 93, 75, 58 and
# 48 % find one: a second round is rare.
STARTS = 8
ROUNDS = 32
_DAMPING = 0.1


def paces() -> Float[np.ndarray, "rounds starts"]:
    """How far each start looks ahead in the direction of what pays: t between 0.1 and 1."""
    return 0.1 ** np.random.default_rng(1).random((ROUNDS, STARTS))


def first_success(
    attempt: Callable[[Float[Array, " m"], Scalar], tuple[Float[Array, " m"], Scalar]],
    starts: Float[Array, "rounds starts m"],
) -> Float[Array, " m"]:
    """Where the first start ends that ends in an equilibrium; if none does, where the regret is least.

    Args:
        attempt: From a start and a pace to where it ends, and the regret there.
        starts: By round.
    """
    how = jnp.asarray(paces(), starts.dtype)

    def go_on(state: tuple[Array, Array, Array]) -> Bool[Array, ""]:
        number, _, reached = state
        return (number < ROUNDS) & ~(reached < ACCEPTED)

    def advance(state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        number, best, least = state
        ends, regrets = jax.vmap(attempt)(starts[number], how[number])
        good = regrets < ACCEPTED
        chosen = jnp.where(jnp.any(good), jnp.argmax(good), jnp.nanargmin(regrets))
        better = regrets[chosen] < least
        return number + 1, jnp.where(better, ends[chosen], best), jnp.where(better, regrets[chosen], least)

    begin = (jnp.asarray(0), starts[0, 0], jnp.asarray(jnp.inf, starts.dtype))
    return jax.lax.while_loop(go_on, advance, begin)[1]


def damped_step(jacobian: Float[Array, "m m"], residual: Float[Array, " m"]) -> Float[Array, " m"]:
    """Levenberg's and Marquardt's step δ: (JᵀJ + μ I) δ = −Jᵀ F with μ = |F|² / 10, Newton's where F vanishes."""
    damping = _DAMPING * residual @ residual + 1e-9
    return _eliminate(
        jacobian.T @ jacobian + damping * jnp.eye(len(residual), dtype=residual.dtype), -jacobian.T @ residual
    )


def _eliminate(matrix: Float[Array, "m m"], right: Float[Array, " m"]) -> Float[Array, " m"]:
    """Solve matrix · x = right for a positive definite matrix, which needs no exchange of rows.

    For many such small systems it takes half the time of ``jnp.linalg.solve`` to compile, and less to run.
    """

    def clear(column: Array, system: Float[Array, " m width"]) -> Float[Array, " m width"]:
        row = system[column] / system[column, column]
        return (system - system[:, column, None] * row[None]).at[column].set(row)

    return jax.lax.fori_loop(0, len(right), clear, jnp.concatenate([matrix, right[:, None]], axis=1))[:, -1]
