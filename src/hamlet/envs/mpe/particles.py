"""The particle world of MPE: round bodies of mass one on a plane, pushed by actions and by contact.

One step of 0.1 seconds moves every body by the velocity it had, damps that velocity by a quarter, and adds what the
forces bring; the forces are those at the positions left behind.

Reference: Lowe et al., 2017, arXiv:1706.02275. The numbers and their order are those of mpe2 1.1.1, against which the
tests hold every task. A departure: two bodies at one point push each other not at all, where mpe2 divides by zero.
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

# Of what is drawn: a landmark's radius as in mpe2, and the square in which games begin, with some room around it.
LANDMARK_RADIUS = 0.05
VIEW = (-1.3, -1.3, 1.3, 1.3)

MOVES = 5
"""Stay, left, right, down, up: five choices, or five strengths in [0, 1]."""


def unbounded(width: int) -> Box:
    """The space of observations of one width."""
    return Box(-float("inf"), float("inf"), (width,))


def actions(moves: int, words: int, continuous: bool) -> Box | Discrete:
    """The space of one agent's actions: every move with every word, or a strength in [0, 1] for each."""
    return Box(0.0, 1.0, (moves + words,)) if continuous else Discrete(max(moves, 1) * max(words, 1))


def spoken(words: np.ndarray) -> str:
    """The word that was said, or the strongest of several: A, B, C and so on."""
    return chr(ord("A") + int(np.argmax(words)))


def refuse_unless(holds: bool, message: str) -> None:
    """Refuse an argument.

    Raises:
        RequestError: If the condition does not hold.
    """
    if not holds:
        raise RequestError(message)


def pushed(strength: Float[Array, "N 5 *E"]) -> Float[Array, "N 2 *E"]:
    """The force of continuous moves, which are clipped to [0, 1]."""
    strength = jnp.clip(strength, 0.0, 1.0)
    return SENSITIVITY * (strength[:, 2::2] - strength[:, 1::2])


def chosen(move: Int[Array, " N *E"]) -> Float[Array, "N 2 *E"]:
    """The force of discrete moves."""
    across = (move == 2).astype(jnp.float32) - (move == 1).astype(jnp.float32)
    along = (move == 4).astype(jnp.float32) - (move == 3).astype(jnp.float32)
    return SENSITIVITY * jnp.stack((across, along), 1)


def copies_last(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``vmap`` put the copies on the last axis, so that a CPU's inner loop runs over them, not over a few agents.

    At 1,024 copies of three agents this makes a step of spread about four times as fast. The
    price: the result has no reverse-mode derivative.

    Args:
        function: Takes and gives arrays of any number of trailing axes ``*E``, over which it works element by element.
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
    """The squared distance from each of some points to each of others."""
    return jnp.square(here[:, None, 0] - there[None, :, 0]) + jnp.square(here[:, None, 1] - there[None, :, 1])


def contact(position: Float[Array, "N 2 *E"], radius: float) -> Float[Array, "N 2 *E"]:
    """The force on every body from touching the others, all of one radius.

    fᵢ = c Σⱼ (xᵢ − xⱼ) / d · k log(1 + exp((2 r − d) / k)),      d = |xᵢ − xⱼ|.
    """
    across = position[:, None, 0] - position[None, :, 0]
    along = position[:, None, 1] - position[None, :, 1]
    squared = jnp.square(across) + jnp.square(along)
    # The floor makes a body's force on itself zero without a mask, and that of bodies at one point finite.
    inverse = jax.lax.rsqrt(jnp.maximum(squared, 1e-30))
    depth = (2 * radius - squared * inverse) / CONTACT_MARGIN
    softened = jnp.maximum(depth, 0.0) + jnp.log(1.0 + jnp.exp(-jnp.abs(depth)))
    # Held here, or the compiler works it out anew for both coordinates and again for every reader.
    strength = jax.lax.optimization_barrier((CONTACT_FORCE * CONTACT_MARGIN) * inverse * softened)
    # The two coordinates apart: one sum over both is compiled into a loop five times as slow at 1,024 copies.
    return jnp.stack(((strength * across).sum(1), (strength * along).sum(1)), 1)


def moved(
    position: Float[Array, "N 2 *E"], velocity: Float[Array, "N 2 *E"], force: Float[Array, "N 2 *E"]
) -> tuple[Float[Array, "N 2 *E"], Float[Array, "N 2 *E"]]:
    """Position and velocity one interval later."""
    return position + velocity * INTERVAL, velocity * (1 - DAMPING) + force * INTERVAL
