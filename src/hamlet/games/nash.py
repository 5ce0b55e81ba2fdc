"""Nash equilibria of games with any number of actions: pure, in closed form, by supports, and by numerical search.

``nash`` uses the first method that applies. Support enumeration (Porter, Nudelman and Shoham, 2008, section 3) is for
two players. For every pair of supports (sets of actions) of equal size, it computes probabilities that make the other
player indifferent among its own set. It finds every equilibrium of a nondegenerate game. A degenerate game has
infinitely many equilibria, and it finds some of them.
"""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
from jaxtyping import Float

from hamlet.errors import require
from hamlet.games.payoffs import StrategyProfile, checked, solution
from hamlet.games.search import search

# The largest regret of an equilibrium, relative to the range of a player's payoffs.
_EXACT = 1e-9
_PAIRS = 1_000_000
_TOGETHER = 20_000


def nash(payoffs: object) -> StrategyProfile:
    """Return one Nash equilibrium.

    The first method that applies is used:

    1. If there are pure equilibria, the one with the greatest sum of payoffs, each player's divided by their range.
    2. For two players with two actions, the interior point.
    3. For two players, the first equilibrium by supports, smallest supports first.
    4. Else a numerical search. It may fail; the regret shows this.

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]`` is the payoff of player i if every player j takes action cⱼ.

    Raises:
        RequestError: If the payoffs are not a valid game, or the game is too large.

    >>> pennies = [[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]
    >>> [x.tolist() for x in nash(pennies).strategies]
    [[0.5, 0.5], [0.5, 0.5]]
    """
    game = checked(payoffs)
    pure = pure_equilibria(game)
    if pure:
        span = np.ptp(game.reshape(len(game), -1), axis=1)
        scaled = game / np.where(span > 0, span, 1.0).reshape(-1, *(1,) * len(game))
        best = max(pure, key=lambda profile: round(float(scaled[(slice(None), *profile)].sum()), 9))
        return _pure(game, best)
    if game.shape == (2, 2, 2):
        return solution(game, _interior(game))
    if len(game) == 2 and _pairs(game) <= _PAIRS:
        equilibrium = next(_by_supports(game), None)
        if equilibrium is not None:
            return equilibrium
    return search(game)


def pure_equilibria(payoffs: object) -> list[tuple[int, ...]]:
    """Return every profile of actions from which no player gains by deviating alone, in lexicographic order.

    >>> pure_equilibria([[[2, 0], [0, 1]], [[1, 0], [0, 2]]])
    [(0, 0), (1, 1)]
    """
    game = checked(payoffs)
    best = [table >= table.max(axis=player, keepdims=True) for player, table in enumerate(game)]
    return [tuple(map(int, profile)) for profile in np.argwhere(np.all(best, axis=0))]


def two_by_two(payoffs: object) -> list[StrategyProfile]:
    """Return every equilibrium of a game of two players with two actions: the pure ones, then the interior one, if any.

    p and q are the probabilities of the first actions, and uᵢⱼₖ is player i's payoff for actions j and k. The interior
    point makes both players indifferent:

        q = (u₁₁₁ − u₁₀₁) / (u₁₀₀ − u₁₀₁ − u₁₁₀ + u₁₁₁),      p = (u₂₁₁ − u₂₁₀) / (u₂₀₀ − u₂₁₀ − u₂₀₁ + u₂₁₁).

    If a player is indifferent for every action of the other player, there are infinitely many equilibria; the function
    returns their corners.

    Raises:
        RequestError: If the game does not have two players with two actions each.

    >>> len(two_by_two([[[2, 0], [0, 1]], [[1, 0], [0, 2]]]))
    3
    """
    game = checked(payoffs)
    require(game.shape == (2, 2, 2), f"two_by_two needs two players with two actions each, got the shape {game.shape}")
    equilibria = [_pure(game, profile) for profile in pure_equilibria(game)]
    inner = _interior(game)
    if all(0 < strategy[0] < 1 for strategy in inner):
        equilibria.append(solution(game, inner))
    return equilibria


def support_enumeration(payoffs: object) -> list[StrategyProfile]:
    """Return every equilibrium of a nondegenerate game of two players, with the smallest supports first.

    Raises:
        RequestError: If the game does not have two players, or has too many pairs of supports; the message names both
            numbers.
    """
    game = checked(payoffs)
    require(len(game) == 2, f"support_enumeration needs two players, got {len(game)}: use search")
    pairs = _pairs(game)
    require(
        pairs <= _PAIRS,
        f"a game of {game.shape[1]} x {game.shape[2]} actions has {pairs:,} pairs of supports, more than the limit of "
        f"{_PAIRS:,}: use search, which finds one equilibrium",
    )
    equilibria: list[StrategyProfile] = []
    for profile in _by_supports(game):
        apart = (
            max(np.abs(mixed - other).max() for mixed, other in zip(profile.strategies, have.strategies, strict=True))
            for have in equilibria
        )
        if all(distance > 1e-7 for distance in apart):
            equilibria.append(profile)
    return equilibria


def _pairs(game: Float[np.ndarray, "2 rows columns"]) -> int:
    """Return the number of pairs of non-empty supports of equal size, Σₖ C(m, k) C(n, k) − 1 = C(m + n, n) − 1."""
    rows, columns = game.shape[1:]
    return comb(rows + columns, columns) - 1


def _pure(game: Float[np.ndarray, " n *actions"], profile: tuple[int, ...]) -> StrategyProfile:
    return solution(game, [np.eye(actions)[action] for actions, action in zip(game.shape[1:], profile, strict=True)])


def _interior(game: Float[np.ndarray, "2 2 2"]) -> list[np.ndarray]:
    """Return the point where each player makes the other indifferent; outside the square, or NaN, if none exists."""
    (a, b), (c, d) = game[0]
    (e, g), (f, h) = game[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        column, row = np.divide(d - b, a - b - c + d), np.divide(h - f, e - f - g + h)
    return [np.array([probability, 1 - probability]) for probability in (row, column)]


def _by_supports(game: Float[np.ndarray, "2 rows columns"]) -> Iterator[StrategyProfile]:
    rows, columns = game.shape[1:]
    span = np.ptp(game.reshape(2, -1), axis=1)
    tolerance = _EXACT * np.where(span > 0, span, 1.0)
    for size in range(1, min(rows, columns) + 1):
        row_sets = np.array(list(combinations(range(rows), size)))
        column_sets = np.array(list(combinations(range(columns), size)))
        count = len(row_sets) * len(column_sets)
        for begin in range(0, count, _TOGETHER):
            pair = np.arange(begin, min(begin + _TOGETHER, count))
            yield from _of_supports(
                game, row_sets[pair // len(column_sets)], column_sets[pair % len(column_sets)], tolerance
            )


def _of_supports(
    game: Float[np.ndarray, "2 rows columns"], mine: np.ndarray, theirs: np.ndarray, tolerance: np.ndarray
) -> Iterator[StrategyProfile]:
    """Yield the equilibria among many pairs of supports of one size; all linear systems are solved together."""
    inner = game[:, mine[:, :, None], theirs[:, None, :]]
    column, fine = _indifferent(inner[0])
    row, also = _indifferent(np.swapaxes(inner[1], 1, 2))
    for index in np.flatnonzero(fine & also):
        strategies = [np.zeros(actions) for actions in game.shape[1:]]
        strategies[0][mine[index]], strategies[1][theirs[index]] = row[index], column[index]
        profile = solution(game, strategies)
        gains = (game[0] @ profile.strategies[1]).max(), (profile.strategies[0] @ game[1]).max()
        if np.all(np.array(gains) - profile.values <= tolerance):
            yield profile


def _indifferent(matrix: Float[np.ndarray, "pairs k k"]) -> tuple[np.ndarray, np.ndarray]:
    """Return column probabilities that give all rows the same value, and whether such probabilities exist."""
    count, size, _ = matrix.shape
    system = np.zeros((count, size + 1, size + 1))
    system[:, :size, :size], system[:, :size, size], system[:, size, :size] = matrix, -1.0, 1.0
    regular = np.linalg.slogdet(system)[0] != 0
    system[~regular] = np.eye(size + 1)
    right = np.zeros((size + 1, 1))
    right[size] = 1.0
    probabilities = np.linalg.solve(system, right)[:, :size, 0]
    return probabilities, regular & np.all(probabilities > -1e-10, axis=1) & (np.abs(probabilities.sum(1) - 1) < 1e-6)
