"""A search for a Nash equilibrium of n players with any number of actions, in compiled programs and under ``vmap``.

xᵢ is the strategy of player i and uᵢ(·, x₋ᵢ) its payoffs of each action. A joint strategy x is an equilibrium if and
only if every xᵢ = Π(xᵢ + t uᵢ(·, x₋ᵢ)) for some t > 0, where Π projects to the nearest point of the simplex. Each start
r is a reference, towards which a pull λ draws all players at first:

    F(x) = x − Π(x + t (u(x) + λ (r − x))),      λ → 0.

F = 0 is solved by damped Newton steps. Π is piecewise linear, and its slope determines which actions are played, so
supports need not be enumerated. ``hamlet.games.binary`` is the same search for two actions per player, and needs less
computation.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hamlet.games.payoffs import StrategyProfile, checked, solution
from hamlet.games.starts import PULL, ROUNDS, STARTS, damped_step, first_success
from hamlet.types import Scalar


def search(payoffs: object) -> StrategyProfile:
    """Return the equilibrium that the first successful start reaches, in 64 bits.

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]`` is the payoff of player i if every player j takes action cⱼ.

    Returns:
        The equilibrium. If no start succeeds, the point with the smallest regret; its regret shows this.

    Raises:
        RequestError: If the payoffs are not a valid game, or the game is too large.
    """
    game = checked(payoffs)
    with jax.enable_x64(True):
        strategies = [np.asarray(strategy) for strategy in _found(jnp.asarray(game))]
    return solution(game, strategies)


@jax.jit
def search_many(
    payoffs: Float[Array, " games n *actions"],
) -> tuple[tuple[Float[Array, "games _"], ...], Float[Array, " games"]]:
    """Return equilibria of many games of the same shape, and their regrets, by one compiled program.

    Args:
        payoffs: Game by game. Invalid games are not refused.
    """
    return jax.vmap(lambda game: (strategies := _found(game), regret(game, strategies)))(payoffs)


def action_values(
    payoffs: Float[Array, " n *actions"], strategies: tuple[Float[Array, " _"], ...]
) -> tuple[Float[Array, " _"], ...]:
    """Return each player's expected payoff of each of its actions, given the other players' strategies."""
    by_player = []
    for player, table in enumerate(payoffs):
        values = jnp.moveaxis(table, player, 0)
        for probabilities in reversed([strategy for other, strategy in enumerate(strategies) if other != player]):
            values = values @ probabilities
        by_player.append(values)
    return tuple(by_player)


def regret(payoffs: Float[Array, " n *actions"], strategies: tuple[Float[Array, " _"], ...]) -> Scalar:
    """Return the largest gain of a player that deviates alone."""
    values = action_values(payoffs, strategies)
    return jnp.max(
        jnp.stack([jnp.max(each) - strategy @ each for strategy, each in zip(strategies, values, strict=True)])
    )


@jax.jit
def _found(payoffs: Float[Array, " n *actions"]) -> tuple[Float[Array, " _"], ...]:
    actions = payoffs.shape[1:]
    ends = np.cumsum(actions)[:-1]
    centred = jnp.stack([table - jnp.mean(table, axis=player, keepdims=True) for player, table in enumerate(payoffs)])
    scale = jnp.max(jnp.abs(centred).reshape(len(actions), -1), axis=1)
    scaled = centred / jnp.where(scale > 0, scale, 1.0).reshape(-1, *(1,) * len(actions))
    pull = jnp.asarray(PULL, payoffs.dtype)

    def values(joint: Float[Array, " m"]) -> Float[Array, " m"]:
        return jnp.concatenate(action_values(scaled, tuple(jnp.split(joint, ends))))

    def project(joint: Float[Array, " m"]) -> Float[Array, " m"]:
        return jnp.concatenate([_nearest(strategy) for strategy in jnp.split(joint, ends)])

    def attempt(start: Float[Array, " m"], pace: Scalar) -> tuple[Float[Array, " m"], Scalar]:
        def advance(joint: Float[Array, " m"], weight: Scalar) -> tuple[Float[Array, " m"], None]:
            def residual(point: Float[Array, " m"]) -> Float[Array, " m"]:
                return point - project(point + pace * (values(point) + weight * (start - point)))

            advanced = project(joint + damped_step(jax.jacfwd(residual)(joint), residual(joint)))
            return jnp.where(jnp.all(jnp.isfinite(advanced)), advanced, start), None

        joint = jax.lax.scan(advance, start, pull)[0]
        return joint, regret(scaled, tuple(jnp.split(joint, ends)))

    joint = first_success(attempt, jnp.asarray(_starts(actions), payoffs.dtype))
    return tuple(jnp.split(joint, ends))


def _nearest(point: Float[Array, " a"]) -> Float[Array, " a"]:
    """Return the nearest point of the simplex: max(0, z − τ) with the τ for which its entries sum to one."""
    falling = jnp.sort(point)[::-1]
    excess = (jnp.cumsum(falling) - 1) / jnp.arange(1, len(point) + 1)
    count = jnp.sum(falling > excess)
    return jnp.maximum(point - excess[jnp.maximum(count - 1, 0)], 0.0)


def _starts(actions: tuple[int, ...]) -> Float[np.ndarray, "rounds starts m"]:
    """Sample uniform points of the simplices; the first start is the centre of every simplex."""
    random = np.random.default_rng(0)
    starts = [random.dirichlet(np.ones(count), (ROUNDS, STARTS)) for count in actions]
    for points in starts:
        points[0, 0] = 1 / points.shape[-1]
    return np.concatenate(starts, axis=-1)
