"""Measure learning in general-sum games, where every agent has its own reward: MATRL, its ablations, and others."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from hamlet import envs, presets
from hamlet.runs.metrics import Metrics
from hamlet.training.final_evaluation import judge
from hamlet.training.run import SavedRun
from hamlet.training.run_completion import complete

ALGORITHMS = ("matrl", "il", "il_pp", "matrl_without_response")
_POINTS = 60


def measure(
    algorithm: str,
    environment: str,
    preset: str | None,
    *,
    steps: int,
    seeds: tuple[int, ...],
    directory: Path,
    options: Mapping[str, Any],
    changes: Mapping[str, Any],
) -> dict[str, Any]:
    """Train (or continue) one run per seed in ``directory``, with one compiled program, and evaluate each policy.

    Returns are summed over the agents. As in the paper, the curve shows the returns of sampled actions during training:
    each point is the mean of the episodes that ended in one sixtieth of the run. The final mean also uses sampled
    actions.

    Args:
        algorithm: The name of the algorithm.
        environment: The name of the environment.
        preset: The name of the preset; None for the algorithm's defaults.
        steps: Environment steps of each run.
        seeds: The seeds of the runs.
        directory: The directory in which the runs are saved.
        options: Options of the environment.
        changes: Hyperparameters whose values differ from the preset.
    """
    env = envs.make(environment, **options)
    declared = presets.find(preset, algorithm, env)(**changes)
    labels = {"algorithm_name": algorithm, "environment_name": environment, "preset": preset}
    places = {seed: directory / f"seed-{seed}" for seed in seeds}
    runs = complete(declared, env, seeds=places, steps=steps, labels=labels)
    judged = [_judged(run, seed, steps) for seed, run in zip(seeds, runs, strict=True)]
    means = [judgement["mean"] for judgement in judged]
    return {"mean": float(np.mean(means)), "interval": interval(means), "runs": judged}


def interval(means: Sequence[float]) -> tuple[float, float] | None:
    """Return Student's 95 % confidence interval of the mean over seeds, or None for fewer than two seeds.

    A bootstrap interval of three seeds would be far too narrow.

    >>> interval([1.0, 2.0, 3.0])
    (-0.48, 4.48)
    """
    if len(means) < 2:
        return None
    half = stats.t.ppf(0.975, len(means) - 1) * np.std(means, ddof=1) / np.sqrt(len(means))
    low, high = (round(float(np.mean(means) + side * half), 2) for side in (-1, 1))
    return low, high


def _judged(run: SavedRun, seed: int, steps: int) -> dict[str, Any]:
    with Metrics(run.directory.metrics, write=False) as metrics:
        row_steps, returns = metrics.read("return")
        points = metrics.evaluations()
        keeps = [metrics.read(name)[1] for name in metrics.names() if name.startswith("actor/keep/")]
    curve = [
        {"step": steps * (part + 1) / _POINTS, "return": float(here.mean())}
        for part in range(_POINTS)
        if len(here := returns[(row_steps > steps * part / _POINTS) & (row_steps <= steps * (part + 1) / _POINTS)])
    ]
    sampled, best = judge(run, episodes=100, mode="stochastic"), judge(run, episodes=100)
    returns = np.asarray(sampled.evaluation.returns)
    return {
        "seed": seed,
        "steps": sampled.step,
        "mean": float(returns.mean()),
        "standard_error": float(returns.std(ddof=1) / np.sqrt(len(returns))),
        "agent_means": dict(zip(sampled.agents, sampled.evaluation.agent_returns.mean(0).tolist(), strict=True)),
        "lengths": sampled.evaluation.lengths.tolist(),
        "returns": returns.tolist(),
        "deterministic_mean": float(np.mean(best.evaluation.returns)),
        "random_mean": float(np.mean(sampled.random.returns)),
        "curve": curve,
        "evaluations": {
            "steps": points.steps.tolist(),
            "mean": [float(point.sum(-1).mean()) for point in points.returns],
        },
        "share_of_updates_to_all_predictions": float((np.asarray(keeps) == 0).all(0).mean()) if keeps else None,
    }
