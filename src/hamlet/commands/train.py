"""``hamlet train``: train a team with one seed or with several seeds, then evaluate it."""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from hamlet.checkpoints import checkpoint
from hamlet.commands.evaluate import comparison, keep, over_seeds
from hamlet.commands.request import TrainOptions, read
from hamlet.errors import RequestError, RunError
from hamlet.evaluation import evaluation_log
from hamlet.options import sinks
from hamlet.options.values import format_steps
from hamlet.rollouts.played import EpisodesFailed
from hamlet.runs.directory import CONFIGURATION
from hamlet.runs.seeds import check_seed
from hamlet.training import final_evaluation
from hamlet.training.accumulation import asked
from hamlet.training.loop import Interrupted
from hamlet.training.named_runs import places
from hamlet.training.run import SavedRun, train_seeds


def main(argv: Sequence[str]) -> int:
    """Train, then evaluate."""
    request = read(argv)
    options = request.options
    _check(options)
    heard = sinks.wanted(tensorboard=options.tensorboard, wandb=options.wandb)
    name = f"{request.labels['algorithm_name']}-{request.labels['environment_name']}"
    directories = places(options.out, name, options.seed, options.seeds)
    with stoppable(list(directories.values())):
        runs = train_seeds(
            asked(request.algorithm, options.gradient_accumulation),
            request.environment,
            seeds=directories,
            steps=options.steps,
            labels=request.labels,
            checkpoint_every=options.checkpoint_every,
            asked=request.evaluation,
            init_from=options.init_from,
            trusted=options.trust,
            device=options.device,
            sinks=heard,
            stop_at=options.stop_at,
            quiet=options.quiet,
        )
    finish(runs, options.quiet)
    return 0


def _check(options: TrainOptions) -> None:
    check_seed(options.seed, options.seeds or 1)
    if options.steps < 1:
        raise RequestError(f"--steps must be at least 1, got {options.steps}")


@contextlib.contextmanager
def stoppable(paths: Sequence[Path]) -> Iterator[None]:
    """Add the command that continues the run to the error of a run that is stopped."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        begun = [path for path in paths if (path / CONFIGURATION).exists()]
        if not begun:
            raise
        unfinished = [path for path in begun if not _finished(path)] or begun
        reason = str(error) if isinstance(error, Interrupted) else "stopped as requested, without a new checkpoint"
        more = f" (and {len(unfinished) - 1} more)" if unfinished[1:] else ""
        raise RunError(f"{reason}; to continue: hamlet resume {unfinished[0]}{more}") from None


def _finished(path: Path) -> bool:
    steps = checkpoint.steps(path / "checkpoints")
    return bool(steps) and steps[-1] >= SavedRun(path).directory.config()["steps"]


def finish(runs: Sequence[SavedRun], quiet: bool) -> None:
    """Evaluate each run, and print its directory and the commands that evaluate or continue it.

    Raises:
        RunError: The evaluation of a run failed. The function still evaluates the other runs.
    """
    judgements, failures = [], []
    for run in runs:
        try:
            judgement = final_evaluation.judge(run)
        except EpisodesFailed as error:
            failures.append(f"{run.path} is trained, but its evaluation failed: {error}")
            continue
        keep(run, judgement)
        judgements.append(judgement)
        if not quiet:
            print(
                (f"\n{run.path}\n" if runs[1:] else "") + comparison(judgement, evaluation_log.absolute(run.directory))
            )
    if not quiet:
        _say_rest(runs, judgements)
    if failures:
        for line in failures[:-1]:
            print(line, file=sys.stderr)
        raise RunError(failures[-1])


def _say_rest(runs: Sequence[SavedRun], judgements: Sequence[final_evaluation.Judgement]) -> None:
    """Print the mean over seeds, the directories of the runs, and the next commands."""
    if runs[1:] and judgements:
        print("\n" + "\n".join(over_seeds(judgements)))
    path, stored = runs[0].path, checkpoint.steps(runs[0].path / "checkpoints")
    steps = max(runs[0].directory.config()["steps"], *stored[-1:], 1)
    print(f"\nthe run is in {path}" if not runs[1:] else f"\nthe runs are in {path.parent}")
    print("to evaluate a run in more episodes, or to train it further:")
    print(f"  hamlet evaluate {path} --episodes 1000\n  hamlet resume {path} --steps {format_steps(2 * steps)}")
    sys.stdout.flush()
