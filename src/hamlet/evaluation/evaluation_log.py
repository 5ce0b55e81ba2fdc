"""The evaluations that are stored in ``evaluation.json`` in a run's directory."""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from hamlet.errors import RunError
from hamlet.evaluation.evaluate import Evaluation, Mode
from hamlet.evaluation.sides import ConstantSum
from hamlet.files import atomic_write, json_file
from hamlet.rollouts.played import EpisodesFailed
from hamlet.runs.directory import RunDirectory

_ABSOLUTE = "absolute"


def points(directory: RunDirectory) -> list[dict[str, Any]]:
    """Return the recorded evaluations that have a result, oldest first.

    Raises:
        RunError: If the file cannot be read.
    """
    return [point for point in _every(directory) if not _has_failed(point)]


def failed_points(directory: RunDirectory) -> list[dict[str, Any]]:
    """Return the recorded evaluations without a result, because too many of their episodes failed.

    Raises:
        RunError: If the file cannot be read.
    """
    return [point for point in _every(directory) if _has_failed(point)]


def _has_failed(point: dict[str, Any]) -> bool:
    return point.get("mean", 0.0) is None


def _every(directory: RunDirectory) -> list[dict[str, Any]]:
    path = directory.evaluation
    if not path.exists():
        return []
    try:
        # NaN and infinity are allowed here: the caller checks each mean, and the other points remain usable.
        points = json_file.read(path, finite=False)
        if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
            raise ValueError("it must contain evaluations as a JSON list of objects")
        return points
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {atomic_write.one_line(error)}; move the file away") from error


def record(directory: RunDirectory, *new: dict[str, Any]) -> None:
    """Add points to ``evaluation.json``: either all of them or, if an error occurs, none.

    A new point replaces an old point with the same step, mode, number of episodes, seed and metric.

    Args:
        directory: Directory of the run.
        new: Points as returned by `describe`.

    Raises:
        RunError: If the file cannot be read or written. The file is then unchanged.
    """

    def asked(point: dict[str, Any]) -> list[Any]:
        return [point.get(name) for name in ("step", "mode", "episodes", "seed", "metric")]

    with _alone(directory):
        others = [old for old in _every(directory) if asked(old) not in list(map(asked, new))]
        directory.write_json(directory.evaluation.name, [*others, *new])


def record_absolute(directory: RunDirectory, point: dict[str, Any], *, run_steps: int) -> None:
    """Write the final evaluation of the best policy (the "absolute metric") to ``evaluation.json``.

    It replaces an earlier absolute metric.

    Args:
        directory: Directory of the run.
        point: Point of the best policy, as returned by `describe`.
        run_steps: Length of the run in environment steps.

    Raises:
        RunError: If the file cannot be read or written. The file is then unchanged.
    """
    with _alone(directory):
        others = [old for old in _every(directory) if old.get("metric") != _ABSOLUTE]
        named = {"metric": _ABSOLUTE, "run_steps": run_steps} | point
        directory.write_json(directory.evaluation.name, [*others, named])


def absolute(directory: RunDirectory, *, run_steps: int | None = None) -> dict[str, Any] | None:
    """Return the final evaluation of the best policy (the "absolute metric").

    Return None if there is no such evaluation with a result, or if ``run_steps`` is given and the length of the run
    was different.

    Raises:
        RunError: If the file cannot be read.
    """
    return next((point for point in points(directory) if _is_absolute(point, run_steps)), None)


def tried_absolute(directory: RunDirectory, *, run_steps: int) -> bool:
    """Return whether a run of this length has evaluated its best policy at the end, successfully or not.

    Raises:
        RunError: If the file cannot be read.
    """
    return any(_is_absolute(point, run_steps) for point in _every(directory))


def _is_absolute(point: dict[str, Any], run_steps: int | None) -> bool:
    return point.get("metric") == _ABSOLUTE and run_steps in (None, point.get("run_steps"))


def describe(
    evaluation: Evaluation,
    step: int,
    agents: tuple[str, ...],
    opposed: ConstantSum | None = None,
    against_random: Sequence[Evaluation] = (),
) -> dict[str, Any]:
    """Return an evaluation as a point for JSON.

    Args:
        evaluation: The evaluation.
        step: Environment steps that the policy was trained for; 0 for random play.
        agents: Names of the agents.
        opposed: Sides of a constant-sum game; None for other games.
        against_random: For every side, an evaluation in which all agents of the other sides acted at random.
    """
    point = {
        "step": step,
        "mode": evaluation.mode,
        "episodes": len(evaluation.returns),
        "seed": evaluation.seed,
        "mean": evaluation.mean,
        "standard_error": evaluation.standard_error,
        "returns": np.asarray(evaluation.returns, float).tolist(),
        "lengths": np.asarray(evaluation.lengths, int).tolist(),
        "agent_returns": dict(zip(agents, np.asarray(evaluation.agent_returns, float).mean(0).tolist(), strict=True)),
        "failed": evaluation.failed,
        "cut": evaluation.cut,
        "max_episode_steps": evaluation.max_episode_steps,
    }
    if evaluation.measured:
        point["measures"] = {name: measured._asdict() for name, measured in evaluation.measured.items()}
    means = {name: sums.mean(0).tolist() for name, sums in evaluation.streams.items()}
    of_agents = {name: values for name, values in means.items() if len(values) == len(agents)}
    if of_agents:
        point["agent_streams"] = {
            name: dict(zip(agents, side_results, strict=True)) for name, side_results in of_agents.items()
        }
    if opposed is None:
        return point
    sides, ties = opposed.split(evaluation.agent_returns, agents)
    point |= {"constant_sum": opposed.total, "sides": [side.plain() for side in sides], "ties": ties}
    splits = [opposed.split(played.agent_returns, agents) for played in against_random]
    if splits:
        point["against_random"] = [
            side_results[number].plain() | {"ties": even} for number, (side_results, even) in enumerate(splits)
        ]
    return point


def describe_failed(error: EpisodesFailed, step: int, mode: Mode, seed: int) -> dict[str, Any]:
    """Return the point of an evaluation in which too many episodes failed. It has no return."""
    return {
        "step": step,
        "mode": mode,
        "episodes": error.asked,
        "seed": seed,
        "mean": None,
        "standard_error": None,
        "returns": [],
        "lengths": [],
        "agent_returns": {},
        "failed": error.failed,
        "cut": 0,
        "max_episode_steps": None,
    }


@contextlib.contextmanager
def _alone(directory: RunDirectory) -> Iterator[None]:
    """Wait until no other process adds a point, and lock the directory for this process.

    This lock is separate from the run's lock, which a training process can hold for hours.
    """
    try:
        descriptor = os.open(directory.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RunError(f"{directory.path} cannot be opened: {atomic_write.one_line(error)}") from error
    try:
        with contextlib.suppress(OSError):  # some network file systems cannot lock directories
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
