"""A search for a Nash equilibrium of n players with any numbers of actions, in compiled programs and under ``vmap``.

A joint strategy x is an equilibrium if and only if every xᵢ = Π(xᵢ + t uᵢ(·, x₋ᵢ)) for some t > 0, with Π the nearest
point of the simplex. Each start r is a reference to which all are pulled at first:

    F(x) = x − Π(x + t (u(x) + λ (r − x))),      λ → 0,

by damped Newton steps on F. Π is piecewise linear, and its slope says which actions are played: supports need not be
enumerated. ``hamlet.games.binary`` is the same search for two choices each, with less to compute.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from hamlet.games.payoffs import StrategyProfile, checked, solution
from hamlet.games.starts import PULL, ROUNDS, STARTS, damped_step, first_success
from hamlet.types import Scalar


def search(payoffs: object) -> StrategyProfile:
    """The equilibrium that the first successful start ends in, in 64 bits.

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]`` is what player i earns if player j takes action cⱼ.

    Returns:
        Where the regret is least if no start succeeds: the regret says so.

    Raises:
        RequestError: If this is no game, or too large a one.
    """
    game = checked(payoffs)
    with jax.enable_x64(True):
        strategies = [np.asarray(strategy) for strategy in _found(jnp.asarray(game))]
    return solution(game, strategies)


@jax.jit
def search_many(
    payoffs: Float[Array, " games n *actions"],
) -> tuple[tuple[Float[Array, "games _"], ...], Float[Array, " games"]]:
    """Equilibria of many games of one shape by one compiled program, and the regrets there.

    Args:
        payoffs: Game by game; what is no game is not refused here.
    """
    return jax.vmap(lambda game: (strategies := _found(game), regret(game, strategies)))(payoffs)


def action_values(
    payoffs: Float[Array, " n *actions"], strategies: tuple[Float[Array, " _"], ...]
) -> tuple[Float[Array, " _"], ...]:
    """What each player earns by each of its actions while the others play as they do, one axis after another."""
    by_player = []
    for player, table in enumerate(payoffs):
        values = jnp.moveaxis(table, player, 0)
        for probabilities in reversed([strategy for other, strategy in enumerate(strategies) if other != player]):
            values = values @ probabilities
        by_player.append(values)
    return tuple(by_player)


def regret(payoffs: Float[Array, " n *actions"], strategies: tuple[Float[Array, " _"], ...]) -> Scalar:
    """What the most tempted player would gain by leaving alone."""
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
    """The nearest point of the simplex: max(0, z − τ) with the τ that makes it sum to one."""
    falling = jnp.sort(point)[::-1]
    excess = (jnp.cumsum(falling) - 1) / jnp.arange(1, len(point) + 1)
    count = jnp.sum(falling > excess)
    return jnp.maximum(point - excess[jnp.maximum(count - 1, 0)], 0.0)


def _starts(actions: tuple[int, ...]) -> Float[np.ndarray, "rounds starts m"]:
    """Points of the simplices, uniformly drawn; the first is in the middle of all."""
    random = np.random.default_rng(0)
    starts = [random.dirichlet(np.ones(count), (ROUNDS, STARTS)) for count in actions]
    for points in starts:
        points[0, 0] = 1 / points.shape[-1]
    return np.concatenate(starts, axis=-1)
