"""Well-known games of two agents, as payoff tables. Agent 0 chooses the row, agent 1 the column.

References: Claus and Boutilier, 1998 (penalty); Zhong et al., 2024, arXiv:2304.09870 (example 1). The climbing game
with payoffs 8, −12 and 0 is from Son et al., 2019, arXiv:1905.05408. The climbing game with 6 in two places of its
diagonal, and plateau, are from Wang et al., 2021, arXiv:2008.01062. The four general-sum games are textbook games.
"""

import numpy as np

from hamlet.envs.matrix.payoff_games import Matrix, common_reward, tabulate


def climbing(*, second: float = 0.0, rounds: int = 1) -> Matrix:
    """Climbing: the best joint action, with payoff 8, is surrounded by payoffs of −12.

    Args:
        second: The payoff of the other two diagonal joint actions. At 6, the agents must also agree on one of them.
        rounds: The number of rounds of an episode.
    """
    return Matrix(common_reward([[8, -12, -12], [-12, second, 0], [-12, 0, second]]), rounds)


def plateau(*, best: float = 12.0, rounds: int = 1) -> Matrix:
    """Plateau: to reach the best joint action, both agents must leave an action that always has payoff 10.

    Args:
        best: The payoff of the best joint action.
        rounds: The number of rounds of an episode.
    """
    return Matrix(common_reward([[best, 0, 10], [0, 10, 10], [10, 10, 10]]), rounds)


def penalty(*, k: float = -100.0, rounds: int = 1) -> Matrix:
    """Penalty: two best joint actions with payoff 10; k for mixing them up; a safe joint action with payoff 2.

    Args:
        k: The payoff of a mix-up; the lower it is, the safer the middle action is in comparison.
        rounds: The number of rounds of an episode.
    """
    return Matrix(common_reward([[10, 0, k], [0, 2, 0], [k, 0, 10]]), rounds)


def example_1(*, rounds: int = 1) -> Matrix:
    """Example 1 of HARL: simultaneous updates may end at −1, the worst payoff; sequential updates reach 2.

    Args:
        rounds: The number of rounds of an episode.
    """
    return Matrix(common_reward([[0, 2], [2, -1]]), rounds)


def stag_hunt(*, rounds: int = 1) -> Matrix:
    """Stag hunt: hunting a stag needs both agents; hunting a hare is safe.

    Args:
        rounds: The number of rounds of an episode.
    """
    return _symmetric([[4, 0], [3, 2]], rounds)


def prisoners_dilemma(*, rounds: int = 1) -> Matrix:
    """Prisoner's dilemma: defecting is always better for each agent, but both lose if both defect.

    Args:
        rounds: The number of rounds of an episode.
    """
    return _symmetric([[-1, -3], [0, -2]], rounds)


def matching_pennies(*, rounds: int = 1) -> Matrix:
    """Matching pennies: agent 0 wins if both actions are equal, agent 1 wins if they differ.

    Args:
        rounds: The number of rounds of an episode.
    """
    first = np.array([[1, -1], [-1, 1]])
    return Matrix(tabulate(np.stack((first, -first))), rounds)


def chicken(*, rounds: int = 1) -> Matrix:
    """Chicken: an agent that swerves alone loses 1 to the other agent; if neither swerves, both lose 10.

    Args:
        rounds: The number of rounds of an episode.
    """
    return _symmetric([[0, -1], [1, -10]], rounds)


def _symmetric(first: list[list[float]], rounds: int) -> Matrix:
    """Return a symmetric game from the payoffs of the agent that chooses the row."""
    return Matrix(tabulate(np.stack((first, np.transpose(first)))), rounds)
