"""Complete runs: start missing runs, resume unfinished runs, and leave finished runs unchanged."""

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
    """Return the environment steps of the newest checkpoint in a run's directory; 0 if there is none."""
    return (checkpoint.steps(path / "checkpoints") or [0])[-1]


def whole(path: Path, steps: int) -> bool:
    """Whether a directory contains a run of at least ``steps`` environment steps with all its evaluations done."""
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
    """Complete one run of at least ``steps`` environment steps per seed, in the given directories.

    A finished run is left unchanged. An unfinished run continues from its newest checkpoint. Missing runs are trained
    sequentially with one compiled program. If the call is interrupted and repeated, the results are bitwise identical.

    Raises:
        RequestError: If the request cannot be run, or a directory contains a run with other settings.
        RunError: See `hamlet.training.run.train_seeds`.
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
    """Refuse a directory whose run has another algorithm, another environment or other settings."""
    held, held_env = SavedRun(RunDirectory.open(path).path).declaration
    if algorithm.accumulation is None:  # the existing run stores the number of parts that fitted into memory
        held = replace(held, accumulation=None)
    for name, present, wanted in (("algorithm", held, algorithm), ("environment", held_env, env)):
        if present != wanted:
            raise RequestError(f"{path} contains a run with another {name}, or other settings of it: use another --out")
