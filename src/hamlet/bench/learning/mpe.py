"""Measure learning in MPE: train with a preset, and evaluate the policy in the original package ``mpe2``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hamlet import envs, presets
from hamlet.checkpoints import checkpoint
from hamlet.extras import bring
from hamlet.outcomes import load_policy
from hamlet.training.run_completion import complete

_MODULES = {
    "mpe/simple_spread": "simple_spread_v3",
    "mpe/simple_reference": "simple_reference_v3",
    "mpe/simple_speaker_listener": "simple_speaker_listener_v4",
}
# The seed of the first evaluation episode. Each following episode has the next seed.
FIRST_SEED = 10_000


def measure(
    algorithm: str,
    environment: str,
    *,
    continuous: bool,
    steps: int,
    seed: int,
    directory: Path,
    preset: str = "paper/mpe",
    **changes: Any,
) -> dict[str, Any]:
    """Train (or continue) one run in ``directory``, and then evaluate its policy in 200 episodes of ``mpe2``."""
    env = envs.make(environment, continuous=continuous)
    declared = presets.find(preset, algorithm, env)(**changes)
    labels = {"algorithm_name": algorithm, "environment_name": environment, "preset": preset}
    (run,) = complete(declared, env, seeds={seed: directory}, steps=steps, labels=labels)
    returns = play_in_mpe2(run.path, environment, continuous=continuous)
    return {"seed": seed, "steps": checkpoint.steps(directory / "checkpoints")[-1], "returns": returns} | _interval(
        returns
    )


def difference(
    algorithm: str,
    environment: str,
    changes: Mapping[str, Any],
    *,
    steps: int,
    directory: Path,
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    preset: str = "tuned/mpe",
) -> dict[str, Any]:
    """Measure the effect of changed hyperparameters with discrete actions.

    The effect is the mean return over seeds with the changes, minus the mean return without them. The interval is
    Welch's t interval at 95 %, because the runs with and without the changes are independent.
    """
    from scipy import stats

    runs_by_name = {
        name: [
            measure(
                algorithm,
                environment,
                continuous=False,
                steps=steps,
                seed=seed,
                directory=directory / f"{name}-{seed}",
                preset=preset,
                **asked,
            )
            for seed in seeds
        ]
        for name, asked in (("without", {}), ("with", dict(changes)))
    }
    means = {name: [run["mean"] for run in runs] for name, runs in runs_by_name.items()}
    interval = stats.ttest_ind(means["with"], means["without"], equal_var=False).confidence_interval(0.95)
    apart = float(np.mean(means["with"]) - np.mean(means["without"]))
    spoken = {"difference": apart, "interval": [float(interval.low), float(interval.high)]}
    return {"changes": dict(changes), **spoken, "means": means, "runs": runs_by_name}


def parallel(environment: str, *, continuous: bool) -> Any:
    """Return the task's original environment from ``mpe2``.

    Raises:
        RequestError: If mpe2 is not installed.
    """
    module = bring(f"mpe2.{_MODULES[environment]}", "an evaluation in mpe2")
    return module.parallel_env(continuous_actions=continuous)


def play_in_mpe2(run: Path, environment: str, *, continuous: bool, episodes: int = 200) -> list[float]:
    """Play episodes of 25 steps with the deterministic policy, with seeds from 10,000 on; return the team returns.

    A team return is the sum over the agents.

    Raises:
        RequestError: If mpe2 is not installed.
    """
    env, policy, returns = parallel(environment, continuous=continuous), load_policy(run), []
    for episode in range(episodes):
        observations, _ = env.reset(seed=FIRST_SEED + episode)
        policy.reset()
        total = 0.0
        while env.agents:
            observations, rewards, *_ = env.step(policy.act(observations))
            total += float(sum(rewards.values()))
        returns.append(total)
    return returns


def _interval(returns: list[float]) -> dict[str, float]:
    values = np.asarray(returns)
    return {"mean": float(values.mean()), "standard_error": float(values.std(ddof=1) / np.sqrt(len(values)))}
