"""Write synthetic run directories in the format that training writes, within a second, for benchmarks and tests."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from hamlet import envs, presets
from hamlet.runs import configuration, manifest
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Metrics

ALGORITHMS = ("happo", "hatrpo", "mappo")
TASKS = ("mpe/simple_spread", "mpe/simple_reference", "mpe/simple_speaker_listener")
# The first and the last level of the returns, by task.
_LEVELS = {"mpe/simple_spread": (-160.0, -45.0), "mpe/simple_reference": (-60.0, -15.0)}
_OTHER = (-150.0, -20.0)


def make(
    directory: Path,
    algorithm: str,
    task: str,
    seed: int,
    *,
    steps: int = 10_000_000,
    rollouts: int = 2_500,
    evaluations: int = 0,
    described: dict[str, Any] | None = None,
) -> Path:
    """Write one run: its configuration, its metrics, and evaluations of its policy and of random play.

    Args:
        directory: The directory of the run. It must not contain a run.
        algorithm: The name of the algorithm.
        task: The name of the environment.
        seed: The seed of the run, and of the noise in its numbers.
        steps: The environment steps of the run.
        rollouts: The number of rollouts, that is, rows of each metric.
        evaluations: The number of evaluations during training. With at least one, the final evaluation of the best
            policy (the "absolute metric") is written too.
        described: The versions and the hardware; None for the ones of this process.

    Returns:
        The directory of the run.
    """
    env = envs.make(task)
    declared = presets.find("paper/mpe", algorithm, env)()
    config = {
        "algorithm": configuration.encode(declared),
        "environment": configuration.encode(env),
        "steps": steps,
        "checkpoint_every": None,
        "init_from": None,
        "algorithm_name": algorithm,
        "environment_name": task,
        "preset": "paper/mpe",
        **(manifest.describe() if described is None else described),
        "seed": seed,
    }
    run = RunDirectory.create(directory, config)
    rng = np.random.default_rng([seed, *algorithm.encode(), *task.encode()])
    low, high = _LEVELS.get(task, _OTHER)
    high -= 3.0 * sorted(ALGORITHMS).index(algorithm) if algorithm in ALGORITHMS else 0.0
    rows = np.linspace(steps / rollouts, steps, rollouts).astype(int)
    rate = steps / 8 * np.exp(rng.normal(0, 0.2))
    middle = high - (high - low) * np.exp(-rows / rate) + rng.normal(0, 1.5)
    returns = middle + rng.normal(0, 4, rollouts)
    speed = rng.normal(52_000, 1_500, rollouts)
    with Metrics(run.metrics) as metrics:
        metrics.write(
            (int(step), {"return": value, "env_steps_per_second": pace, "actor/entropy/agent_0": 1.0})
            for step, value, pace in zip(rows, returns, speed, strict=True)
        )
        if evaluations:
            chosen = np.linspace(0, rollouts - 1, evaluations + 1).astype(int)[1:]
            metrics.write(
                (int(rows[index]), {"evaluation/return": middle[index] + rng.normal(2, 2)}) for index in chosen
            )
    points = [
        _point(int(rows[-1]), "deterministic", middle[-1] + 2.0, rng),
        _point(0, "random", low - 2.0, rng),
    ]
    if evaluations:
        points.append(_point(int(rows[-1]), "deterministic", middle[-1] + 3.0, rng) | {"metric": "absolute"})
    run.evaluation.write_text(json.dumps(points), encoding="utf-8")
    return run.path


def _point(step: int, mode: str, mean: float, rng: np.random.Generator) -> dict[str, Any]:
    returns = rng.normal(mean, 12.0, 100)
    return {
        "step": step,
        "mode": mode,
        "episodes": 100,
        "seed": 1,
        "mean": float(returns.mean()),
        "standard_error": float(returns.std(ddof=1) / 10),
        "returns": returns.tolist(),
        "agent_returns": {"agent_0": float(returns.mean())},
    }
