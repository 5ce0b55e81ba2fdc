"""``hamlet resume``: go on with a run."""

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
        steps: Environment steps of the whole run, those behind it included. Without it, the run's own.
        gradient_accumulation: Learn from a batch in so many parts from here on, for a machine with less memory: the
            same gradients but for rounding, so that the rest is no longer bitwise identical. Without it, as before.
        device: Where to compute. Without it, where JAX prefers.
        tensorboard: Write event files into RUN/tensorboard; look at them with: tensorboard --logdir RUN.
        wandb: Send the metrics to Weights & Biases.
        trust: Run code that the run names and that is not Hamlet's, though the run is not one that you began here.
        quiet: Print nothing but errors.
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
    "Go on with the run in the directory RUN from its newest checkpoint, to its own end or\n"
    "to --steps. The result is bit for bit that of a run which was never interrupted.\n\n"
    "example: hamlet resume runs/a --steps 20M",
)


def main(argv: Sequence[str]) -> int:
    """Go on with a run, then judge it."""
    (path,), parsed = COMMAND.parse(argv)
    options = ResumeOptions(**parsed.values["run"])
    if options.steps is not None and options.steps < 1:
        raise RequestError(f"--steps must be at least 1, not {options.steps}")
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
