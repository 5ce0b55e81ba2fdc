"""Games in which one side wins what the others lose: reported by side, as the sum of all returns says nothing there."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

# How far sums may lie apart by rounding alone, and how much an agent's own return must vary, in units of the largest.
_ROUNDING, _VARYING = 1e-5, 1e-3


@dataclass(frozen=True)
class SideResult:
    """What a side earned.

    Attributes:
        agents: Who always earn the same.
        mean: The mean return of each of them.
        standard_error: Of the mean; 0 for a single episode.
        wins: The share of episodes in which they earned more than every other side.
    """

    agents: tuple[str, ...]
    mean: float
    standard_error: float
    wins: float

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {**vars(self), "agents": list(self.agents)}


@dataclass(frozen=True)
class ConstantSum:
    """A game in which the returns of all agents sum to the same number in every episode.

    Attributes:
        total: That number.
        sides: The agents of each side, by their places in the roster.
    """

    total: float
    sides: tuple[tuple[int, ...], ...]

    def split(
        self, returns: Float[np.ndarray, "episodes n"], agents: Sequence[str]
    ) -> tuple[tuple[SideResult, ...], float]:
        """What each side earned, and the share of episodes that no side won."""
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
    """Whether a game is of constant sum, and its sides.

        max_e Σᵢ Rᵢₑ − min_e Σᵢ Rᵢₑ ≤ 10⁻⁵ max |R|   while some Rᵢ varies over episodes by more than 10⁻³ max |R|

    Without a declaration it is told from the episodes e: their sums are equal up to rounding, although agents' own
    returns Rᵢ vary. Agents whose returns are equal in every episode are one side.

    Args:
        returns: Each agent's, of episodes by as different policies as there are.
        declared: What the environment says; None where it says nothing.

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
    if len(sides) < 2:  # all earned the same in every episode: nothing tells who belongs together
        sides = [[agent] for agent in range(finite.shape[1])]
    return ConstantSum(float(totals.mean()), tuple(map(tuple, sides)))


def declared(env: Any) -> bool | None:
    """What an environment says of itself by an attribute ``constant_sum``; None where it has none."""
    declaration = getattr(env, "constant_sum", None)
    return declaration if isinstance(declaration, bool) else None
