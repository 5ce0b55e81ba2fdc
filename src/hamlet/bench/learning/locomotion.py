"""Measure learning in multi-agent MuJoCo: train with a preset, save the learning curve, and evaluate the policy."""

from pathlib import Path
from typing import Any

import numpy as np

from hamlet import envs, presets
from hamlet.runs.metrics import Metrics
from hamlet.training.final_evaluation import judge
from hamlet.training.run import SavedRun
from hamlet.training.run_completion import complete

_POINTS = 50


def measure(algorithm: str, task: str, *, steps: int, seed: int, directory: Path, **changes: Any) -> dict[str, Any]:
    """Train (or continue) one run in ``directory``, and then evaluate its policy in 32 episodes.

    The returns are the returns of one agent. Every agent receives the whole reward, so this is also the return of the
    environment and of the papers.

    Returns:
        The curve, whose points are the means of the episodes that ended in each fiftieth of the run. The returns of the
        final deterministic policy. The mean return of random play.
    """
    env = envs.make(f"mamujoco/{task}")
    preset = presets.default(f"mamujoco/{task}", algorithm)
    assert preset is not None, f"there is no default preset of {algorithm} on {task}"
    labels = {"algorithm_name": algorithm, "environment_name": f"mamujoco/{task}", "preset": preset}
    declared = presets.find(preset, algorithm, env)(**changes)
    (run,) = complete(declared, env, seeds={seed: directory}, steps=steps, labels=labels)
    agents = sum(len(group.names) for group in env.groups)
    judgement = judge(run, episodes=32)
    returns, random = (np.asarray(played.returns) / agents for played in (judgement.evaluation, judgement.random))
    return {
        "seed": seed,
        "preset": preset,
        "steps": judgement.step,
        "curve": _curve(run, steps, agents),
        "mean": float(returns.mean()),
        "standard_error": float(returns.std(ddof=1) / np.sqrt(len(returns))),
        "random_mean": float(random.mean()),
        "returns": returns.tolist(),
    }


def _curve(run: SavedRun, steps: int, agents: int) -> list[dict[str, float]]:
    """Return the mean training return (sampled actions) and the steps per second in each part of the run."""
    with Metrics(run.directory.metrics, write=False) as metrics:
        row_steps, returns = metrics.read("return")
        timed, speeds = metrics.read("env_steps_per_second")
    points = []
    for number in range(_POINTS):
        start, end = (steps * part / _POINTS for part in (number, number + 1))
        here = returns[(row_steps > start) & (row_steps <= end)]
        if len(here):  # an episode ended
            speed = float(np.median(speeds[(timed > start) & (timed <= end)]))
            points.append({"step": end, "return": float(here.mean()) / agents, "env_steps_per_second": speed})
    return points
