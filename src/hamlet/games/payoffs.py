"""Games of n players with any number of actions, and the values of joint strategies in them.

A game is one array: ``payoffs[i][c₁, …, cₙ]`` is the payoff uᵢ of player i if every player j takes action cⱼ. xⱼ are
player j's probabilities over its actions, and −i stands for all players but i:

    uᵢ(k, x₋ᵢ) = Σ_{c: cᵢ = k} uᵢ(c) Π_{j≠i} xⱼ(cⱼ),      regretᵢ(x) = max_k uᵢ(k, x₋ᵢ) − Σ_k xᵢ(k) uᵢ(k, x₋ᵢ).

This module uses NumPy in 64 bits; ``hamlet.games.binary`` and ``hamlet.games.search`` are for compiled programs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hamlet.errors import require

PLAYERS = 10
# The largest number of payoffs: 80 MB.
_LARGEST = 10_000_000

Strategies = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class StrategyProfile:
    """A joint strategy, its values, and the largest gain of a player that deviates alone.

    Attributes:
        strategies: Each player's probabilities over its actions.
        values: Each player's expected payoff.
        regret: The largest gain of a player that deviates alone, in units of the payoffs.
    """

    strategies: Strategies
    values: np.ndarray
    regret: float


def checked(payoffs: object) -> Float[np.ndarray, " n *actions"]:
    """Return a game as a float64 array.

    Raises:
        RequestError: Unless there is one array of payoffs per player, with an axis for each player, and all are finite.
    """
    try:
        array = np.asarray(payoffs, np.float64)
    except (TypeError, ValueError):
        array = None
    require(
        array is not None and array.ndim > 0,
        "a game must be an array of numbers, payoffs[player][action of the first, …], with one shape for all players",
    )
    assert array is not None
    players, axes = array.shape[0], array.ndim - 1
    require(
        0 < players <= PLAYERS and array.size <= _LARGEST,
        f"a game of {players} players with {array.size:,} payoffs cannot be solved: "
        f"use 1 to {PLAYERS} players and at most {_LARGEST:,} payoffs",
    )
    require(
        axes == players and 0 not in array.shape,
        f"payoffs of {players} players need {players} axes of actions, payoffs[player][action of the first, …], "
        f"got the shape {array.shape}",
    )
    wrong = np.flatnonzero(~np.isfinite(array).reshape(players, -1).all(1))
    require(not wrong.size, f"payoffs must be finite; player {wrong[0] if wrong.size else 0} has other numbers")
    return array


def checked_matrix(matrix: object, what: str = "the first player's payoffs") -> Float[np.ndarray, "rows columns"]:
    """Return a matrix as a float64 array.

    Raises:
        RequestError: If it is not a matrix of finite numbers.
    """
    try:
        array = np.asarray(matrix, np.float64)
    except (TypeError, ValueError):
        array = np.zeros(())
    require(array.ndim == 2 and array.size > 0, f"{what} must be a matrix of numbers, got the shape {array.shape}")
    require(bool(np.isfinite(array).all()), f"{what} must be finite")
    return array


def checked_strategies(payoffs: Float[np.ndarray, " n *actions"], strategies: Sequence[object]) -> Strategies:
    """Return the strategies of a game's players as float64 arrays.

    Raises:
        RequestError: Unless each player has a probability for each of its actions.
    """
    players = len(payoffs)
    require(len(strategies) == players, f"{players} players need {players} strategies, got {len(strategies)}")
    arrays = tuple(np.asarray(strategy, np.float64) for strategy in strategies)
    for player, (strategy, actions) in enumerate(zip(arrays, payoffs.shape[1:], strict=True)):
        right = (
            strategy.shape == (actions,) and bool(np.all(strategy >= -1e-9)) and bool(abs(strategy.sum() - 1) < 1e-6)
        )
        require(
            right,
            f"the strategy of player {player} is not a distribution over its {actions} actions: {strategy.tolist()}",
        )
    return arrays


def action_values(payoffs: object, strategies: Sequence[object]) -> Strategies:
    """Return each player's expected payoff of each of its actions k, given the other players' strategies: uᵢ(k, x₋ᵢ).

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]``.
        strategies: Each player's probabilities.
    """
    game = checked(payoffs)
    return _action_values(game, checked_strategies(game, strategies))


def regrets(payoffs: object, strategies: Sequence[object]) -> Float[np.ndarray, " n"]:
    """Return each player's largest gain by deviating alone.

    >>> regrets([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], [[1, 0], [1, 0]])
    array([2., 2.])
    """
    game = checked(payoffs)
    joint = checked_strategies(game, strategies)
    return np.array(
        [values.max() - strategy @ values for strategy, values in zip(joint, _action_values(game, joint), strict=True)]
    )


def nash_conv(payoffs: object, strategies: Sequence[object]) -> float:
    """Return the sum of all players' largest gains by deviating alone; it is zero exactly at the equilibria."""
    return float(regrets(payoffs, strategies).sum())


def exploitability(payoffs: object, strategies: Sequence[object]) -> float:
    """Return the mean of all players' largest gains by deviating alone.

    >>> exploitability([[[0, -1], [1, 0]], [[0, 1], [-1, 0]]], [[1, 0], [0.5, 0.5]])
    0.75
    """
    return float(regrets(payoffs, strategies).mean())


def solution(payoffs: Float[np.ndarray, " n *actions"], strategies: Sequence[np.ndarray]) -> StrategyProfile:
    """Return a joint strategy with its values and regret; probabilities are clipped to the simplex first."""
    joint = tuple(np.maximum(probabilities, 0.0) / np.maximum(probabilities, 0.0).sum() for probabilities in strategies)
    values = _action_values(payoffs, joint)
    earned = np.array([strategy @ each for strategy, each in zip(joint, values, strict=True)])
    return StrategyProfile(joint, earned, float(max(each.max() for each in [*map(_gain, values, earned)])))


def _gain(values: np.ndarray, earned: float) -> np.ndarray:
    return np.maximum(values - earned, 0.0)


def _action_values(payoffs: Float[np.ndarray, " n *actions"], strategies: Strategies) -> Strategies:
    by_player = []
    for player, table in enumerate(payoffs):
        values = np.moveaxis(table, player, 0)
        for probabilities in reversed([strategy for other, strategy in enumerate(strategies) if other != player]):
            values = values @ probabilities
        by_player.append(values)
    return tuple(by_player)
