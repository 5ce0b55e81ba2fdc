"""What is learnt in multi-agent MuJoCo: train with the preset as it is, keep the curve, judge the end."""

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
    """Train (or go on with) one run in ``directory``, then play 32 episodes.

    Returns are those of one agent, which are the environment's and the papers': every agent gets the whole reward.

    Returns:
        The curve, means of the episodes that ended in each fiftieth of the run; and the episodes played at its end by
        the deterministic policy, with random play's.
    """
    env = envs.make(f"mamujoco/{task}")
    preset = presets.default(f"mamujoco/{task}", algorithm)
    assert preset is not None, f"no preset speaks of {algorithm} on {task}"
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
    """Mean training return (of sampled actions) in each part of the run, and steps per second there."""
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
