"""The evaluations that a run's directory keeps: ``evaluation.json``."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from hamlet.errors import RunError
from hamlet.training import durable, json_file
from hamlet.training.directory import RunDirectory
from hamlet.training.evaluate import Evaluation

_ABSOLUTE = "absolute"


def points(directory: RunDirectory) -> list[dict[str, Any]]:
    """The evaluations that were recorded, the oldest first.

    Raises:
        RunError: If the file cannot be read.
    """
    path = directory.evaluation
    if not path.exists():
        return []
    try:
        # A mean that is no number is the reader's to judge: the other points are good.
        return [dict(point) for point in json_file.read(path, finite=False)]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RunError(f"{path} cannot be read: {durable.one_line(error)}; move it away") from error


def record(directory: RunDirectory, evaluation: Evaluation, step: int, agents: tuple[str, ...]) -> None:
    """Add a point to ``evaluation.json``; it takes the place of one that was asked for in the same way.

    Args:
        directory: Of the run.
        evaluation: What was played.
        step: Environment steps of the checkpoint; 0 for random play.
        agents: The agents' names.

    Raises:
        RunError: If the file cannot be read or written; it is then as it was.
    """
    point = describe(evaluation, step, agents)
    asked = ("step", "mode", "episodes", "seed", "metric")
    with _alone(directory):
        others = [old for old in points(directory) if any(old.get(name) != point.get(name) for name in asked)]
        directory.write_json(directory.evaluation.name, [*others, point])


def record_absolute(
    directory: RunDirectory, evaluation: Evaluation, step: int, agents: tuple[str, ...], *, run_steps: int
) -> None:
    """Put the absolute metric into ``evaluation.json``, in the place of an earlier one.

    Args:
        directory: Of the run.
        evaluation: What the best policy played.
        step: The environment step at which it stood.
        agents: The agents' names.
        run_steps: How long the run was whose best policy it is.

    Raises:
        RunError: If the file cannot be read or written; it is then as it was.
    """
    point = {"metric": _ABSOLUTE, "run_steps": run_steps} | describe(evaluation, step, agents)
    with _alone(directory):
        others = [old for old in points(directory) if old.get("metric") != _ABSOLUTE]
        directory.write_json(directory.evaluation.name, [*others, point])


def absolute(directory: RunDirectory, *, run_steps: int | None = None) -> dict[str, Any] | None:
    """The absolute metric; None where there is none, or none of a run of the length given.

    Raises:
        RunError: If the file cannot be read.
    """
    found = [point for point in points(directory) if point.get("metric") == _ABSOLUTE]
    return next((point for point in found if run_steps in (None, point.get("run_steps"))), None)


def describe(evaluation: Evaluation, step: int, agents: tuple[str, ...]) -> dict[str, Any]:
    """A point as JSON."""
    return {
        "step": step,
        "mode": evaluation.mode,
        "episodes": len(evaluation.returns),
        "seed": evaluation.seed,
        "mean": evaluation.mean,
        "standard_error": evaluation.standard_error,
        "returns": np.asarray(evaluation.returns, float).tolist(),
        "lengths": np.asarray(evaluation.lengths, int).tolist(),
        "agent_returns": dict(zip(agents, np.asarray(evaluation.agent_returns, float).mean(0).tolist(), strict=True)),
    }


@contextlib.contextmanager
def _alone(directory: RunDirectory) -> Iterator[None]:
    """Waits for others who add a point. Not the run's lock, which a training process holds for hours."""
    try:
        descriptor = os.open(directory.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise RunError(f"{directory.path} cannot be opened: {durable.one_line(error)}") from error
    try:
        with contextlib.suppress(OSError):  # some network file systems lock no directories
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
