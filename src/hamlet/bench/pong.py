"""What MATRL learns of Pong within about an hour, told by how often it wins against a player who acts at random."""

from pathlib import Path
from typing import Any

import numpy as np

from hamlet import presets
from hamlet.training import run
from hamlet.training.complete import steps_done
from hamlet.training.judge import judge

_STAGES = 5
_RANDOM = "second_0"


def measure(directory: Path, *, steps: int, episodes: int = 24) -> dict[str, Any]:
    """Train (or go on with) both players in ``directory``, with a stop after each fifth of the steps.

    At each stop, and after the first rollout, the first player (by sampled actions) plays so many episodes against
    one who acts at random, and as many are played with both at random.
    """
    preset = "paper/matrl/pong"
    first, stages = presets.find(preset, "matrl")().sampling.batch, []
    for stop in [first, *(steps * part // _STAGES for part in range(1, _STAGES + 1))]:
        if not steps_done(directory):
            run.train("matrl", "atari/pong", steps=stop, out=directory, preset=preset, evaluate_episodes=0)
        elif steps_done(directory) < stop:
            run.resume(directory, steps=stop)
        kept = directory / f"against-random-{stop}.npy"
        if not kept.exists():
            judgement = judge(run.Run(directory), episodes=episodes, mode="stochastic", at_random=(_RANDOM,))
            np.save(kept, np.stack([one.agent_returns for one in (judgement.evaluation, judgement.random)]))
        played, random = np.load(kept)
        stages.append({"step": stop, "policy": _told(played), "random": _told(random)})
    return {"seed": 0, "preset": preset, "stages": stages}


def _told(returns: np.ndarray) -> dict[str, Any]:
    """How often the first player won, by how much, and every episode's two returns."""
    ahead = returns[:, 0] - returns[:, 1]
    return {
        "wins": float((ahead > 0).mean()),
        "mean": float(returns[:, 0].mean()),
        "standard_error": float(returns[:, 0].std(ddof=1) / np.sqrt(len(returns))),
        "returns": returns.tolist(),
    }
