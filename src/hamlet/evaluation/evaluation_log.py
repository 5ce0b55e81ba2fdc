"""The evaluations that a run's directory keeps: ``evaluation.json``."""

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
    """The evaluations that were recorded and have a result, the oldest first.

    Raises:
        RunError: If the file cannot be read.
    """
    return [point for point in _every(directory) if not _has_failed(point)]


def failed_points(directory: RunDirectory) -> list[dict[str, Any]]:
    """Those that have none, as too many of their episodes failed.

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
        # A mean that is no number is the reader's to judge: the other points are good.
        points = json_file.read(path, finite=False)
        if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
            raise ValueError("it holds no evaluations, which are a JSON list of objects")
        return points
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {atomic_write.one_line(error)}; move it away") from error


def record(directory: RunDirectory, *new: dict[str, Any]) -> None:
    """Add points to ``evaluation.json``, all or none; they take the place of those asked for in the same way.

    Args:
        directory: Of the run.
        new: Points as `describe` gives them.

    Raises:
        RunError: If the file cannot be read or written; it is then as it was.
    """

    def asked(point: dict[str, Any]) -> list[Any]:
        return [point.get(name) for name in ("step", "mode", "episodes", "seed", "metric")]

    with _alone(directory):
        others = [old for old in _every(directory) if asked(old) not in list(map(asked, new))]
        directory.write_json(directory.evaluation.name, [*others, *new])


def record_absolute(directory: RunDirectory, point: dict[str, Any], *, run_steps: int) -> None:
    """Put the absolute metric into ``evaluation.json``, in the place of an earlier one.

    Args:
        directory: Of the run.
        point: As `describe` gives it, of the best policy.
        run_steps: How long the run was whose best policy it is.

    Raises:
        RunError: If the file cannot be read or written; it is then as it was.
    """
    with _alone(directory):
        others = [old for old in _every(directory) if old.get("metric") != _ABSOLUTE]
        named = {"metric": _ABSOLUTE, "run_steps": run_steps} | point
        directory.write_json(directory.evaluation.name, [*others, named])


def absolute(directory: RunDirectory, *, run_steps: int | None = None) -> dict[str, Any] | None:
    """The absolute metric; None where there is none with a result, or none of a run of the length given.

    Raises:
        RunError: If the file cannot be read.
    """
    return next((point for point in points(directory) if _is_absolute(point, run_steps)), None)


def tried_absolute(directory: RunDirectory, *, run_steps: int) -> bool:
    """Whether the absolute metric of a run of this length was measured, or failed.

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
    """A point as JSON.

    Args:
        evaluation: What was played.
        step: Environment steps of the policy; 0 for random play.
        agents: The agents' names.
        opposed: The sides, where one wins what the others lose.
        against_random: For every side, what was played where all others acted at random.
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
    """A point of which too many episodes failed: it has no return."""
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
    """Waits for others who add a point. Not the run's lock, which a training process holds for hours."""
    try:
        descriptor = os.open(directory.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RunError(f"{directory.path} cannot be opened: {atomic_write.one_line(error)}") from error
    try:
        with contextlib.suppress(OSError):  # some network file systems lock no directories
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
