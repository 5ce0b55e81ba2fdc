"""Runs brought to their end, whatever already stands: begun, gone on with, or left alone."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hamlet.checkpoints import checkpoint
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError
from hamlet.evaluation import evaluator
from hamlet.learners import Algorithm
from hamlet.runs.directory import CONFIGURATION, RunDirectory
from hamlet.runs.evaluation_schedule import EvaluationSchedule
from hamlet.runs.metrics import Sink
from hamlet.training.run import SavedRun, resume, train_seeds


def steps_done(path: Path) -> int:
    """Environment steps of the newest checkpoint at a place; 0 where there is none."""
    return (checkpoint.steps(path / "checkpoints") or [0])[-1]


def whole(path: Path, steps: int) -> bool:
    """Whether a run of at least so many environment steps stands at a place, evaluated to its end."""
    done = steps_done(path)
    if not (path / CONFIGURATION).exists() or done < steps:
        return False
    directory = RunDirectory.open(path)
    return evaluator.finished(directory, EvaluationSchedule.of(directory.config()), done)


def complete(
    algorithm: Algorithm,
    env: AnyEnvironment,
    *,
    seeds: Mapping[int, Path],
    steps: int,
    labels: Mapping[str, Any],
    sinks: Sequence[Callable[[Path], Sink]] = (),
    quiet: bool = False,
) -> list[SavedRun]:
    """Runs of at least ``steps`` environment steps at the given places, one for each seed.

    What is there already is never trained again: a finished run is left as it is, an unfinished one goes on from its
    checkpoint. The rest are begun, one after another through one compiled program. Interrupted anywhere and called
    again, it ends in the same bits.

    Raises:
        RequestError: If the request cannot be run, or a place holds another run than the one that is asked for.
        RunError: As for `hamlet.training.run.train`.
    """
    standing = [path for path in seeds.values() if (path / CONFIGURATION).exists()]
    for path in standing:
        _refuse_other(path, algorithm, env)
    for path in standing:
        if not whole(path, steps):
            resume(path, steps=steps, sinks=sinks, quiet=quiet)
    fresh = {seed: path for seed, path in seeds.items() if path not in standing}
    if fresh:
        train_seeds(algorithm, env, seeds=fresh, steps=steps, labels=dict(labels), sinks=sinks, quiet=quiet)
    return [SavedRun(path) for path in seeds.values()]


def _refuse_other(path: Path, algorithm: Algorithm, env: AnyEnvironment) -> None:
    """A run of other settings is not taken for this one."""
    held, held_env = SavedRun(RunDirectory.open(path).path).declaration
    if algorithm.accumulation is None:  # then a run keeps the number that it found to fit
        held = replace(held, accumulation=None)
    for name, present, wanted in (("algorithm", held, algorithm), ("environment", held_env, env)):
        if present != wanted:
            raise RequestError(f"{path} holds a run with another {name} or other settings of it: choose another --out")
