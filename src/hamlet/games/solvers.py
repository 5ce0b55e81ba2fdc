"""All solvers of matrix games in one module; most results state their regret.

The regret is the largest gain of a player that deviates alone.

>>> from hamlet.games import solvers
>>> solvers.nash([[[3, 0], [5, 1]], [[3, 5], [0, 1]]]).values.tolist()
[1.0, 1.0]
"""

from hamlet.games.binary import Equilibrium, equilibrium
from hamlet.games.linear import CorrelatedEquilibrium, correlated, zero_sum
from hamlet.games.nash import nash, pure_equilibria, support_enumeration, two_by_two
from hamlet.games.payoffs import StrategyProfile, action_values, exploitability, nash_conv, regrets
from hamlet.games.play import Course, fictitious_play, replicator
from hamlet.games.ranking import AlphaRank, NashAverage, alpha_rank, alpha_sweep, nash_average
from hamlet.games.search import search, search_many

__all__ = [
    "AlphaRank",
    "CorrelatedEquilibrium",
    "Course",
    "Equilibrium",
    "NashAverage",
    "StrategyProfile",
    "action_values",
    "alpha_rank",
    "alpha_sweep",
    "correlated",
    "equilibrium",
    "exploitability",
    "fictitious_play",
    "nash",
    "nash_average",
    "nash_conv",
    "pure_equilibria",
    "regrets",
    "replicator",
    "search",
    "search_many",
    "support_enumeration",
    "two_by_two",
    "zero_sum",
]
