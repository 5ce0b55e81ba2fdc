"""Games in normal form: what is played if nobody can gain by leaving alone.

>>> from hamlet.games import solvers
>>> solvers.pure_equilibria([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
[(1, 1)]
"""

from hamlet.games import solvers

__all__ = ["solvers"]
