"""What is learnt where every agent has a reward of its own: MATRL, its ablations, and others beside them."""

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
    """Train (or go on with) a run for each seed under ``directory``, by one compiled program, and judge each.

    Returns are sums over the agents. The paper's curves are of play while training, of sampled actions; so is the curve
    here, each point the mean of the episodes that ended in a sixtieth of the run, and so is the mean at its end.

    Args:
        algorithm: Its name.
        environment: Likewise.
        preset: Whose values are taken; None for the algorithm's own defaults.
        steps: Environment steps of each run.
        seeds: Of the runs.
        directory: Where the runs are kept.
        options: Of the environment.
        changes: Of the preset's values.
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
    """Student's 95 % interval of the mean over seeds: a bootstrap of three would be far too narrow. None for one.

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
