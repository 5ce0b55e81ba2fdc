"""``hamlet resume``: continue a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hamlet.commands.train import finish, stoppable
from hamlet.errors import RequestError
from hamlet.options import sinks
from hamlet.options.parsing import Command, OptionGroup
from hamlet.options.values import Steps
from hamlet.training.named_runs import named_runs
from hamlet.training.run import resume


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """Options of ``hamlet resume``.

    Attributes:
        steps: The total number of environment steps of the run, including the steps that it already has. Without it,
            the number that the run was started with.
        gradient_accumulation: From now on, split each batch into this number of parts for the gradients, for example
            on a machine with less memory. The gradients are equal up to rounding, but no longer bitwise identical.
            Without it, the number stays the same.
        device: The device to train on. Without it, the device that JAX prefers.
        tensorboard: Write TensorBoard event files to RUN/tensorboard. To view them: tensorboard --logdir RUN.
        wandb: Send the metrics to Weights & Biases.
        trust: Execute code that the run names and that is not part of Hamlet, although you did not start the run on
            this machine.
        quiet: Print only errors.
    """

    steps: Steps | None = None
    gradient_accumulation: int | None = None
    device: Literal["cpu", "gpu", "tpu"] | None = None
    tensorboard: bool = False
    wandb: bool = False
    trust: bool = False
    quiet: bool = False


COMMAND = Command(
    "hamlet resume",
    ("RUN",),
    (OptionGroup("run", ResumeOptions, pairs=False),),
    "Continue the run in the directory RUN from its newest checkpoint, to its planned end or to --steps.\n"
    "The result is bitwise identical to a run without an interruption.\n\n"
    "example: hamlet resume runs/a --steps 20M",
)


def main(argv: Sequence[str]) -> int:
    """Continue one or more runs, then evaluate them."""
    (path,), parsed = COMMAND.parse(argv)
    options = ResumeOptions(**parsed.values["run"])
    if options.steps is not None and options.steps < 1:
        raise RequestError(f"--steps must be at least 1, got {options.steps}")
    heard = sinks.wanted(tensorboard=options.tensorboard, wandb=options.wandb)
    places = [named.run.path for named in named_runs(path)]
    with stoppable(places):
        runs = [
            resume(
                place,
                steps=options.steps,
                trust=options.trust,
                gradient_accumulation=options.gradient_accumulation,
                device=options.device,
                sinks=heard,
                quiet=options.quiet,
            )
            for place in places
        ]
    finish(runs, options.quiet)
    return 0
