"""What linear programs solve: games in which one player's gain is the other's loss, and correlated equilibria.

The programs are handed to SciPy's HiGHS.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from hamlet.errors import RunError, require
from hamlet.games.payoffs import StrategyProfile, checked, checked_matrix, solution


@dataclass(frozen=True)
class CorrelatedEquilibrium:
    """A distribution over profiles from which a mediator may draw, as following its advice pays.

    Attributes:
        distribution: Over profiles of actions, with an axis for each player.
        values: What each player earns.
        regret: What the most tempted would gain by another action whenever it is advised one.
    """

    distribution: np.ndarray
    values: np.ndarray
    regret: float


def zero_sum(matrix: object) -> StrategyProfile:
    """Optimal strategies of two players of whom one pays the other, by the minimax theorem.

        max v  such that  Σᵣ xᵣ Aᵣ꜀ ≥ v for every column c,

    and the column player's from the same program for −Aᵀ.

    Args:
        matrix: What the column player pays the row player.

    Raises:
        RequestError: If this is no matrix of finite numbers.

    >>> found = zero_sum([[2, -1], [-1, 1]])
    >>> found.strategies[0].round(6).tolist(), round(found.values[0], 6)
    ([0.4, 0.6], np.float64(0.2))
    """
    payoffs = checked_matrix(matrix)
    return solution(np.stack([payoffs, -payoffs]), [_secured(payoffs), _secured(-payoffs.T)])


def correlated(payoffs: object, objective: object = None) -> CorrelatedEquilibrium:
    """The correlated equilibrium that is best by a linear objective, the sum of all payoffs unless another is given.

        max Σ_c w(c) p(c)  such that  Σ_{c: cᵢ = k} p(c) (uᵢ(l, c₋ᵢ) − uᵢ(c)) ≤ 0  for every player i and actions k, l.

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]``.
        objective: w(c), with an axis for each player.

    Raises:
        RequestError: If this is no game, or the objective is not of its profiles.

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
        f"the objective is a finite number for every profile, of the shape {profiles}, not {weights.shape}",
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
    """The row player's probabilities that secure it the most against every column."""
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
    """For every player and pair of its actions, what the second earns more in each profile that has the first."""
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
    """Where a linear program that has a solution is greatest."""
    from scipy.optimize import linprog  # takes a third of a second to import

    optimum = linprog(-weights, method="highs", **constraints)
    if optimum.x is None:
        raise RunError(f"the linear program of a game was not solved: {optimum.message}")
    return np.asarray(optimum.x)
