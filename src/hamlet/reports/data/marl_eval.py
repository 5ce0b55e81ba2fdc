"""Write the evaluations of runs in the JSON format that marl-eval and other tools read.

    {environment: {task: {algorithm: {run: {step_k: {step_count, elapsed_time, return: […], episode_length: […]},
                                            absolute_metrics: {return: […], episode_length: […]}}}}}}

``step_k`` is the k-th evaluation of a run, and ``absolute_metrics`` is the final evaluation of its best policy.

* ``return`` lists the team's return of each episode. In constant-sum games, each evaluation ``step_k`` also contains
  ``AGENT_return`` for every agent.
* marl-eval normalises by the smallest and the largest return of a task in the file. It does not use a known optimum.
* Environment and task names are in lower case, because marl-eval looks them up in lower case. ``mpe/simple_spread`` is
  the task ``simple_spread`` of the environment ``mpe``.
* The marl-eval tools require the same number of runs, tasks and points of every algorithm. They report differences.

Reference: Gorsane et al., 2022, arXiv:2209.10485.
"""

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hamlet.errors import RunError
from hamlet.evaluation import evaluation_log
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Metrics, Points


class Merged(NamedTuple):
    """All runs in one document, and one line for each run that is not in the document."""

    document: dict[str, Any]
    remarks: list[str]


def merged(
    runs: Iterable[str | Path],
    labels: Mapping[Path, str] | None = None,
    *,
    by_agent: Collection[Path] = (),
    steps: int | None = None,
) -> Merged:
    """Return the evaluations of finished runs, and a line for each other run that states why it is left out.

    Args:
        runs: The directories of the runs.
        labels: The algorithm names of runs whose own algorithm name is not unique in the document, by directory.
        by_agent: The directories of the runs for which each agent's own returns are written too.
        steps: The number of environment steps after which each run is read; None for all its steps.
    """
    document: dict[str, Any] = {}
    remarks: list[str] = []
    for path in runs:
        directory = RunDirectory(Path(path))
        try:
            config, entry = directory.config(), _entry(directory, steps, by_agent=Path(path) in by_agent)
            environment, task = _task(config)
            algorithm, seed = (labels or {}).get(Path(path), str(config["algorithm_name"])), config["seed"]
        except (RunError, LookupError, TypeError, ValueError) as error:
            remarks.append(f"{path} is not in the marl-eval file: {error}")
            continue
        entries = document.setdefault(environment, {}).setdefault(task, {}).setdefault(algorithm, {})
        names = (f"seed_{seed}" + (f"_{again}" if again > 1 else "") for again in range(1, len(entries) + 2))
        entries[next(name for name in names if name not in entries)] = entry
    return Merged(document, remarks)


def _task(config: dict[str, Any]) -> tuple[str, str]:
    """Return the environment and the task of a name; a name without a slash is used for both."""
    name = str(config["environment_name"]).lower()
    environment, slash, task = name.partition("/")
    return (environment, task) if slash else (name, name)


def _entry(directory: RunDirectory, steps: int | None, *, by_agent: bool) -> dict[str, Any]:
    """Return the entry of one run after the given number of steps.

    Raises:
        RunError: If the run's evaluations are incomplete or cannot be read.
    """
    absolute = evaluation_log.absolute(directory, run_steps=steps)
    if absolute is None or "lengths" not in absolute:
        end = "" if steps is None else f", and this run did not end after {steps:,} steps"
        raise RunError(
            f"it has no absolute metric (the evaluation of the best policy), which a run measures at its end{end}"
        )
    with Metrics(directory.metrics, write=False) as metrics:
        points, seconds = metrics.evaluations(), _seconds(*metrics.read("env_steps_per_second"))
    numbers = [number for number, step in enumerate(points.steps) if steps is None or step <= steps]
    every = {f"step_{number}": _step(points, number, seconds, by_agent=by_agent) for number in numbers}
    return every | {"absolute_metrics": {"return": absolute["returns"], "episode_length": absolute["lengths"]}}


def _seconds(steps: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the environment steps, and the seconds of training until each of them."""
    return np.append(0, steps), np.append(0.0, np.cumsum(np.diff(steps, prepend=0) / rates))


def _step(points: Points, number: int, seconds: tuple[np.ndarray, np.ndarray], *, by_agent: bool) -> dict[str, Any]:
    agents = enumerate(points.agents if by_agent else ())
    step = int(points.steps[number])
    return {
        "step_count": step,
        "elapsed_time": float(np.interp(step, *seconds)),
        "return": points.team[number].tolist(),
        "episode_length": points.lengths[number].tolist(),
        **{f"{agent}_return": points.returns[number, :, place].tolist() for place, agent in agents},
    }
