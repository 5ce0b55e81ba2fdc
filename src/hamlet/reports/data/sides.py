"""Compute each agent's return and share of wins, for constant-sum games.

In a constant-sum game the team's return is the same in every episode, so it contains no information.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

# Team returns count as equal if they differ by at most this fraction of the largest absolute return. Returns are sums
# in single precision.
_SAME = 1e-5


@dataclass(frozen=True)
class Sides:
    """Each agent's results in the evaluations of a run: P evaluations of n agents.

    Attributes:
        agents: The names of the agents.
        steps: The environment steps of the evaluated policies, ascending.
        returns: Each agent's return, as a mean over episodes, ``[P, n]``.
        wins: The share of episodes in which the agent's return was above every other agent's return, ``[P, n]``; NaN
            if unknown.
        sums: The smallest and the largest return of the team in any episode.
        differ: Whether the agents had different returns in at least one episode.
    """

    agents: tuple[str, ...]
    steps: Int[np.ndarray, " P"]
    returns: Float[np.ndarray, "P n"]
    wins: Float[np.ndarray, "P n"]
    sums: tuple[float, float]
    differ: bool

    def constant_sum(self, team_returns: Iterable[float]) -> bool:
        """Return whether the game is constant-sum.

        This holds if the team's return is the same in every episode, ``team_returns`` included, and the agents of an
        episode have different returns.
        """
        every = [*self.sums, *team_returns]
        scale = float(max(np.abs(self.returns).max(initial=0.0), *np.abs(every), 1.0))
        return self.differ and float(max(every) - min(every)) <= _SAME * scale

    def until(self, steps: int) -> "Sides":
        """Return the results without the evaluations after the given step."""
        within = self.steps <= steps
        return Sides(self.agents, self.steps[within], self.returns[within], self.wins[within], self.sums, self.differ)


def of_rows(rows: Sequence[tuple[int, str, str]]) -> Sides | None:
    """Return the results from the rows of the table ``evaluations``; None if no row has finite returns.

    Args:
        rows: For each evaluation, the step, the agents' names as JSON, and the returns ``[episodes, n]`` as JSON.

    Raises:
        ValueError: If a row has other contents.
    """
    if not rows:
        return None
    agents = tuple(map(str, json.loads(rows[-1][1])))
    every = [(step, np.asarray(json.loads(text), float).reshape(-1, len(agents))) for step, _, text in rows]
    # An evaluation has no returns if too many of its episodes failed.
    good = [(step, returns) for step, returns in every if returns.size and np.isfinite(returns).all()]
    if not good:
        return None
    episodes = [returns for _, returns in good]
    team = np.concatenate([returns.sum(-1) for returns in episodes])
    return Sides(
        agents,
        np.array([step for step, _ in good], np.int64),
        np.array([returns.mean(0) for returns in episodes]),
        np.array([_won(returns).mean(0) for returns in episodes]),
        (float(team.min()), float(team.max())),
        any(bool(np.ptp(returns, axis=-1).any()) for returns in episodes),
    )


def of_points(points: Sequence[Mapping[str, Any]]) -> Sides | None:
    """Return the results from the evaluations in ``evaluation.json``; None if none of them has returns of agents.

    Args:
        points: The evaluations of the run's own policies, without random play.

    Raises:
        ValueError: If an evaluation has other contents.
    """
    known = [point for point in points if isinstance(point.get("agent_returns"), Mapping) and point.get("returns")]
    if not known:
        return None
    agents = tuple(known[-1]["agent_returns"])
    known = sorted(
        (point for point in known if tuple(point["agent_returns"]) == agents), key=lambda entry: entry["step"]
    )
    returns = np.array([[float(point["agent_returns"][agent]) for agent in agents] for point in known])
    wins = [[wins_of(point.get("sides")).get(agent, np.nan) for agent in agents] for point in known]
    team = np.concatenate([np.asarray(point["returns"], float) for point in known])
    return Sides(
        agents,
        np.array([point["step"] for point in known], np.int64),
        returns,
        np.array(wins),
        (float(team.min()), float(team.max())),
        bool(np.ptp(returns, axis=-1).any()),
    )


def wins_of(recorded: Any) -> dict[str, float]:
    """Return each agent's share of won episodes, from the entry ``sides`` or ``against_random`` of an evaluation.

    An episode that an agent's side wins counts as won by the agent.

    >>> wins_of([{"agents": ["a"], "wins": 0.75}, {"agents": ["b", "c"], "wins": 0.25}])
    {'a': 0.75, 'b': 0.25, 'c': 0.25}
    """
    known = [entry for entry in recorded if isinstance(entry, Mapping)] if isinstance(recorded, list) else []
    return {
        str(agent): float(side["wins"])
        for side in known
        if isinstance(side.get("wins"), int | float) and isinstance(side.get("agents"), list)
        for agent in side["agents"]
    }


def _won(returns: Float[np.ndarray, "E n"]) -> Bool[np.ndarray, "E n"]:
    """Return, for each episode and agent, whether the agent's return was above every other agent's return."""
    best = returns == returns.max(-1, keepdims=True)
    return best & (best.sum(-1, keepdims=True) == 1)
