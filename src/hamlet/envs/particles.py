"""The particle world of MPE: round bodies of mass one on a plane, pushed by actions and by contact.

One step of 0.1 seconds moves every body by the velocity it had, damps that velocity by a quarter, and adds what the
forces bring; the forces are those at the positions left behind.

Reference: Lowe et al., 2017, arXiv:1706.02275. The numbers and their order are those of mpe2 1.1.1, against which the
tests hold every task. A departure: two bodies at one point push each other not at all, where mpe2 divides by zero.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hamlet.errors import RequestError
from hamlet.spaces import Box, Discrete

INTERVAL = 0.1
DAMPING = 0.25
SENSITIVITY = 5.0
CONTACT_FORCE = 100.0
CONTACT_MARGIN = 0.001

MOVES = 5
"""Stay, left, right, down, up: five choices, or five strengths in [0, 1]."""


def unbounded(width: int) -> Box:
    """The space of observations of one width."""
    return Box(-float("inf"), float("inf"), (width,))


def actions(moves: int, words: int, continuous: bool) -> Box | Discrete:
    """The space of one agent's actions: every move with every word, or a strength in [0, 1] for each."""
    return Box(0.0, 1.0, (moves + words,)) if continuous else Discrete(max(moves, 1) * max(words, 1))


def refuse_unless(holds: bool, message: str) -> None:
    """Refuse an argument.

    Raises:
        RequestError: If the condition does not hold.
    """
    if not holds:
        raise RequestError(message)


def pushed(strength: Float[Array, "N 5"]) -> Float[Array, "N 2"]:
    """The force of continuous moves, which are clipped to [0, 1]."""
    strength = jnp.clip(strength, 0.0, 1.0)
    return SENSITIVITY * (strength[:, 2::2] - strength[:, 1::2])


def chosen(move: Int[Array, " N"]) -> Float[Array, "N 2"]:
    """The force of discrete moves."""
    axis = jnp.arange(2)
    up = move[:, None] == 2 * axis + 2
    down = move[:, None] == 2 * axis + 1
    return SENSITIVITY * (up.astype(jnp.float32) - down.astype(jnp.float32))


def contact(position: Float[Array, "N 2"], radius: float) -> Float[Array, "N 2"]:
    """The force on every body from touching the others of its radius.

    fᵢ = c Σⱼ (xᵢ − xⱼ) / d · k log(1 + exp((2 r − d) / k)),      d = |xᵢ − xⱼ|.
    """
    offset = position[:, None] - position[None]
    squared = jnp.square(offset).sum(-1)
    # The floor makes a body's force on itself zero without a mask, and that of bodies at one point finite.
    inverse = jax.lax.rsqrt(jnp.maximum(squared, 1e-30))
    depth = (2 * radius - squared * inverse) / CONTACT_MARGIN
    softened = jnp.maximum(depth, 0.0) + jnp.log(1.0 + jnp.exp(-jnp.abs(depth)))
    return ((CONTACT_FORCE * CONTACT_MARGIN) * (inverse * softened)[..., None] * offset).sum(1)


def moved(
    position: Float[Array, "N 2"], velocity: Float[Array, "N 2"], force: Float[Array, "N 2"]
) -> tuple[Float[Array, "N 2"], Float[Array, "N 2"]]:
    """Position and velocity one interval later."""
    return position + velocity * INTERVAL, velocity * (1 - DAMPING) + force * INTERVAL
