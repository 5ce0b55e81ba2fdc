"""Evaluation: whole episodes of a joint policy, or of random play."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, require, unknown
from hamlet.networks.torso import Body
from hamlet.roster import Roster
from hamlet.training.episodes import Mode
from hamlet.training.seeds import check_seed
from hamlet.training.venue import venue

__all__ = ["Evaluation", "Mode", "evaluate"]


@dataclass(frozen=True)
class Evaluation:
    """What some whole episodes gave.

    Attributes:
        returns: The team's return of each episode, the sum over agents; ``[episodes]``.
        agent_returns: Each agent's own, ``[episodes, n]``.
        lengths: Steps of each episode.
        mode: Whether actions were the policy's modes, its samples, or uniform.
        seed: From which episodes and samples were drawn.
    """

    returns: np.ndarray
    agent_returns: np.ndarray
    lengths: np.ndarray
    mode: Mode
    seed: int

    @classmethod
    def of(cls, agent_returns: np.ndarray, lengths: np.ndarray, mode: Mode, seed: int) -> "Evaluation":
        """From what was played: the team's return is the sum over agents."""
        own = agent_returns.astype(np.float64)  # so that a mean does not depend on how it is summed up
        return cls(own.sum(-1), own, lengths, mode, seed)

    @property
    def mean(self) -> float:
        """Mean team return."""
        return float(self.returns.mean())

    @property
    def standard_error(self) -> float:
        """Of the mean; 0 for a single episode."""
        count = len(self.returns)
        return float(self.returns.std(ddof=1) / np.sqrt(count)) if count > 1 else 0.0

    @property
    def wins(self) -> np.ndarray:
        """In which share of the episodes each agent's return was above that of every other one, ``[n]``."""
        best = self.agent_returns == self.agent_returns.max(-1, keepdims=True)
        return (best & (best.sum(-1, keepdims=True) == 1)).mean(0)

    def summary(self) -> str:
        """One line."""
        return (
            f"{self.mean:.2f} ± {self.standard_error:.2f} (mean team return ± standard error, "
            f"{len(self.returns)} episodes, {self.mode})"
        )


def evaluate(
    env: AnyEnvironment,
    roster: Roster,
    actors: tuple[Any, ...],
    body: Body,
    *,
    episodes: int,
    seed: int,
    mode: Mode,
    at_random: tuple[str, ...] = (),
) -> Evaluation:
    """Play ``episodes`` whole episodes; the agents named in ``at_random`` act uniformly.

    Raises:
        RequestError: If there are to be none, or one of those agents is not there, or no other one is.
        RunError: If the environment fails.
    """
    check_seed(seed)
    if episodes < 1:
        raise RequestError(f"--episodes must be at least 1, not {episodes}")
    for name in at_random:
        if name not in roster.names:
            raise unknown("agent", name, roster.names)
    require(set(at_random) < set(roster.names), "every agent would act at random: leave one to be judged")
    own, lengths = venue(env).episodes(roster, actors, body, episodes, seed, mode, at_random)
    return Evaluation.of(own, lengths, mode, seed)
