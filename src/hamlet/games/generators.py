"""Random games of two players with two actions each, of the three classes of Pangallo et al., 2017, arXiv:1701.09043.

The paper defines the classes only. The payoffs here are the ones of MATRL's table 1, as its authors released them. The
row player's payoffs are [[a, b], [c, d]], the column player's [[e, g], [f, h]], and every u is a new sample from U(0,
1):

    coordination        b = u, d = b + u, c = d + u, a = c + u;    g = u, e = g + u, f = u, h = f + u
    anti-coordination   a = −1 − u, c = a + u;                     e = u, g = e + u, h = u, f = h + u
                        with probability ½:  b = |a| − u/10, d = min(|c|, b) − u/10
                        otherwise:           d = c + u/10, b = d + u/10
    cyclic              with probability ½:  a = ½ + u, c = −a + u/10, d = |c| − u/10, b = d − u/10;
                                             e = u, g = e + u, h = u, f = h + u
                        otherwise:           c = ½ + u, a = −c + u/10, b = |a| − u/10, d = b − u/10;
                                             g = u, e = g + u, f = u, h = f + u

Almost surely, the first two classes have three equilibria, two pure and one mixed. The third has a single equilibrium,
which is mixed. Each function samples one game; map it over keys for many games.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.types import Key

# One random number for each payoff, and one that selects one of two constructions.
_DRAWS = 9


def coordination(key: Key) -> Float[Array, "2 2 2"]:
    """Sample a coordination game, whose two pure equilibria are at equal actions; it is not a zero-sum game.

    >>> coordination(jax.random.key(0)).shape
    (2, 2, 2)
    """
    u = jax.random.uniform(key, (_DRAWS,))
    b = u[0]
    d = b + u[1]
    c = d + u[2]
    a = c + u[3]
    return _payoffs(a, b, c, d, *_agreeing(u[4:]))


def anti_coordination(key: Key) -> Float[Array, "2 2 2"]:
    """Sample a game whose two pure equilibria are at different actions of the two players.

    >>> anti_coordination(jax.random.key(0)).shape
    (2, 2, 2)
    """
    u = jax.random.uniform(key, (_DRAWS,))
    a = -1.0 - u[0]
    c = a + u[1]
    high_b = jnp.abs(a) - u[2] / 10
    high_d = jnp.minimum(jnp.abs(c), high_b) - u[3] / 10
    low_d = c + u[2] / 10
    low_b = low_d + u[3] / 10
    high = u[8] < 0.5
    return _payoffs(a, jnp.where(high, high_b, low_b), c, jnp.where(high, high_d, low_d), *_differing(u[4:]))


def cyclic(key: Key) -> Float[Array, "2 2 2"]:
    """Sample a game in which best responses form a cycle: its only equilibrium is mixed.

    >>> cyclic(jax.random.key(0)).shape
    (2, 2, 2)
    """
    u = jax.random.uniform(key, (_DRAWS,))
    first = 0.5 + u[0]
    second = -first + u[1] / 10
    third = jnp.abs(second) - u[2] / 10
    fourth = third - u[3] / 10
    meets = _payoffs(first, fourth, second, third, *_differing(u[4:]))
    mirrored = _payoffs(second, third, first, fourth, *_agreeing(u[4:]))
    return jnp.where(u[8] < 0.5, meets, mirrored)


GENERATORS: dict[str, Callable[[Key], Array]] = {
    "coordination": coordination,
    "anti-coordination": anti_coordination,
    "cyclic": cyclic,
}


def _agreeing(u: Float[Array, " u"]) -> tuple[Array, Array, Array, Array]:
    """Return the column player's e, f, g, h if its best response is the row player's action."""
    return u[0] + u[1], u[2], u[0], u[2] + u[3]


def _differing(u: Float[Array, " u"]) -> tuple[Array, Array, Array, Array]:
    """Return the column player's e, f, g, h if its best response is the other action."""
    return u[0], u[2] + u[3], u[0] + u[1], u[2]


def _payoffs(a: Array, b: Array, c: Array, d: Array, e: Array, f: Array, g: Array, h: Array) -> Float[Array, "2 2 2"]:
    """Return the payoffs ``[player, row, column]``."""
    return jnp.stack((a, b, c, d, e, g, f, h)).reshape(2, 2, 2)
