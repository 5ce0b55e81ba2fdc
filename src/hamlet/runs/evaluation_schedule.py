"""When and how a run is evaluated while it trains: what was asked for, and the schedule that its config.json holds.

The field's protocol (Gorsane et al., 2022, arXiv:2209.10485): a fixed number of episodes at every point, drawn from a
seed that training does not know, and at the end ten times as many episodes of the best policy.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hamlet.errors import require
from hamlet.rollouts.episodes import Mode
from hamlet.rollouts.played import check_horizon

EPISODES = 32
"""At every point, as in the field's protocol."""
SHARE = 0.05
"""Of a run's environment steps: what evaluations may add where their interval is not asked for."""
# Points of a run, where they are not asked for.
_MOST, _FEWEST = 50, 3


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """What was asked for.

    Attributes:
        every: Environment steps between points; None for as many points as are cheap.
        episodes: At every point; 0 for no evaluation.
        mode: How actions are chosen.
        max_episode_steps: After which an episode is cut; None for the environment's longest, or 10,000.
    """

    every: int | None = None
    episodes: int = EPISODES
    mode: Mode = "deterministic"
    max_episode_steps: int | None = None

    def check(self) -> None:
        """Refuse what cannot be done.

        Raises:
            RequestError: With what, why, and the nearest that can.
        """
        require(self.every is None or self.every >= 1, f"--evaluate-every must be at least 1, not {self.every}")
        require(self.episodes >= 0, f"--evaluate-episodes must be at least 0, not {self.episodes}; 0 evaluates nothing")
        require(
            self.mode in ("deterministic", "stochastic"),
            f"--evaluate-mode is deterministic or stochastic, not {self.mode!r}",
        )
        check_horizon(self.max_episode_steps)


@dataclass(frozen=True, kw_only=True)
class EvaluationSchedule:
    """When and how a run is evaluated, as its config.json holds it.

    Attributes:
        every: What was asked for; None for as many points as are cheap.
        interval: Environment steps between points; a run made longer keeps it. There is one at the end, too.
        episodes: At every point; 0 for no evaluation.
        mode: How actions are chosen.
        seed: From which the episodes of every point are drawn.
        absolute_seed: From which those of the absolute metric are.
        max_episode_steps: After which an episode is cut; None for the environment's longest, or 10,000.
    """

    every: int | None
    interval: int
    episodes: int
    mode: Mode
    seed: int
    absolute_seed: int
    max_episode_steps: int | None = None

    @classmethod
    def of(cls, config: dict[str, Any]) -> "EvaluationSchedule":
        """That of a run's config.json; a run from before there were plans is not evaluated."""
        off = {"every": None, "interval": 1, "episodes": 0, "mode": "deterministic", "seed": 0, "absolute_seed": 0}
        return cls(**config.get("evaluation", off))


def evaluation_seeds(seed: int) -> dict[str, int]:
    """Those of a run's evaluations, from its own.

    >>> evaluation_seeds(0)
    {'seed': 3141116543, 'absolute_seed': 4003597245}
    """
    first, second = np.random.SeedSequence((seed, 2)).generate_state(2).tolist()
    return {"seed": first, "absolute_seed": second}


def interval(asked: EvaluationConfig, total: int, batch: int, horizon: int) -> int:
    """Iterations between points: as asked for, else such that they add 5 % to a run's steps, in 3 to 50 points.

    Args:
        asked: What was asked for.
        total: Iterations of the run.
        batch: Environment steps of one.
        horizon: Those of the longest episode.

    >>> usual = EvaluationConfig()
    >>> interval(usual, total=1000, batch=4000, horizon=25), interval(usual, total=250, batch=4000, horizon=1000)
    (20, 84)
    """
    if asked.every is not None:
        return max(1, asked.every // batch)
    cheap = int(SHARE * total * batch / max(1, asked.episodes * horizon))
    iterations = -(-total // min(max(cheap, _FEWEST), _MOST))
    return iterations if -(-total // iterations) >= _FEWEST else max(1, -(-total // (_FEWEST - 1)) - 1)
