"""Constant-sum games: one side wins what the other sides lose.

Hamlet reports such games by side, because the sum of all returns is the same for every policy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

# The largest difference of sums that is treated as rounding, and the smallest range over which an agent's return must
# vary. Both are relative to the largest absolute return.
_ROUNDING, _VARYING = 1e-5, 1e-3


@dataclass(frozen=True)
class SideResult:
    """The returns of one side.

    Attributes:
        agents: Agents of the side. They have equal returns in every episode.
        mean: Mean return of an agent of the side.
        standard_error: Standard error of the mean; 0 for a single episode.
        wins: Share of episodes in which this side's return was higher than the return of every other side.
    """

    agents: tuple[str, ...]
    mean: float
    standard_error: float
    wins: float

    def plain(self) -> dict[str, Any]:
        """Return the fields as JSON values."""
        return {**vars(self), "agents": list(self.agents)}


@dataclass(frozen=True)
class ConstantSum:
    """A game in which the returns of all agents sum to the same number in every episode.

    Attributes:
        total: The sum of the returns of all agents.
        sides: Agents of each side, as positions in the roster.
    """

    total: float
    sides: tuple[tuple[int, ...], ...]

    def split(
        self, returns: Float[np.ndarray, "episodes n"], agents: Sequence[str]
    ) -> tuple[tuple[SideResult, ...], float]:
        """Return the results of each side, and the share of episodes that no side won."""
        side_returns = np.stack([returns[:, list(side)].mean(1) for side in self.sides], axis=1)
        count, best = len(side_returns), side_returns.max(1, keepdims=True)
        level = side_returns >= best - _ROUNDING * max(1.0, float(np.abs(side_returns).max()))
        won = level & (level.sum(1, keepdims=True) == 1)
        errors = side_returns.std(0, ddof=1) / np.sqrt(count) if count > 1 else np.zeros(len(self.sides))
        sides = tuple(
            SideResult(tuple(agents[k] for k in side), float(mean), float(error), float(wins))
            for side, mean, error, wins in zip(self.sides, side_returns.mean(0), errors, won.mean(0), strict=True)
        )
        return sides, float(1 - won.any(1).mean())


def constant_sum(returns: Float[np.ndarray, "episodes n"], declared: bool | None = None) -> ConstantSum | None:
    """Return the sides of a constant-sum game; None if the game does not have a constant sum.

    Rᵢₑ is the return of agent i in episode e. Without a declaration of the environment, a game has a constant sum if

        max_e Σᵢ Rᵢₑ − min_e Σᵢ Rᵢₑ ≤ 10⁻⁵ max |R|   and some Rᵢ varies over episodes by more than 10⁻³ max |R|

    The sums over agents are then equal up to rounding, although the returns of single agents vary. Agents whose
    returns are equal in every episode form one side.

    Args:
        returns: Return of each agent in each episode. Episodes of very different policies make the check more reliable.
        declared: Declaration of the environment; None if it declares nothing.

    >>> constant_sum(np.array([[1.0, -1.0], [-1.0, 1.0]])).sides
    ((0,), (1,))
    >>> constant_sum(np.array([[1.0, 1.0], [2.0, 2.0]])) is None
    True
    """
    finite = returns[np.isfinite(returns).all(1)]
    if declared is False or not len(finite) or finite.shape[1] < 2:
        return None
    totals, largest = finite.sum(1), float(np.abs(finite).max())
    even = float(np.ptp(totals)) <= _ROUNDING * largest
    varying = float(np.ptp(finite, axis=0).max()) > _VARYING * largest
    if not declared and not (even and varying and largest > 0):
        return None
    sides: list[list[int]] = []
    for agent in range(finite.shape[1]):
        near = (np.abs(finite[:, side[0]] - finite[:, agent]).max() <= _ROUNDING * largest for side in sides)
        same = next((side for side, alike in zip(sides, near, strict=True) if alike), None)
        if same is None:
            sides.append([agent])
        else:
            same.append(agent)
    if len(sides) < 2:  # all returns are equal in every episode, so the sides are unknown
        sides = [[agent] for agent in range(finite.shape[1])]
    return ConstantSum(float(totals.mean()), tuple(map(tuple, sides)))


def declared(env: Any) -> bool | None:
    """Return the environment's attribute ``constant_sum``; None if it has no such attribute."""
    declaration = getattr(env, "constant_sum", None)
    return declaration if isinstance(declaration, bool) else None
