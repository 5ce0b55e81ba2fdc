"""The particle world of MPE: round bodies of mass one on a plane, moved by actions and contact forces.

One step lasts 0.1 seconds. It moves every body by its old velocity, reduces that velocity by a quarter, and adds the
effect of the forces. The forces are computed at the old positions.

Reference: Lowe et al., 2017, arXiv:1706.02275. The numbers and their order are equal to mpe2 1.1.1; the tests compare
every task with it. One difference: two bodies at the same point exert no force on each other; mpe2 divides by zero.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_batching import custom_vmap
from jaxtyping import Array, Float, Int

from hamlet.errors import RequestError
from hamlet.spaces import Box, Discrete

INTERVAL = 0.1
DAMPING = 0.25
SENSITIVITY = 5.0
CONTACT_FORCE = 100.0
CONTACT_MARGIN = 0.001

# For drawing: a landmark's radius as in mpe2, and the visible area: the square of the first positions with a margin.
LANDMARK_RADIUS = 0.05
VIEW = (-1.3, -1.3, 1.3, 1.3)

MOVES = 5
"""Stay, left, right, down, up: five discrete actions, or five strengths in [0, 1]."""


def unbounded(width: int) -> Box:
    """Return the space of observations with ``width`` numbers and no bounds."""
    return Box(-float("inf"), float("inf"), (width,))


def actions(moves: int, words: int, continuous: bool) -> Box | Discrete:
    """Return the space of an agent's actions: every pair of move and word, or a strength in [0, 1] for each."""
    return Box(0.0, 1.0, (moves + words,)) if continuous else Discrete(max(moves, 1) * max(words, 1))


def spoken(words: np.ndarray) -> str:
    """Return the spoken word, or the strongest of several words: A, B, C and so on."""
    return chr(ord("A") + int(np.argmax(words)))


def refuse_unless(holds: bool, message: str) -> None:
    """Refuse an argument.

    Raises:
        RequestError: The condition does not hold.
    """
    if not holds:
        raise RequestError(message)


def pushed(strength: Float[Array, "N 5 *E"]) -> Float[Array, "N 2 *E"]:
    """Return the force of continuous moves, whose strengths are clipped to [0, 1]."""
    strength = jnp.clip(strength, 0.0, 1.0)
    return SENSITIVITY * (strength[:, 2::2] - strength[:, 1::2])


def chosen(move: Int[Array, " N *E"]) -> Float[Array, "N 2 *E"]:
    """Return the force of discrete moves."""
    across = (move == 2).astype(jnp.float32) - (move == 1).astype(jnp.float32)
    along = (move == 4).astype(jnp.float32) - (move == 3).astype(jnp.float32)
    return SENSITIVITY * jnp.stack((across, along), 1)


def copies_last(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make ``vmap`` put the environment copies on the last axis, so that a CPU's inner loop runs over them.

    Without it, the inner loop runs over the few agents. With 1,024 copies and three agents, a step of simple spread is
    about four times as fast with it as without it. The disadvantage: the result has no reverse-mode derivative.

    Args:
        function: Takes and returns arrays with any number of trailing axes ``*E``; works element by element over them.
    """
    batched = custom_vmap(function)

    @batched.def_vmap
    def rule(axis_size: int, is_batched: list[bool], *arrays: Array) -> tuple[Any, Any]:
        last = (
            jnp.moveaxis(array, 0, -1) if moves else jnp.broadcast_to(array[..., None], (*array.shape, axis_size))
            for array, moves in zip(arrays, is_batched, strict=True)
        )
        results = jax.tree.map(lambda array: jnp.moveaxis(array, -1, 0), batched(*last))
        return results, jax.tree.map(lambda _: True, results)

    return batched


def squared_distances(here: Float[Array, "N 2 *E"], there: Float[Array, "M 2 *E"]) -> Float[Array, "N M *E"]:
    """Return the squared distance from each of N points to each of M points."""
    return jnp.square(here[:, None, 0] - there[None, :, 0]) + jnp.square(here[:, None, 1] - there[None, :, 1])


def contact(position: Float[Array, "N 2 *E"], radius: float) -> Float[Array, "N 2 *E"]:
    """Return the contact force on every body; all bodies have the same radius r.

    fᵢ = c Σⱼ (xᵢ − xⱼ) / d · k log(1 + exp((2 r − d) / k)),      d = |xᵢ − xⱼ|.

    xᵢ is the position of body i, c the contact force (`CONTACT_FORCE`), and k the softness (`CONTACT_MARGIN`).
    """
    across = position[:, None, 0] - position[None, :, 0]
    along = position[:, None, 1] - position[None, :, 1]
    squared = jnp.square(across) + jnp.square(along)
    # The lower bound makes a body's force on itself zero without a mask, and keeps the force finite at distance zero.
    inverse = jax.lax.rsqrt(jnp.maximum(squared, 1e-30))
    depth = (2 * radius - squared * inverse) / CONTACT_MARGIN
    softened = jnp.maximum(depth, 0.0) + jnp.log(1.0 + jnp.exp(-jnp.abs(depth)))
    # Without this barrier, the compiler recomputes the strength for both coordinates and again for every use.
    strength = jax.lax.optimization_barrier((CONTACT_FORCE * CONTACT_MARGIN) * inverse * softened)
    # The coordinates are summed separately: one sum over both compiles to a loop five times as slow at 1,024 copies.
    return jnp.stack(((strength * across).sum(1), (strength * along).sum(1)), 1)


def moved(
    position: Float[Array, "N 2 *E"], velocity: Float[Array, "N 2 *E"], force: Float[Array, "N 2 *E"]
) -> tuple[Float[Array, "N 2 *E"], Float[Array, "N 2 *E"]]:
    """Return position and velocity one interval later."""
    return position + velocity * INTERVAL, velocity * (1 - DAMPING) + force * INTERVAL
