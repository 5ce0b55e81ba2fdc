"""When and how a run is evaluated during training: the requested configuration, and the schedule in config.json.

The protocol follows Gorsane et al. (2022, arXiv:2209.10485). Every evaluation plays a fixed number of episodes, with a
seed that training does not use. At the end, the best policy plays ten times as many episodes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from hamlet.errors import require
from hamlet.rollouts.episodes import Mode
from hamlet.rollouts.played import check_horizon

EPISODES = 32
"""Default number of episodes per evaluation, from the protocol."""
SHARE = 0.05
"""Steps that evaluations may add, as a share of a run's environment steps, if no interval is configured."""
# The largest and smallest number of evaluations of a run, if no interval is configured.
_MOST, _FEWEST = 50, 3


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """The requested evaluations of a run.

    Attributes:
        every: Environment steps between evaluations; None for an interval at which evaluations add about 5 % steps.
        episodes: Episodes per evaluation; 0 for no evaluation.
        mode: How actions are chosen: "deterministic" or "stochastic".
        max_episode_steps: Steps after which an episode is truncated; None for the environment's longest episode, or
            10,000 if the environment does not declare one.
    """

    every: int | None = None
    episodes: int = EPISODES
    mode: Mode = "deterministic"
    max_episode_steps: int | None = None

    def check(self) -> None:
        """Check the values.

        Raises:
            RequestError: A value is not valid.
        """
        require(self.every is None or self.every >= 1, f"--evaluate-every must be at least 1, got {self.every}")
        require(
            self.episodes >= 0,
            f"--evaluate-episodes must be at least 0, got {self.episodes}; 0 switches evaluations off",
        )
        require(
            self.mode in ("deterministic", "stochastic"),
            f"--evaluate-mode must be deterministic or stochastic, got {self.mode!r}",
        )
        check_horizon(self.max_episode_steps)


@dataclass(frozen=True, kw_only=True)
class EvaluationSchedule:
    """When and how a run is evaluated, as stored in its config.json.

    Attributes:
        every: The requested interval in environment steps; None if none was requested.
        interval: Environment steps between evaluations; it stays the same if the run is lengthened. There is also an
            evaluation at the end.
        episodes: Episodes per evaluation; 0 for no evaluation.
        mode: How actions are chosen: "deterministic" or "stochastic".
        seed: The seed of the episodes, the same for every evaluation.
        absolute_seed: The seed of the final evaluation of the best policy (the "absolute metric" of Gorsane et al.).
        max_episode_steps: Steps after which an episode is truncated; None for the environment's longest episode, or
            10,000 if the environment does not declare one.
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
        """Return the schedule in a run's config.json; a run from before there were schedules has no evaluations."""
        off = {"every": None, "interval": 1, "episodes": 0, "mode": "deterministic", "seed": 0, "absolute_seed": 0}
        return cls(**config.get("evaluation", off))


def evaluation_seeds(seed: int) -> dict[str, int]:
    """Return the seeds of a run's evaluations, derived from the run's seed.

    >>> evaluation_seeds(0)
    {'seed': 3141116543, 'absolute_seed': 4003597245}
    """
    first, second = np.random.SeedSequence((seed, 2)).generate_state(2).tolist()
    return {"seed": first, "absolute_seed": second}


def interval(asked: EvaluationConfig, total: int, batch: int, horizon: int) -> int:
    """Return the iterations between evaluations.

    Without a configured interval, there are 3 to 50 evaluations, which add about 5 % to a run's environment steps.

    Args:
        asked: The requested evaluations.
        total: Iterations of the run.
        batch: Environment steps of an iteration.
        horizon: Steps of the longest episode.

    >>> usual = EvaluationConfig()
    >>> interval(usual, total=1000, batch=4000, horizon=25), interval(usual, total=250, batch=4000, horizon=1000)
    (20, 84)
    """
    if asked.every is not None:
        return max(1, asked.every // batch)
    cheap = int(SHARE * total * batch / max(1, asked.episodes * horizon))
    iterations = -(-total // min(max(cheap, _FEWEST), _MOST))
    return iterations if -(-total // iterations) >= _FEWEST else max(1, -(-total // (_FEWEST - 1)) - 1)
