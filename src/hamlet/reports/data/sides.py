"""Agents that play against each other: what each earns and how often it wins, where the team's return is constant."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

# Returns that differ by less than this share of the largest are the same: they are sums in single precision.
_SAME = 1e-5


@dataclass(frozen=True)
class Sides:
    """Each agent's part in the evaluations of a run.

    Attributes:
        agents: Their names.
        steps: Environment steps of the evaluated policies, ascending.
        returns: Each agent's return, in the mean over episodes.
        wins: In which share of the episodes its return was above that of every other agent; NaN where that is unknown.
        sums: The smallest and the largest return of the team in any episode.
        differ: Whether the agents of an episode ever had unlike returns.
    """

    agents: tuple[str, ...]
    steps: Int[np.ndarray, " P"]
    returns: Float[np.ndarray, "P n"]
    wins: Float[np.ndarray, "P n"]
    sums: tuple[float, float]
    differ: bool

    def constant_sum(self, team_returns: Iterable[float]) -> bool:
        """Whether the team's return is the same in every episode, these among them, and the agents' are not."""
        every = [*self.sums, *team_returns]
        scale = float(max(np.abs(self.returns).max(initial=0.0), *np.abs(every), 1.0))
        return self.differ and float(max(every) - min(every)) <= _SAME * scale

    def until(self, steps: int) -> "Sides":
        """Without what was measured after a step."""
        within = self.steps <= steps
        return Sides(self.agents, self.steps[within], self.returns[within], self.wins[within], self.sums, self.differ)


def of_rows(rows: Sequence[tuple[int, str, str]]) -> Sides | None:
    """From the rows of the table ``evaluations``: step, agents and returns ``[episodes, n]`` as JSON.

    Raises:
        ValueError: If they hold something else.
    """
    if not rows:
        return None
    agents = tuple(map(str, json.loads(rows[-1][1])))
    every = [(step, np.asarray(json.loads(text), float).reshape(-1, len(agents))) for step, _, text in rows]
    # Of an evaluation in which too many episodes failed there are no returns.
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
    """From the points of ``evaluation.json`` that are of the run's own policies.

    Raises:
        ValueError: If they hold something else.
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
    """The share of episodes that each agent's side won, from ``sides`` or ``against_random`` of a point.

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
    """Whether an agent's return was above that of every other one."""
    best = returns == returns.max(-1, keepdims=True)
    return best & (best.sum(-1, keepdims=True) == 1)
