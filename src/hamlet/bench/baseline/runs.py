"""Directories of runs as training leaves them, made up within a second: for the speed of reports, and for tests."""

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
# The levels from and to which returns rise, by task.
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
    """One run: its configuration, the metrics of so many rollouts, and an evaluation beside random play.

    Args:
        directory: Where to; must not hold a run.
        algorithm: Its name.
        task: The environment's name.
        seed: From which its noise is drawn, too.
        steps: Environment steps.
        rollouts: Rows of each metric.
        evaluations: Points while it trained, and with any the absolute metric.
        described: Versions and hardware; None for this process's.
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
