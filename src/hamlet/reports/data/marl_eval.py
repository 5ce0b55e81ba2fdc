"""The evaluations of runs in the field's format, which marl-eval and others read.

    {environment: {task: {algorithm: {run: {step_k: {step_count, elapsed_time, return: […], episode_length: […]},
                                            absolute_metrics: {return: […], episode_length: […]}}}}}}

Gorsane et al., 2022, arXiv:2209.10485. Returns are the team's, one for each episode; where agents play against each
other, ``AGENT_return`` of every agent stands beside it. marl-eval normalises by the least and the greatest return that
a file holds of a task, never by an optimum. Environments and tasks are in
lower case, as marl-eval looks them up; ``mpe/simple_spread`` is the task ``simple_spread`` of ``mpe``. Its tools want
equally many runs, tasks and points of every algorithm, and say what differs.
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
    """All runs in one document, and lines on those that are not in it."""

    document: dict[str, Any]
    remarks: list[str]


def merged(
    runs: Iterable[str | Path],
    labels: Mapping[Path, str] | None = None,
    *,
    by_agent: Collection[Path] = (),
    steps: int | None = None,
) -> Merged:
    """The evaluations of finished runs; of another one, a line says why it is left out.

    Args:
        runs: Directories of runs.
        labels: What to call a run's algorithm where its name does not tell it from others in the same document.
        by_agent: The runs of which each agent's own returns are written, too.
        steps: After how many environment steps the runs are taken; None for all that they have.
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
    """The environment and the task of a name; one without a slash is both."""
    name = str(config["environment_name"]).lower()
    environment, slash, task = name.partition("/")
    return (environment, task) if slash else (name, name)


def _entry(directory: RunDirectory, steps: int | None, *, by_agent: bool) -> dict[str, Any]:
    """One run, after so many steps.

    Raises:
        RunError: Its evaluations are not complete, or cannot be read.
    """
    absolute = evaluation_log.absolute(directory, run_steps=steps)
    if absolute is None or "lengths" not in absolute:
        end = "at its end" if steps is None else f"at its end: it did not end after {steps:,} steps"
        raise RunError(f"it has no absolute metric, which is measured {end}")
    with Metrics(directory.metrics, write=False) as metrics:
        points, seconds = metrics.evaluations(), _seconds(*metrics.read("env_steps_per_second"))
    numbers = [number for number, step in enumerate(points.steps) if steps is None or step <= steps]
    every = {f"step_{number}": _step(points, number, seconds, by_agent=by_agent) for number in numbers}
    return every | {"absolute_metrics": {"return": absolute["returns"], "episode_length": absolute["lengths"]}}


def _seconds(steps: np.ndarray, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Environment steps, and the seconds of training until each."""
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
