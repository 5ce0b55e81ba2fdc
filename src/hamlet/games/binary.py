"""Nash equilibria of games in which every player has two choices, inside of compiled programs.

With pᵢ the probability of player i's choice 0, a player's payoffs matter to an equilibrium through one number alone,
what choice 0 earns more than choice 1, which is multilinear in the others:

    dᵢ(p₋ᵢ) = Σ_{c₋ᵢ} (uᵢ(0, c₋ᵢ) − uᵢ(1, c₋ᵢ)) Π_{j≠i} pⱼ(cⱼ),      regretᵢ = max((1 − pᵢ) dᵢ, −pᵢ dᵢ),

and p is an equilibrium if and only if pᵢ = clip(pᵢ + dᵢ, 0, 1) for every i. The order of search is that of the
meta-game of MATRL (arXiv:2106.06828): pure profiles, all at once; for two players the interior point in closed form;
for more a search over the box; and where nothing is found choice 0 for everybody, with its regret.

The search solves pᵢ = clip(pᵢ + t (dᵢ + λ (rᵢ − pᵢ)), 0, 1), in which every player is pulled to a reference r, while λ
falls to zero, by Levenberg's and Marquardt's steps on the rows that the clip leaves free. Who is pure and who mixes is
thus part of the solution. Each start is a reference; the paper minimises the squared regret by CMA-ES instead.
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
    """Mixed strategies of n players with two choices, and what the most tempted of them would gain by leaving alone."""

    first: Float[Array, " n"]
    """The probability of choice 0."""
    regret: Scalar
    """In units of the payoffs; zero if pure."""


def equilibrium(payoffs: Float[Array | np.ndarray, " n *two"], key: Key | None = None) -> Equilibrium:
    """One Nash equilibrium, in a compiled program and under ``vmap`` too.

    Among several pure equilibria the one with the greatest Σᵢ (uᵢ(c) − uᵢ(0…0)) / max_c |uᵢ(c) − uᵢ(0…0)| is taken:
    where there is a choice it should be what pays all most, and no player's unit of payoff may count for more than
    another's. In the meta-game that is the best step for all. Among equals the first in lexicographic order, hence
    choice 0. With more than two players a mixed equilibrium is that of the first start that found one. Neither depends
    on a player's unit or on a constant added to its payoffs.

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]`` is what player i earns if player j makes choice cⱼ; n at most 10.
        key: Draws one of the pure equilibria at random instead, as the paper does.

    Raises:
        RequestError: Unless each player has payoffs of shape [2] * n, finite where that can be seen.

    References: Wen et al., 2021, arXiv:2106.06828, section 4.

    >>> pennies = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
    >>> equilibrium(pennies).first
    Array([0.5, 0.5], dtype=float32)
    """
    _check(payoffs)
    return _solve(jnp.asarray(payoffs, jnp.result_type(payoffs, float)), key)


def choice_values(payoffs: Float[Array, " n *two"], first: Float[Array, " n"]) -> Float[Array, "n 2"]:
    """What each player earns by each of its choices while the others play as they do: uᵢ(k, p₋ᵢ).

    Args:
        payoffs: As of ``equilibrium``.
        first: Each player's probability of choice 0.
    """
    values = jax.vmap(lambda table, others: jax.vmap(_contract, (0, None))(table, others))
    return values(_own_choice_first(payoffs), first[_others(len(first))])


def regret(payoffs: Float[Array, " n *two"], first: Float[Array, " n"]) -> Scalar:
    """What the most tempted player gains by leaving alone: maxᵢ (max_k uᵢ(k, p₋ᵢ) − uᵢ(p)).

    Args:
        payoffs: As of ``equilibrium``.
        first: Each player's probability of choice 0.
    """
    return _regret(_contract_all(_differences(payoffs), first), first)


def _check(payoffs: Float[Array | np.ndarray, " n *two"]) -> None:
    players, shape = payoffs.shape[0], payoffs.shape
    require(
        players <= PLAYERS,
        f"a game of {players} players with two choices has {players} x 2^{players} = {players * 2**players} payoffs; "
        f"at most {PLAYERS} players are solved",
    )
    require(
        players >= 1 and shape[1:] == (2,) * players,
        f"payoffs of {players} players with two choices have the shape {(players, *(2,) * players)}, not {shape}",
    )
    if not isinstance(payoffs, jax.core.Tracer):  # pyright: ignore[reportAttributeAccessIssue]
        wrong = np.flatnonzero(~np.isfinite(np.asarray(payoffs)).reshape(players, -1).all(1))
        require(wrong.size == 0, f"payoffs are finite numbers; player {wrong[0] if wrong.size else 0} has others")


@jax.jit
def _solve(payoffs: Float[Array, " n *two"], key: Key | None) -> Equilibrium:
    players = len(payoffs)
    flipped = jnp.stack([jnp.flip(table, axis) for axis, table in enumerate(payoffs)])
    settled = jnp.all(flipped <= payoffs, axis=0)  # nobody gains by the other choice
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
    """Where both are indifferent: pⱼ dᵢ(0) + (1 − pⱼ) dᵢ(1) = 0. Without a pure equilibrium both signs differ."""
    span = differences[:, 1] - differences[:, 0]
    other = jnp.where(span == 0, 0.5, differences[:, 1] / jnp.where(span == 0, 1.0, span))
    return jnp.clip(other[::-1], 0.0, 1.0)


def _search(differences: Float[Array, " n *two"]) -> Float[Array, " n"]:
    """The equilibrium that the first successful start ends in."""
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
    """One damped step for p = clip(p + t e(p), 0, 1), where e = d + λ (r − p)."""
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
    """uᵢ(0, c₋ᵢ) − uᵢ(1, c₋ᵢ), the others in order."""
    tables = _own_choice_first(payoffs)
    return tables[:, 0] - tables[:, 1]


def _others(players: int) -> np.ndarray:
    return np.array([[j for j in range(players) if j != i] for i in range(players)], int).reshape(players, players - 1)


def _contract(values: Float[Array, " *two"], others: Float[Array, " m"]) -> Scalar:
    """The mean over the others' choices, one axis after another: 2ᵐ products in all."""
    for probability in others:
        values = values[1] + probability * (values[0] - values[1])
    return values


def _contract_all(differences: Float[Array, " n *rest"], first: Float[Array, " n"]) -> Float[Array, " n"]:
    return jax.vmap(_contract)(differences, first[_others(len(first))])


def _regret(gain: Float[Array, " n"], first: Float[Array, " n"]) -> Scalar:
    return jnp.max(jnp.maximum(gain * (1 - first), -gain * first))
