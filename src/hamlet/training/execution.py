"""Execute one run: compile its iterations and evaluations, and run the training loop."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from hamlet.backends.backend import EvaluationRollouts, Program
from hamlet.backends.iteration import Training
from hamlet.backends.select import backend_of
from hamlet.checkpoints.replay_files import ReplaySegment
from hamlet.envs.host import AnyEnvironment
from hamlet.evaluation import best_policy as best_policy
from hamlet.evaluation import evaluator
from hamlet.evaluation.evaluator import Evaluator
from hamlet.learners import Algorithm
from hamlet.runs.directory import RunDirectory
from hamlet.runs.evaluation_schedule import EvaluationSchedule
from hamlet.runs.metrics import Metrics, Sink
from hamlet.runs.progress import Progress
from hamlet.training import accumulation, budget
from hamlet.training.ending import Callback, Ending
from hamlet.training.loop import Loop
from hamlet.types import Device

Say = Callable[[str], None]


class Ready(NamedTuple):
    """The compiled training program and evaluation of a configuration, and the compile time in seconds."""

    program: Program
    trials: EvaluationRollouts | None
    seconds: float


@contextmanager
def compiled(
    algorithm: Algorithm, env: AnyEnvironment, used: Sequence[Device], config: dict[str, Any], say: Say
) -> Iterator[Ready]:
    """Compile the iterations and the evaluations; raise `TooLarge` if they need more memory than the machine has."""
    seed, plan = config["seed"], EvaluationSchedule.of(config)
    with ExitStack() as opened:
        check_memory = functools.partial(budget.check_memory, algorithm, used=used, say=say)
        make = functools.partial(backend_of(env).compile, devices=used, seed=seed)
        program, line = accumulation.fitted(make, algorithm, env, used, check_memory)
        opened.enter_context(closing(program))
        budget.describe(program, used, say)
        if line is not None:
            say(line)
        trials, seconds = evaluator.prepare(plan, algorithm, env, used[0]), program.compile_seconds
        if trials is not None:
            opened.enter_context(closing(trials))
            seconds += trials.compile_seconds
        yield Ready(program, trials, seconds)


def go(
    ready: Ready,
    directory: RunDirectory,
    training: Training,
    sinks: Sequence[Callable[[Path], Sink]],
    quiet: bool,
    known: Sequence[ReplaySegment] = (),
    callback: Callback | None = None,
) -> None:
    """Train one run to its last step: record metrics, evaluate, and save checkpoints."""
    program, config = ready.program, directory.config()
    batch, every = program.algorithm.sampling.batch, config["checkpoint_every"]
    done, total = int(training.iteration) * batch, math.ceil(config["steps"] / batch)
    with Metrics(directory.metrics) as metrics:
        metrics.truncate(done)
    best_policy.truncate(directory, done)
    ending = Ending(config.get("stop_at"), callback)
    heard = [*(make(directory.path) for make in sinks), ending]
    progress = Progress(total * batch, quiet=quiet)
    examiner = Evaluator(
        EvaluationSchedule.of(config), ready.trials, directory, program.algorithm, program.env, total, progress, heard
    )
    try:
        Loop(
            program,
            directory,
            total,
            None if every is None else max(1, every // batch),
            progress,
            examiner,
            heard,
            list(known),
            ready.seconds,
            ending,
        ).run(training)
    finally:
        for sink in heard:
            sink.close()
