"""Games that linear programs solve: two-player zero-sum games, and correlated equilibria.

SciPy's HiGHS solves the programs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from hamlet.errors import RunError, require
from hamlet.games.payoffs import StrategyProfile, checked, checked_matrix, solution


@dataclass(frozen=True)
class CorrelatedEquilibrium:
    """A distribution over profiles from which a mediator can sample advice that every player gains most by following.

    Attributes:
        distribution: Over profiles of actions, with an axis for each player.
        values: Each player's expected payoff.
        regret: The largest gain of a player that replaces one advised action by another action.
    """

    distribution: np.ndarray
    values: np.ndarray
    regret: float


def zero_sum(matrix: object) -> StrategyProfile:
    """Return optimal strategies of a two-player zero-sum game, by the minimax theorem.

        max v  such that  Σᵣ xᵣ Aᵣ꜀ ≥ v for every column c,

    where A is the matrix, xᵣ the row player's probabilities and v its value. The column player's strategy solves the
    same program for −Aᵀ.

    Args:
        matrix: The row player's payoffs, which the column player pays.

    Raises:
        RequestError: If this is not a matrix of finite numbers.

    >>> found = zero_sum([[2, -1], [-1, 1]])
    >>> found.strategies[0].round(6).tolist(), round(found.values[0], 6)
    ([0.4, 0.6], np.float64(0.2))
    """
    payoffs = checked_matrix(matrix)
    return solution(np.stack([payoffs, -payoffs]), [_secured(payoffs), _secured(-payoffs.T)])


def correlated(payoffs: object, objective: object = None) -> CorrelatedEquilibrium:
    """Return the correlated equilibrium that maximises a linear objective, by default the sum of all payoffs.

        max Σ_c w(c) p(c)  such that  Σ_{c: cᵢ = k} p(c) (uᵢ(l, c₋ᵢ) − uᵢ(c)) ≤ 0  for every player i and actions k, l.

    c is a profile, p its probability, w the objective, and uᵢ the payoffs of player i.

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]``.
        objective: w(c), with an axis for each player.

    Raises:
        RequestError: If the payoffs are not a valid game, or the objective does not have one number per profile.

    References: Aumann, 1987, Correlated equilibrium as an expression of Bayesian rationality.

    >>> chicken = [[[6, 2], [7, 0]], [[6, 7], [2, 0]]]
    >>> correlated(chicken).distribution.round(3).tolist()
    [[0.5, 0.25], [0.25, 0.0]]
    """
    game = checked(payoffs)
    profiles = game.shape[1:]
    weights = game.sum(0) if objective is None else np.asarray(objective, np.float64)
    require(
        weights.shape == profiles and bool(np.isfinite(weights).all()),
        f"the objective must have a finite number for every profile and the shape {profiles}, got {weights.shape}",
    )
    temptations = _temptations(game)
    maximiser = _maximum(
        weights.ravel(),
        A_ub=temptations if len(temptations) else None,
        b_ub=np.zeros(len(temptations)) if len(temptations) else None,
        A_eq=np.ones((1, weights.size)),
        b_eq=[1.0],
        bounds=(0, None),
    )
    distribution = np.maximum(maximiser, 0.0) / np.maximum(maximiser, 0.0).sum()
    regret = max(0.0, float((temptations @ distribution).max(initial=0.0)))
    values = game.reshape(len(game), -1) @ distribution
    return CorrelatedEquilibrium(distribution.reshape(profiles), values, regret)


def _secured(matrix: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " rows"]:
    """Return the row player's probabilities that maximise its payoff against the worst column."""
    rows, columns = matrix.shape
    maximiser = _maximum(
        np.append(np.zeros(rows), 1.0),
        A_ub=np.hstack([-matrix.T, np.ones((columns, 1))]),
        b_ub=np.zeros(columns),
        A_eq=np.append(np.ones(rows), 0.0)[None],
        b_eq=[1.0],
        bounds=[(0, None)] * rows + [(None, None)],
    )
    return maximiser[:rows]


def _temptations(game: Float[np.ndarray, " n *actions"]) -> Float[np.ndarray, "swaps profiles"]:
    """Return, for every player and pair of actions, the gain from the second action in each profile with the first."""
    rows = []
    for player, table in enumerate(game):
        by_action = np.moveaxis(table, player, 0)
        for first in range(len(by_action)):
            for second in range(len(by_action)):
                if first != second:
                    row = np.zeros_like(by_action)
                    row[first] = by_action[second] - by_action[first]
                    rows.append(np.moveaxis(row, 0, player).ravel())
    return np.array(rows).reshape(len(rows), game[0].size)


def _maximum(weights: np.ndarray, **constraints: Any) -> np.ndarray:
    """Return the maximiser of a linear program that has a solution."""
    from scipy.optimize import linprog  # takes a third of a second to import

    optimum = linprog(-weights, method="highs", **constraints)
    if optimum.x is None:
        raise RunError(f"the linear program of a game was not solved: {optimum.message}")
    return np.asarray(optimum.x)
