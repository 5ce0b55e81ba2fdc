"""Gradient play on games of two players with two choices each, computed exactly.

A point (p, q) holds each player's probability of its first choice. Payoffs are ``[player, row, column]``, values are
bilinear, and a player's own slope depends on the other's probability alone:

    ∂V₁/∂p = q u₁ + P₁[0,1] − P₁[1,1],      uᵢ = Pᵢ[0,0] − Pᵢ[0,1] − Pᵢ[1,0] + Pᵢ[1,1],
    ∂V₂/∂q = p u₂ + P₂[1,0] − P₂[1,1].

A rule says where both players go from a point, at once; Π projects onto [0, 1]². MATRL is what its equations say
(Multi-Agent Trust Region Learning, ICLR 2021 submission; later arXiv:2106.06828). Its authors' script weighs two of the
four cells of the meta-game wrongly and adds 100 times a KL value, not its gradient, to the slope: neither is done here.
Functions are of one game and one point, in the precision of what they are given; map them over games for many.
"""

from collections.abc import Callable
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.games import binary


class Rule(Protocol):
    """A way to play: the next point from a game ``[player, row, column]`` and a point (p, q)."""

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """The next point."""
        ...


class Iga(eqx.Module):
    """Infinitesimal gradient ascent, with steps of a finite size: z′ = Π(z + β ∇V(z)).

    Reference: Singh, Kearns and Mansour, 2000.

    Attributes:
        size: β > 0.
    """

    size: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Each climbs against the other's present probability."""
        return ahead(payoffs, point, self.size)


class IgaPp(eqx.Module):
    """IGA with policy prediction: each climbs against where the other is about to go.

        p′ = Π(p + β ∂V₁/∂p(p, q + γ ∂V₂/∂q)),      q′ likewise.

    The forecast is not projected, as in Zhang and Lesser, 2010: beyond the edge it still says in which direction the
    other would go on. `IlPp`, whose forecast is a policy, is otherwise the same.

    Attributes:
        size: β > 0.
        lookahead: γ ≥ 0.
    """

    size: float = 0.02
    lookahead: float = 0.01

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Each climbs against the other's forecast."""
        return answer(payoffs, point, point + self.lookahead * slope(payoffs, point), self.size)


class WolfIga(eqx.Module):
    """Win or learn fast: small steps while one earns more than with one's equilibrium strategy, else large ones.

        z_i′ = Π(z_i + β_i ∂V_i/∂z_i),      β₁ = winning where V₁(p, q) > V₁(p*, q), else losing.

    The equilibrium (p*, q*) is given to the players: the first pure one in the order of rows and columns, the mixed one
    where there is none. Reference: Bowling and Veloso, 2002.

    Attributes:
        winning: The size of a step while winning, > 0.
        losing: The size of a step while losing, > 0.
    """

    winning: float = 0.02
    losing: float = 0.06

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Each climbs against the other's present probability, by a size of its own."""
        points, there = equilibria(payoffs)
        known = points[jnp.argmax(there)]
        reference_points = jnp.stack((jnp.stack((known[0], point[1])), jnp.stack((point[0], known[1]))))
        held = jnp.stack([value(payoffs, reference_points[player])[player] for player in (0, 1)])
        winning = value(payoffs, point) > held
        return project(point + jnp.where(winning, self.winning, self.losing) * slope(payoffs, point))


class Lola(eqx.Module):
    """Learning with opponent-learning awareness: each also shapes the step that the other is about to take.

        p′ = Π(p + β [∂V₁/∂p + γ (∂V₁/∂q) ∂²V₂/∂p∂q]),      q′ likewise.

    The first-order update of Foerster et al., 2018, arXiv:1709.04326, section 4.2, with exact values. It drops that
    ∂V₁/∂q depends on p as well; that part alone, without the shaping, is `IgaPp`.

    Attributes:
        size: β > 0.
        lookahead: γ ≥ 0, the size of the other's step.
    """

    size: float = 0.03
    lookahead: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Each climbs, and bends the other's step to its own gain."""
        every = slopes(payoffs, point)
        shaping = jnp.stack((every[0, 1], every[1, 0])) * coupling(payoffs)[::-1]
        return project(point + self.size * (jnp.diagonal(every) + self.lookahead * shaping))


class IlPp(eqx.Module):
    """MATRL without its meta-game: each answers the other's predicted policy, ẑ = Π(z + η ∇V(z)).

        p′ = Π(p + β ∂V₁/∂p(p, q̂)),      q′ likewise.

    Attributes:
        size: β > 0, of the answer.
        predicted: η > 0, of the predicted step.
    """

    size: float = 0.03
    predicted: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Each climbs against the other's prediction."""
        return answer(payoffs, point, ahead(payoffs, point, self.predicted), self.size)


class Matrl(eqx.Module):
    """Multi-agent trust region learning: predict, solve the game between staying and stepping, answer the mixture.

        ẑ = Π(z + η ∇V(z)),      G_i[c] = V_i(p^c₁, q^c₂) − V_i(p, q),      ρ a Nash equilibrium of G,
        z̄ = ρ z + (1 − ρ) ẑ,      p′ = Π(p + β ∂V₁/∂p(p, q̄)),      q′ likewise.

    Attributes:
        size: β > 0, of the answer.
        predicted: η > 0, of the predicted step.
    """

    size: float = 0.03
    predicted: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Each climbs against the other's mixture."""
        return answer(payoffs, point, self.stable(payoffs, point), self.size)

    def stable(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """z̄: with the point itself, the corners of the trust stable region."""
        return mixture(payoffs, point, ahead(payoffs, point, self.predicted))


class MatrlWithoutBestResponse(eqx.Module):
    """MATRL that stops at the mixture: z′ = z̄ = ρ z + (1 − ρ) Π(z + η ∇V(z)).

    Attributes:
        predicted: η > 0, of the predicted step.
    """

    predicted: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Both go to their mixtures."""
        return self.stable(payoffs, point)

    def stable(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """z̄: with the point itself, the corners of the trust stable region."""
        return mixture(payoffs, point, ahead(payoffs, point, self.predicted))


def value(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """V_i(p, q) of both players.

    >>> pennies = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> value(pennies, jnp.array([1.0, 0.75]))
    Array([ 0.5, -0.5], dtype=float32)
    """
    return payoffs[:, 1, 1] + (alone(payoffs) * point[None]).sum(-1) + coupling(payoffs) * point[0] * point[1]


def slopes(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, "2 2"]:
    """∂V_i/∂p and ∂V_i/∂q of each player i."""
    return alone(payoffs) + coupling(payoffs)[:, None] * point[None, ::-1]


def slope(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Each player's own: ∂V₁/∂p and ∂V₂/∂q.

    >>> pennies = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> slope(pennies, jnp.array([1.0, 0.75]))
    Array([ 1., -2.], dtype=float32)
    """
    return jnp.diagonal(slopes(payoffs, point))


def alone(payoffs: Float[Array, "2 2 2"]) -> Float[Array, "2 2"]:
    """The slopes where the other never makes its first choice: Pᵢ[0,1] − Pᵢ[1,1] and Pᵢ[1,0] − Pᵢ[1,1]."""
    return jnp.stack((payoffs[:, 0, 1], payoffs[:, 1, 0]), -1) - payoffs[:, 1, 1, None]


def coupling(payoffs: Float[Array, "2 2 2"]) -> Float[Array, " 2"]:
    """uᵢ = ∂²Vᵢ/∂p∂q."""
    return payoffs[:, 0, 0] - payoffs[:, 0, 1] - payoffs[:, 1, 0] + payoffs[:, 1, 1]


def answer(
    payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"], seen: Float[Array, " 2"], size: float | Array
) -> Float[Array, " 2"]:
    """Both climb from where they are against what they take the other to play."""
    return project(point + size * slope(payoffs, seen))


def ahead(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"], size: float | Array) -> Float[Array, " 2"]:
    """Where both go if each climbs against what the other plays now."""
    return answer(payoffs, point, point, size)


def project(point: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Π, onto [0, 1]²."""
    return jnp.clip(point, 0.0, 1.0)


def restricted(
    payoffs: Float[Array, "2 2 2"], current: Float[Array, " 2"], predicted: Float[Array, " 2"]
) -> Float[Array, "2 2 2"]:
    """The meta-game G ``[player, row's choice, column's choice]``: 0 to stay as one is, 1 to do as predicted.

    What both gain over the current point, expanded around it: values are bilinear, so that this is exact, and the
    small differences of small steps are not those of large numbers.
    """
    change = predicted - current
    row, column = (slopes(payoffs, current) * change[None]).T
    both = row + column + coupling(payoffs) * change[0] * change[1]
    return jnp.stack((jnp.zeros_like(row), column, row, both), -1).reshape(2, 2, 2)


def kept(
    payoffs: Float[Array, "2 2 2"], current: Float[Array, " 2"], predicted: Float[Array, " 2"]
) -> Float[Array, " 2"]:
    """ρ: with which probability each stays, in the equilibrium that `hamlet.games.binary` finds of the meta-game."""
    return binary.equilibrium(restricted(payoffs, current, predicted)).first


def mixture(
    payoffs: Float[Array, "2 2 2"], current: Float[Array, " 2"], predicted: Float[Array, " 2"]
) -> Float[Array, " 2"]:
    """z̄ = ρ z + (1 − ρ) ẑ."""
    rho = kept(payoffs, current, predicted)
    return rho * current + (1.0 - rho) * predicted


def equilibria(payoffs: Float[Array, "2 2 2"]) -> tuple[Float[Array, "5 2"], Bool[Array, " 5"]]:
    """Every isolated Nash equilibrium: the four pure points, then the mixed one, and which of them are equilibria.

    The mixed one makes both indifferent: p* = (P₂[1,1] − P₂[1,0]) / u₂, q* = (P₁[1,1] − P₁[0,1]) / u₁. This is
    `hamlet.games.solvers.two_by_two` for compiled programs: of a size that does not depend on the game.

    >>> coordinate = jnp.stack([jnp.eye(2)] * 2)
    >>> points, there = equilibria(coordinate)
    >>> points[there].tolist()
    [[1.0, 1.0], [0.0, 0.0], [0.5, 0.5]]
    """
    row = payoffs[0] >= payoffs[0, ::-1]
    column = payoffs[1] >= payoffs[1, :, ::-1]
    pure = jnp.array([[1.0, 1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], payoffs.dtype)
    u = coupling(payoffs)
    divided = jnp.where(u == 0, 1.0, u)
    mixed = -(jnp.diagonal(alone(payoffs)) / divided)[::-1]
    inside = ((mixed > 0) & (mixed < 1) & (u != 0)).all()
    return jnp.concatenate((pure, mixed[None])), jnp.append((row & column).reshape(4), inside)


def follow(rule: Rule, payoffs: Float[Array, "2 2 2"], start: Float[Array, " 2"], steps: int) -> Float[Array, "T 2"]:
    """The points from a start on, the start among them.

    >>> pennies = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> follow(Iga(0.25), pennies, jnp.array([0.5, 0.25]), 2).tolist()
    [[0.5, 0.25], [0.25, 0.25], [0.0, 0.5]]
    """

    def onward(point: Array, _: None) -> tuple[Array, Array]:
        following = rule.step(payoffs, point)
        return following, following

    _, points = jax.lax.scan(onward, start, length=steps)
    return jnp.concatenate((start[None], points))


def arrival(path: Float[Array, "T 2"], payoffs: Float[Array, "2 2 2"], within: float | Array) -> Int[Array, ""]:
    """The first step of a path that is near an equilibrium in both probabilities; −1 where there is none."""
    points, there = equilibria(payoffs)
    near = (jnp.abs(path[:, None] - points[None]) < within).all(-1) & there[None]
    return jnp.where(near.any(), jnp.argmax(near.any(-1)), -1)


RULES: dict[str, Callable[..., Rule]] = {
    "iga": Iga,
    "iga-pp": IgaPp,
    "wolf-iga": WolfIga,
    "lola": Lola,
    "il-pp": IlPp,
    "matrl": Matrl,
    "matrl-without-response": MatrlWithoutBestResponse,
}
