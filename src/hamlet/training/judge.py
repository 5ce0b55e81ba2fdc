"""The judgement of a run: its newest checkpoint's returns beside a random policy's, and the file that keeps them."""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hamlet.errors import RunError
from hamlet.training import durable
from hamlet.training.directory import RunDirectory
from hamlet.training.evaluate import Evaluation, Mode
from hamlet.training.evaluate import evaluate as play
from hamlet.training.learning import roster_of
from hamlet.training.run import Run


@dataclass(frozen=True)
class Judgement:
    """What a checkpoint gave, and what random play gave from the same first states.

    Attributes:
        step: Environment steps of the checkpoint.
        evaluation: Of its policy.
        random: Of uniform actions.
        agents: The agents' names, in the order of ``agent_returns``.
    """

    step: int
    evaluation: Evaluation
    random: Evaluation
    agents: tuple[str, ...]


def judge(run: Run, *, episodes: int = 100, seed: int = 1, mode: Mode = "deterministic") -> Judgement:
    """Play whole episodes with a run's newest good checkpoint, and as many at random.

    Raises:
        RequestError: If there are to be no episodes, or there is no run.
        RunError: If it has no good checkpoint.
    """
    algorithm, env = run.algorithm, run.environment
    roster = roster_of(algorithm, env)
    training = run.training()
    actors = training.learner.team.actors
    evaluation, random = (
        play(env, roster, actors, algorithm.body, episodes=episodes, seed=seed, mode=how) for how in (mode, "random")
    )
    return Judgement(int(training.iteration) * algorithm.sampling.batch, evaluation, random, roster.names)


def points(directory: RunDirectory) -> list[dict[str, Any]]:
    """The evaluations that were recorded, the oldest first.

    Raises:
        RunError: If the file cannot be read.
    """
    path = directory.evaluation
    if not path.exists():
        return []
    try:
        return [dict(point) for point in json.loads(path.read_text(encoding="utf-8"))]
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
    asked = ("step", "mode", "episodes", "seed")
    with _alone(directory):
        others = [old for old in points(directory) if any(old.get(name) != point[name] for name in asked)]
        directory.write_json(directory.evaluation.name, [*others, point])


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
