"""Measure what MATRL learns on Pong in about an hour: how often it wins against a player with random actions."""

from pathlib import Path
from typing import Any

import numpy as np

from hamlet import envs, presets
from hamlet.api import train
from hamlet.training.run import SavedRun, resume
from hamlet.training.run_completion import steps_done

_STAGES = 5
_SEATS = ("first_0", "second_0")


def measure(directory: Path, preset: str, *, steps: int, episodes: int = 24, **options: Any) -> dict[str, Any]:
    """Train (or continue) both players in ``directory``, and evaluate them after each fifth of the steps.

    At each of these stops, and after the first rollout, each player plays ``episodes`` episodes with sampled actions
    against a player with random actions. The same number of episodes is played by two random players, because the two
    sides of the game are not symmetric.

    Args:
        directory: The directory of the run, and of the results at each stop.
        preset: The name of the preset.
        steps: Environment steps of the run.
        episodes: The number of episodes of each evaluation.
        options: Options of the environment.
    """
    env, path, stages = envs.make("atari/pong", **options), directory / "run", []
    first = presets.find(preset, "matrl", env)().sampling.batch
    for stop in [first, *(steps * part // _STAGES for part in range(1, _STAGES + 1))]:
        if not steps_done(path):
            train("matrl", env, steps=stop, out=path, preset=preset, evaluate_episodes=0)
        elif steps_done(path) < stop:
            resume(path, steps=stop)
        stages.append({"step": stop, "policy": _told(directory / str(stop), SavedRun(path), episodes, "stochastic")})
    random = _told(directory / "random", SavedRun(path), episodes, "random")
    return {"seed": 0, "preset": preset, "options": options, "stages": stages, "random": random}


def _told(kept: Path, run: SavedRun, episodes: int, mode: Any) -> dict[str, Any]:
    """Return each player's share of wins and mean lead; the played games are saved and not played again."""
    by_agent = {}
    for seat, (agent, other) in enumerate((_SEATS, _SEATS[::-1])):
        games = kept.with_name(f"{kept.name}-{agent}.npy")
        if not games.exists():
            np.save(games, run.evaluate(episodes, mode=mode, at_random=(other,)).agent_returns)
        returns = np.load(games)
        ahead = returns[:, seat] - returns[:, 1 - seat]
        by_agent[agent] = {
            "wins": float((ahead > 0).mean()),
            "mean": float(ahead.mean()),
            "standard_error": float(ahead.std(ddof=1) / np.sqrt(episodes)),
            "returns": returns.tolist(),
        }
    return by_agent
