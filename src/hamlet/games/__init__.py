"""Games in normal form: compute equilibria, strategies from which no player can gain by deviating alone.

>>> from hamlet.games import solvers
>>> solvers.pure_equilibria([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
[(1, 1)]
"""

from hamlet.games import solvers

__all__ = ["solvers"]
