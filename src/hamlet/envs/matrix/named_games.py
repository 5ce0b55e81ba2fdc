"""Known games of two agents, as tables of payoffs. The first agent chooses the row, the second the column.

References: Claus and Boutilier, 1998 (penalty); Zhong et al., 2024, arXiv:2304.09870 (example 1); the climbing game
with payoffs 8, −12 and 0 is that of Son et al., 2019, arXiv:1905.05408; with 6 in two places of its diagonal, and the
plateau, those of Wang et al., 2021, arXiv:2008.01062. The four general-sum games are textbook ones.
"""

import numpy as np

from hamlet.envs.matrix.payoff_games import Matrix, common_reward, tabulate


def climbing(*, second: float = 0.0, rounds: int = 1) -> Matrix:
    """Climbing: the best joint action, worth 8, is surrounded by losses of 12.

    Args:
        second: What the other two joint actions of the diagonal are worth; at 6, of them one must be agreed on too.
        rounds: Rounds of an episode.
    """
    return Matrix(common_reward([[8, -12, -12], [-12, second, 0], [-12, 0, second]]), rounds)


def plateau(*, best: float = 12.0, rounds: int = 1) -> Matrix:
    """Plateau: the best joint action needs both agents to leave what is worth 10 whatever the other does.

    Args:
        best: What it is worth.
        rounds: Rounds of an episode.
    """
    return Matrix(common_reward([[best, 0, 10], [0, 10, 10], [10, 10, 10]]), rounds)


def penalty(*, k: float = -100.0, rounds: int = 1) -> Matrix:
    """Penalty: two best joint actions, worth 10, and k for mixing them up; 2 is safe.

    Args:
        k: The payoff of a mix-up; the lower, the safer the middle.
        rounds: Rounds of an episode.
    """
    return Matrix(common_reward([[10, 0, k], [0, 2, 0], [k, 0, 10]]), rounds)


def example_1(*, rounds: int = 1) -> Matrix:
    """Example 1 of HARL: agents who improve all at once may end at −1, the worst; one after another, at 2.

    Args:
        rounds: Rounds of an episode.
    """
    return Matrix(common_reward([[0, 2], [2, -1]]), rounds)


def stag_hunt(*, rounds: int = 1) -> Matrix:
    """Stag hunt: a stag takes both hunters; a hare is safe.

    Args:
        rounds: Rounds of an episode.
    """
    return _symmetric([[4, 0], [3, 2]], rounds)


def prisoners_dilemma(*, rounds: int = 1) -> Matrix:
    """Prisoner's dilemma: to defect is better whatever the other does, and worse if both do.

    Args:
        rounds: Rounds of an episode.
    """
    return _symmetric([[-1, -3], [0, -2]], rounds)


def matching_pennies(*, rounds: int = 1) -> Matrix:
    """Matching pennies: the first wins where both are equal, the second where not.

    Args:
        rounds: Rounds of an episode.
    """
    first = np.array([[1, -1], [-1, 1]])
    return Matrix(tabulate(np.stack((first, -first))), rounds)


def chicken(*, rounds: int = 1) -> Matrix:
    """Chicken: whoever swerves loses 1 to the other; if neither does, both lose 10.

    Args:
        rounds: Rounds of an episode.
    """
    return _symmetric([[0, -1], [1, -10]], rounds)


def _symmetric(first: list[list[float]], rounds: int) -> Matrix:
    """The same game for both: the payoffs of whoever chooses the row."""
    return Matrix(tabulate(np.stack((first, np.transpose(first)))), rounds)
