"""Learning curves of several algorithms on one task: every evaluation of every seed during training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hamlet import envs, presets
from hamlet.api import load_runs
from hamlet.training.run_completion import complete


def measure(
    environment: str,
    algorithms: Sequence[str],
    *,
    preset: str,
    steps: int,
    seeds: Sequence[int],
    directory: Path,
    **options: Any,
) -> dict[str, Any]:
    """Train every algorithm with every seed, or continue where an earlier call stopped, and collect the curves.

    Args:
        environment: Name of the environment.
        algorithms: Names of algorithms.
        preset: Name of the preset of all algorithms.
        steps: Environment steps of each run.
        seeds: Seeds of the runs of each algorithm.
        directory: The directory of the runs, ``ALGORITHM/seed-K``.
        **options: Options of the environment.

    Returns:
        For each algorithm, its runs. ``steps`` are the points of the evaluations during training, and ``returns`` are
        the team's mean returns of 32 episodes with the deterministic policy.
    """
    env = envs.make(environment, **options)
    curves = {}
    for name in algorithms:
        labels = {"algorithm_name": name, "environment_name": environment, "preset": preset}
        paths = {seed: directory / name / f"seed-{seed}" for seed in seeds}
        complete(presets.find(preset, name, env)(), env, seeds=paths, steps=steps, labels=labels)
        rows = []
        for seed, path in paths.items():
            (run,) = load_runs(path)
            at, returns = run.curve("evaluation/return")
            rows.append({"seed": seed, "steps": at.tolist(), "returns": returns.tolist()})
        curves[name] = rows
    return {"environment": environment, "options": options, "preset": preset, "curves": curves}
