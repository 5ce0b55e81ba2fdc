"""Games of n players with any numbers of actions, and what a joint strategy is worth in them.

A game is one array: ``payoffs[i][c₁, …, cₙ]`` is what player i earns if player j takes action cⱼ. With xⱼ the
probabilities with which player j acts,

    uᵢ(k, x₋ᵢ) = Σ_{c: cᵢ = k} uᵢ(c) Π_{j≠i} xⱼ(cⱼ),      regretᵢ(x) = max_k uᵢ(k, x₋ᵢ) − Σ_k xᵢ(k) uᵢ(k, x₋ᵢ).

Everything here is NumPy in 64 bits; ``hamlet.games.binary`` and ``hamlet.games.search`` are for compiled programs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from hamlet.errors import require

PLAYERS = 10
# Of payoffs in all: 80 MB.
_LARGEST = 10_000_000

Strategies = tuple[np.ndarray, ...]


@dataclass(frozen=True)
class StrategyProfile:
    """A joint strategy, and what the most tempted player would gain by leaving it alone.

    Attributes:
        strategies: Each player's probabilities over its actions.
        values: What each player earns.
        regret: Of the most tempted, in units of the payoffs.
    """

    strategies: Strategies
    values: np.ndarray
    regret: float


def checked(payoffs: object) -> Float[np.ndarray, " n *actions"]:
    """A game as an array of 64 bits.

    Raises:
        RequestError: Unless there is one array of payoffs for each player, with an axis for each player, finite.
    """
    try:
        array = np.asarray(payoffs, np.float64)
    except (TypeError, ValueError):
        array = None
    require(
        array is not None and array.ndim > 0,
        "a game is an array of numbers, payoffs[player][action of the first, …]: one shape for all players",
    )
    assert array is not None
    players, axes = array.shape[0], array.ndim - 1
    require(
        0 < players <= PLAYERS and array.size <= _LARGEST,
        f"a game of {players} players with {array.size:,} payoffs cannot be solved here; "
        f"at most {PLAYERS} players and {_LARGEST:,} payoffs, and at least one player",
    )
    require(
        axes == players and 0 not in array.shape,
        f"payoffs of {players} players have {players} axes of actions, payoffs[player][action of the first, …], "
        f"not the shape {array.shape}",
    )
    wrong = np.flatnonzero(~np.isfinite(array).reshape(players, -1).all(1))
    require(not wrong.size, f"payoffs are finite numbers; player {wrong[0] if wrong.size else 0} has others")
    return array


def checked_matrix(matrix: object, what: str = "the first player's payoffs") -> Float[np.ndarray, "rows columns"]:
    """A matrix of 64 bits.

    Raises:
        RequestError: If it is none, or not finite.
    """
    try:
        array = np.asarray(matrix, np.float64)
    except (TypeError, ValueError):
        array = np.zeros(())
    require(array.ndim == 2 and array.size > 0, f"{what} are a matrix of numbers, not of the shape {array.shape}")
    require(bool(np.isfinite(array).all()), f"{what} are finite numbers; here are others")
    return array


def checked_strategies(payoffs: Float[np.ndarray, " n *actions"], strategies: Sequence[object]) -> Strategies:
    """Probabilities of 64 bits for the players of a game.

    Raises:
        RequestError: Unless each player has a probability for each of its actions.
    """
    require(len(strategies) == len(payoffs), f"{len(payoffs)} players need as many strategies, not {len(strategies)}")
    arrays = tuple(np.asarray(strategy, np.float64) for strategy in strategies)
    for player, (strategy, actions) in enumerate(zip(arrays, payoffs.shape[1:], strict=True)):
        right = (
            strategy.shape == (actions,) and bool(np.all(strategy >= -1e-9)) and bool(abs(strategy.sum() - 1) < 1e-6)
        )
        require(
            right, f"the strategy of player {player} is no distribution over its {actions} actions: {strategy.tolist()}"
        )
    return arrays


def action_values(payoffs: object, strategies: Sequence[object]) -> Strategies:
    """What each player earns by each of its actions while the others play as they do: uᵢ(k, x₋ᵢ).

    Args:
        payoffs: ``payoffs[i][c₁, …, cₙ]``.
        strategies: Each player's probabilities.
    """
    game = checked(payoffs)
    return _action_values(game, checked_strategies(game, strategies))


def regrets(payoffs: object, strategies: Sequence[object]) -> Float[np.ndarray, " n"]:
    """What each player would gain by leaving alone.

    >>> regrets([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], [[1, 0], [1, 0]])
    array([2., 2.])
    """
    game = checked(payoffs)
    joint = checked_strategies(game, strategies)
    return np.array(
        [values.max() - strategy @ values for strategy, values in zip(joint, _action_values(game, joint), strict=True)]
    )


def nash_conv(payoffs: object, strategies: Sequence[object]) -> float:
    """The sum over players of what each would gain by leaving alone; zero at an equilibrium and nowhere else."""
    return float(regrets(payoffs, strategies).sum())


def exploitability(payoffs: object, strategies: Sequence[object]) -> float:
    """The mean over players of what each would gain by leaving alone.

    >>> exploitability([[[0, -1], [1, 0]], [[0, 1], [-1, 0]]], [[1, 0], [0.5, 0.5]])
    0.75
    """
    return float(regrets(payoffs, strategies).mean())


def solution(payoffs: Float[np.ndarray, " n *actions"], strategies: Sequence[np.ndarray]) -> StrategyProfile:
    """A joint strategy with what it is worth; rounding beyond the simplex is cut off."""
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
