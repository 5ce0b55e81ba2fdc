"""Gradient play on games of two players with two actions each, computed exactly.

A point z = (p, q) holds each player's probability of its first action. Payoffs P are ``[player, row, column]``, and Vᵢ
is player i's expected payoff. It is bilinear, and a player's own slope depends only on the other player's probability:

    ∂V₁/∂p = q u₁ + P₁[0,1] − P₁[1,1],      uᵢ = Pᵢ[0,0] − Pᵢ[0,1] − Pᵢ[1,0] + Pᵢ[1,1],
    ∂V₂/∂q = p u₂ + P₂[1,0] − P₂[1,1].

A rule maps a point to the next point; both players move simultaneously. Π projects onto [0, 1]².

MATRL is implemented as in the paper's equations (Multi-Agent Trust Region Learning, ICLR 2021 submission; later
arXiv:2106.06828). The authors' script differs: it weights two of the four cells of the meta-game wrongly, and adds 100
times a KL value to the slope instead of the KL's gradient. Hamlet does neither.

Each function takes one game and one point, and computes in their precision; map it over games for many.
"""

from collections.abc import Callable
from typing import Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.games import binary


class Rule(Protocol):
    """A learning rule: the next point, from a game ``[player, row, column]`` and a point (p, q)."""

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Return the next point."""
        ...


class Iga(eqx.Module):
    """Infinitesimal gradient ascent, with steps of a finite size: z′ = Π(z + β ∇V(z)).

    z is the point, V the players' values, and Π the projection onto [0, 1]².

    Reference: Singh, Kearns and Mansour, 2000.

    Attributes:
        size: β > 0, the step size.
    """

    size: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Move each player up its slope at the other player's current probability."""
        return ahead(payoffs, point, self.size)


class IgaPp(eqx.Module):
    """IGA with policy prediction: each player moves up its slope at the predicted next probability of the other player.

        p′ = Π(p + β ∂V₁/∂p(p, q + γ ∂V₂/∂q)),      and the same for q′ with the players exchanged.

    p and q are the players' probabilities, V₁ and V₂ their values, and Π is the projection onto [0, 1].

    The prediction is not projected, as in Zhang and Lesser, 2010: outside [0, 1] it still shows the direction in which
    the other player would move. `IlPp` is the same rule with a projected prediction.

    Attributes:
        size: β > 0, the step size.
        lookahead: γ ≥ 0, the step size of the prediction.
    """

    size: float = 0.02
    lookahead: float = 0.01

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Move each player up its slope at the other player's predicted probability."""
        return answer(payoffs, point, point + self.lookahead * slope(payoffs, point), self.size)


class WolfIga(eqx.Module):
    """Win or learn fast: a small step if the player earns more than with its equilibrium strategy, else a large step.

        z_i′ = Π(z_i + β_i ∂V_i/∂z_i),      β₁ = winning where V₁(p, q) > V₁(p*, q), else losing.

    z = (p, q) is the point, V_i the value of player i, β_i its step size, and Π the projection onto [0, 1]. The rule
    for β₂ is the same with the players exchanged. The players know the equilibrium (p*, q*): the first pure one in the
    order of rows and columns, or the mixed one if there is no pure one.

    Reference: Bowling and Veloso, 2002.

    Attributes:
        winning: The step size while winning, > 0.
        losing: The step size while losing, > 0.
    """

    winning: float = 0.02
    losing: float = 0.06

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Move each player up its slope at the other player's current probability, with its own step size."""
        points, there = equilibria(payoffs)
        known = points[jnp.argmax(there)]
        reference_points = jnp.stack((jnp.stack((known[0], point[1])), jnp.stack((point[0], known[1]))))
        held = jnp.stack([value(payoffs, reference_points[player])[player] for player in (0, 1)])
        winning = value(payoffs, point) > held
        return project(point + jnp.where(winning, self.winning, self.losing) * slope(payoffs, point))


class Lola(eqx.Module):
    """Learning with opponent-learning awareness: each player also shapes the other player's next step.

        p′ = Π(p + β [∂V₁/∂p + γ (∂V₁/∂q) ∂²V₂/∂p∂q]),      and the same for q′ with the players exchanged.

    p and q are the players' probabilities, V₁ and V₂ their values, and Π is the projection onto [0, 1].

    This is the first-order update of Foerster et al., 2018, arXiv:1709.04326, section 4.2, with exact values. It
    ignores that ∂V₁/∂q depends on p too. `IgaPp` contains that part alone, without the shaping.

    Attributes:
        size: β > 0, the step size.
        lookahead: γ ≥ 0, the size of the other player's step.
    """

    size: float = 0.03
    lookahead: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Move each player up its slope, with a term that changes the other player's step to its own gain."""
        every = slopes(payoffs, point)
        shaping = jnp.stack((every[0, 1], every[1, 0])) * coupling(payoffs)[::-1]
        return project(point + self.size * (jnp.diagonal(every) + self.lookahead * shaping))


class IlPp(eqx.Module):
    """MATRL without its meta-game: each player moves up its slope at the other player's predicted policy.

        ẑ = (p̂, q̂) = Π(z + η ∇V(z)),      p′ = Π(p + β ∂V₁/∂p(p, q̂)),      and the same for q′ with the players
        exchanged.

    z = (p, q) is the point, V the players' values, and Π the projection onto [0, 1]².

    Attributes:
        size: β > 0, the step size of the response.
        predicted: η > 0, the step size of the prediction.
    """

    size: float = 0.03
    predicted: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Move each player up its slope at the other player's predicted policy."""
        return answer(payoffs, point, ahead(payoffs, point, self.predicted), self.size)


class Matrl(eqx.Module):
    """Multi-agent trust region learning: predict, solve the meta-game, and respond to the mixture.

        ẑ = Π(z + η ∇V(z)),      G_i[c] = V_i(p^c₁, q^c₂) − V_i(p, q),      ρ a Nash equilibrium of G,
        z̄ = ρ z + (1 − ρ) ẑ,      p′ = Π(p + β ∂V₁/∂p(p, q̄)),      and the same for q′ with the players exchanged.

    z = (p, q) is the point, ẑ the prediction, V_i the value of player i, and Π the projection onto [0, 1]². In the
    meta-game G, each player's choice c_i is to keep its policy or to take its predicted policy. ρ are the probabilities
    of keeping, and z̄ = (p̄, q̄) is the mixture.

    Attributes:
        size: β > 0, the step size of the response.
        predicted: η > 0, the step size of the prediction.
    """

    size: float = 0.03
    predicted: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Move each player up its slope at the other player's mixture."""
        return answer(payoffs, point, self.stable(payoffs, point), self.size)

    def stable(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Return z̄; with the point itself, the two corners of the trust stable region."""
        return mixture(payoffs, point, ahead(payoffs, point, self.predicted))


class MatrlWithoutBestResponse(eqx.Module):
    """MATRL that stops at the mixture: z′ = z̄ = ρ z + (1 − ρ) Π(z + η ∇V(z)).

    z is the point, V the players' values, Π the projection, and ρ the equilibrium of the meta-game (`Matrl`).

    Attributes:
        predicted: η > 0, the step size of the prediction.
    """

    predicted: float = 0.02

    def step(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Move both players to their mixtures."""
        return self.stable(payoffs, point)

    def stable(self, payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
        """Return z̄; with the point itself, the two corners of the trust stable region."""
        return mixture(payoffs, point, ahead(payoffs, point, self.predicted))


def value(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Return V_i(p, q), the expected payoffs of both players.

    >>> pennies = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> value(pennies, jnp.array([1.0, 0.75]))
    Array([ 0.5, -0.5], dtype=float32)
    """
    return payoffs[:, 1, 1] + (alone(payoffs) * point[None]).sum(-1) + coupling(payoffs) * point[0] * point[1]


def slopes(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, "2 2"]:
    """Return ∂V_i/∂p and ∂V_i/∂q for each player i."""
    return alone(payoffs) + coupling(payoffs)[:, None] * point[None, ::-1]


def slope(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Return each player's own slope: ∂V₁/∂p and ∂V₂/∂q.

    >>> pennies = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> slope(pennies, jnp.array([1.0, 0.75]))
    Array([ 1., -2.], dtype=float32)
    """
    return jnp.diagonal(slopes(payoffs, point))


def alone(payoffs: Float[Array, "2 2 2"]) -> Float[Array, "2 2"]:
    """Return the slopes if the other player never takes its first action: Pᵢ[0,1] − Pᵢ[1,1] and Pᵢ[1,0] − Pᵢ[1,1]."""
    return jnp.stack((payoffs[:, 0, 1], payoffs[:, 1, 0]), -1) - payoffs[:, 1, 1, None]


def coupling(payoffs: Float[Array, "2 2 2"]) -> Float[Array, " 2"]:
    """Return uᵢ = ∂²Vᵢ/∂p∂q for each player i."""
    return payoffs[:, 0, 0] - payoffs[:, 0, 1] - payoffs[:, 1, 0] + payoffs[:, 1, 1]


def answer(
    payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"], seen: Float[Array, " 2"], size: float | Array
) -> Float[Array, " 2"]:
    """Move both players from ``point`` up their slopes at ``seen``, where each expects the other player to be."""
    return project(point + size * slope(payoffs, seen))


def ahead(payoffs: Float[Array, "2 2 2"], point: Float[Array, " 2"], size: float | Array) -> Float[Array, " 2"]:
    """Move both players up their slopes at the current point."""
    return answer(payoffs, point, point, size)


def project(point: Float[Array, " 2"]) -> Float[Array, " 2"]:
    """Project onto [0, 1]²: return Π(point)."""
    return jnp.clip(point, 0.0, 1.0)


def restricted(
    payoffs: Float[Array, "2 2 2"], current: Float[Array, " 2"], predicted: Float[Array, " 2"]
) -> Float[Array, "2 2 2"]:
    """Return the meta-game G ``[player, row's choice, column's choice]``; 0 keeps a policy, 1 takes the predicted one.

    G are the gains of both players over the current point, expanded around it. Values are bilinear, so the expansion is
    exact. It avoids cancellation: small gains of small steps are not computed as differences of large numbers.
    """
    change = predicted - current
    row, column = (slopes(payoffs, current) * change[None]).T
    both = row + column + coupling(payoffs) * change[0] * change[1]
    return jnp.stack((jnp.zeros_like(row), column, row, both), -1).reshape(2, 2, 2)


def kept(
    payoffs: Float[Array, "2 2 2"], current: Float[Array, " 2"], predicted: Float[Array, " 2"]
) -> Float[Array, " 2"]:
    """Return ρ, each player's probability of keeping its policy in the equilibrium of the meta-game.

    The equilibrium is computed by `hamlet.games.binary`.
    """
    return binary.equilibrium(restricted(payoffs, current, predicted)).first


def mixture(
    payoffs: Float[Array, "2 2 2"], current: Float[Array, " 2"], predicted: Float[Array, " 2"]
) -> Float[Array, " 2"]:
    """Return z̄ = ρ z + (1 − ρ) ẑ, from the current point z, the prediction ẑ, and the meta-game's equilibrium ρ."""
    rho = kept(payoffs, current, predicted)
    return rho * current + (1.0 - rho) * predicted


def equilibria(payoffs: Float[Array, "2 2 2"]) -> tuple[Float[Array, "5 2"], Bool[Array, " 5"]]:
    """Return the candidates for isolated Nash equilibria (four pure points, one mixed point), and which are equilibria.

    The mixed point makes both players indifferent: p* = (P₂[1,1] − P₂[1,0]) / u₂, q* = (P₁[1,1] − P₁[0,1]) / u₁. P are
    the payoffs, and uᵢ is `coupling`. This function is `hamlet.games.solvers.two_by_two` for compiled programs: the
    size of its result does not depend on the game.

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
    """Return the points of a learning rule from a start, including the start.

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
    """Return the first step of a path with both probabilities near an equilibrium; −1 if there is no such step."""
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
