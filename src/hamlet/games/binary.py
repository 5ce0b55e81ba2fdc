"""Nash equilibria of games in which every player has two actions, for use inside compiled programs.

pᵢ is the probability of player i's action 0, cᵢ an action, uᵢ the payoffs of player i, and −i stands for all players
but i. Only one number of a player's payoffs matters to an equilibrium: the advantage dᵢ of action 0 over action 1. It
is multilinear in the other players' probabilities:

    dᵢ(p₋ᵢ) = Σ_{c₋ᵢ} (uᵢ(0, c₋ᵢ) − uᵢ(1, c₋ᵢ)) Π_{j≠i} pⱼ(cⱼ),      regretᵢ = max((1 − pᵢ) dᵢ, −pᵢ dᵢ),

and p is an equilibrium if and only if pᵢ = clip(pᵢ + dᵢ, 0, 1) for every i.

The search has the same order as in the meta-game of MATRL (arXiv:2106.06828):

1. All pure profiles, simultaneously.
2. For two players, the interior point in closed form; for more players, a numerical search over the box.
3. If no equilibrium is found, action 0 for every player, with its regret.

The numerical search solves pᵢ = clip(pᵢ + t (dᵢ + λ (rᵢ − pᵢ)), 0, 1) with a step length t. A pull λ draws every player
to a reference r, and decreases to zero. The search takes Levenberg-Marquardt steps on the rows that the clip leaves
free. The solution therefore determines which players are pure and which mix. Each start is a reference. The paper
minimises the squared regret by CMA-ES instead.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hamlet.errors import require
from hamlet.games.starts import ACCEPTED, PULL, ROUNDS, STARTS, damped_step, first_success
from hamlet.types import Key, Scalar

PLAYERS = 10
_TIED = 1e-5


class Equilibrium(NamedTuple):
    """Mixed strategies of n players with two actions, and their regret."""

    first: Float[Array, " n"]
    """The probability of action 0, for every player."""
    regret: Scalar
    """The largest gain of a player that deviates alone, in units of the payoffs; zero for a pure equilibrium."""


def equilibrium(payoffs: Float[Array | np.ndarray, " n *two"], key: Key | None = None) -> Equilibrium:
    """Return one Nash equilibrium; works in a compiled program and under ``vmap``.

    Among several pure equilibria c, the one with the greatest Σᵢ (uᵢ(c) − uᵢ(0…0)) / max_c |uᵢ(c) − uᵢ(0…0)| is
    returned. uᵢ are the payoffs of player i. This equilibrium pays all players most, and the division makes all
    players' units of payoff count equally. In the meta-game it is the best step for all agents. Among equally good
    equilibria, the first in lexicographic order is returned, so action 0 is preferred.

    With more than two players, a mixed equilibrium is the result of the first successful start.

    The result does not depend on a player's unit of payoff, nor on a constant added to its payoffs.

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]`` is the payoff of player i if every player j takes action cⱼ; n at most 10.
        key: If given, one of the pure equilibria is sampled at random instead, as in the paper.

    Raises:
        RequestError: Unless each player has payoffs of shape [2] * n. They must be finite, which is checked outside
            compiled programs only.

    References: Wen et al., 2021, arXiv:2106.06828, section 4.

    >>> pennies = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> equilibrium(pennies).first
    Array([0.5, 0.5], dtype=float32)
    """
    _check(payoffs)
    return _solve(jnp.asarray(payoffs, jnp.result_type(payoffs, float)), key)


def choice_values(payoffs: Float[Array, " n *two"], first: Float[Array, " n"]) -> Float[Array, "n 2"]:
    """Return each player's expected payoff of each of its actions k, given the other players' strategies: uᵢ(k, p₋ᵢ).

    Args:
        payoffs: As in ``equilibrium``.
        first: Each player's probability of action 0.
    """
    values = jax.vmap(lambda table, others: jax.vmap(_contract, (0, None))(table, others))
    return values(_own_choice_first(payoffs), first[_others(len(first))])


def regret(payoffs: Float[Array, " n *two"], first: Float[Array, " n"]) -> Scalar:
    """Return the largest gain of a player that deviates alone: maxᵢ (max_k uᵢ(k, p₋ᵢ) − uᵢ(p)).

    uᵢ are the payoffs of player i, k its actions, p the strategies, and p₋ᵢ the other players' strategies.

    Args:
        payoffs: As in ``equilibrium``.
        first: Each player's probability of action 0.
    """
    return _regret(_contract_all(_differences(payoffs), first), first)


def _check(payoffs: Float[Array | np.ndarray, " n *two"]) -> None:
    players, shape = payoffs.shape[0], payoffs.shape
    require(
        players <= PLAYERS,
        f"a game of {players} players with two actions has {players} x 2^{players} = {players * 2**players} payoffs; "
        f"use at most {PLAYERS} players",
    )
    require(
        players >= 1 and shape[1:] == (2,) * players,
        f"payoffs of {players} players with two actions must have the shape {(players, *(2,) * players)}, got {shape}",
    )
    if not isinstance(payoffs, jax.core.Tracer):  # pyright: ignore[reportAttributeAccessIssue]
        wrong = np.flatnonzero(~np.isfinite(np.asarray(payoffs)).reshape(players, -1).all(1))
        require(wrong.size == 0, f"payoffs must be finite; player {wrong[0] if wrong.size else 0} has other numbers")


@jax.jit
def _solve(payoffs: Float[Array, " n *two"], key: Key | None) -> Equilibrium:
    players = len(payoffs)
    flipped = jnp.stack([jnp.flip(table, axis) for axis, table in enumerate(payoffs)])
    settled = jnp.all(flipped <= payoffs, axis=0)  # no player gains by its other action
    differences = _differences(payoffs)
    scale = jnp.max(jnp.abs(differences).reshape(players, -1), axis=1)
    scale = jnp.where(scale > 0, scale, 1.0)
    scaled = differences / scale.reshape(-1, *(1,) * (players - 1))
    search = _interior if players == 2 else _search if players > 2 else _keep
    first = jax.lax.cond(jnp.any(settled), lambda: _pure(payoffs, settled, key), lambda: search(scaled))
    accepted = _regret(_contract_all(scaled, first), first) < ACCEPTED
    first = jnp.where(accepted, first, 1.0)
    return Equilibrium(first, _regret(_contract_all(differences, first), first))


def _pure(payoffs: Float[Array, " n *two"], settled: Bool[Array, " *two"], key: Key | None) -> Float[Array, " n"]:
    players = len(payoffs)
    flat = payoffs.reshape(players, -1)
    gains = flat - flat[:, :1]
    scale = jnp.max(jnp.abs(gains), axis=1, keepdims=True)
    welfare = jnp.sum(gains / jnp.where(scale > 0, scale, 1.0), axis=0)
    welfare = jnp.where(settled.ravel(), welfare, -jnp.inf)
    if key is None:
        profile = jnp.argmax(welfare >= jnp.max(welfare) - _TIED)
    else:
        profile = jax.random.categorical(key, jnp.where(settled.ravel(), 0.0, -jnp.inf))
    second = (profile >> jnp.arange(players - 1, -1, -1)) & 1
    return (1 - second).astype(payoffs.dtype)


def _keep(differences: Float[Array, " n *two"]) -> Float[Array, " n"]:
    return jnp.ones(len(differences), differences.dtype)


def _interior(differences: Float[Array, "2 2"]) -> Float[Array, " 2"]:
    """Return the point at which both players are indifferent: pⱼ dᵢ(0) + (1 − pⱼ) dᵢ(1) = 0.

    Without a pure equilibrium, dᵢ(0) and dᵢ(1) have different signs.
    """
    span = differences[:, 1] - differences[:, 0]
    other = jnp.where(span == 0, 0.5, differences[:, 1] / jnp.where(span == 0, 1.0, span))
    return jnp.clip(other[::-1], 0.0, 1.0)


def _search(differences: Float[Array, " n *two"]) -> Float[Array, " n"]:
    """Return the equilibrium that the first successful start reaches."""
    pull = jnp.asarray(PULL, differences.dtype)

    def attempt(start: Float[Array, " n"], pace: Scalar) -> tuple[Float[Array, " n"], Scalar]:
        def advance(first: Float[Array, " n"], weight: Scalar) -> tuple[Float[Array, " n"], None]:
            return _improve(differences, first, start, weight, pace), None

        first = jax.lax.scan(advance, start, pull)[0]
        return first, _regret(_contract_all(differences, first), first)

    starts = np.random.default_rng(0).random((ROUNDS, STARTS, len(differences)))
    starts[0, 0] = 0.5
    return first_success(attempt, jnp.asarray(starts, differences.dtype))


def _improve(
    differences: Float[Array, " n *two"],
    first: Float[Array, " n"],
    start: Float[Array, " n"],
    weight: Scalar,
    pace: Scalar,
) -> Float[Array, " n"]:
    """Take one damped step for p = clip(p + t e(p), 0, 1), where e = d + λ (r − p)."""
    players = len(first)
    others = _others(players)
    gain, slopes = jax.vmap(jax.value_and_grad(_contract, argnums=1))(differences, first[others])
    pulled = gain + weight * (start - first)
    free = (first + pace * pulled > 0) & (first + pace * pulled < 1)
    slope = jnp.zeros((players, players), first.dtype).at[np.arange(players)[:, None], others].set(slopes)
    slope = slope - weight * jnp.eye(players, dtype=first.dtype)
    residual = jnp.where(free, -pulled, first - jnp.where(pulled > 0, 1.0, 0.0))
    jacobian = jnp.where(free[:, None], -slope, jnp.eye(players, dtype=first.dtype))
    improved = jnp.clip(first + damped_step(jacobian, residual), 0.0, 1.0)
    return jnp.where(jnp.isfinite(improved), improved, 0.5)


def _own_choice_first(payoffs: Float[Array, " n *two"]) -> Float[Array, " n 2 *rest"]:
    return jnp.stack([jnp.moveaxis(table, axis, 0) for axis, table in enumerate(payoffs)])


def _differences(payoffs: Float[Array, " n *two"]) -> Float[Array, " n *rest"]:
    """Return uᵢ(0, c₋ᵢ) − uᵢ(1, c₋ᵢ), with the other players' axes in order."""
    tables = _own_choice_first(payoffs)
    return tables[:, 0] - tables[:, 1]


def _others(players: int) -> np.ndarray:
    return np.array([[j for j in range(players) if j != i] for i in range(players)], int).reshape(players, players - 1)


def _contract(values: Float[Array, " *two"], others: Float[Array, " m"]) -> Scalar:
    """Return the mean over the other players' actions, one axis after another: 2ᵐ products in total."""
    for probability in others:
        values = values[1] + probability * (values[0] - values[1])
    return values


def _contract_all(differences: Float[Array, " n *rest"], first: Float[Array, " n"]) -> Float[Array, " n"]:
    return jax.vmap(_contract)(differences, first[_others(len(first))])


def _regret(gain: Float[Array, " n"], first: Float[Array, " n"]) -> Scalar:
    return jnp.max(jnp.maximum(gain * (1 - first), -gain * first))
