"""The best policy of a run: of all that were evaluated while it trained, the one whose mean return is highest.

    best/000000020000/    its actors, as a checkpoint that holds nothing else

It is kept as long as a run could be resumed into a state to which it belongs: beside the best of all stands, until no
checkpoint is that old, the best of what had been evaluated when a checkpoint was written. A run that goes on from there
thus has the best policy that it had then, also where its further course is another one.
"""

import math
from typing import Any, NamedTuple

from hamlet.checkpoints import checkpoint
from hamlet.errors import RequestError
from hamlet.runs.directory import RunDirectory

# Of a checkpoint's extra.
_MEAN = "mean"


class BestPolicy(NamedTuple):
    """Since which environment step a policy is the best, and its mean return."""

    step: int
    mean: float

    def beaten(self, mean: float) -> bool:
        """Whether a later policy of this mean is better; the first of equal ones stays."""
        return mean > self.mean or (math.isnan(self.mean) and not math.isnan(mean))


def current(run: RunDirectory) -> BestPolicy | None:
    """The best so far; None where nothing was evaluated."""
    steps, extras = checkpoint.steps(run.best), checkpoint.extras(run.best)
    return BestPolicy(steps[-1], float(extras[-1][_MEAN])) if steps and len(extras) == len(steps) else None


def save(run: RunDirectory, actors: tuple[Any, ...], step: int, mean: float) -> BestPolicy:
    """Put a policy in the place of the best.

    Raises:
        RunError: It could not be written; the one before is intact.
    """
    checkpoint.save(run.best, actors, step=step, extra={_MEAN: mean}, keep=len(checkpoint.steps(run.best)) + 1)
    prune(run)
    return BestPolicy(step, mean)


def prune(run: RunDirectory) -> None:
    """Remove what is no longer the best, of no checkpoint that stands."""
    standing, starts = checkpoint.steps(run.best), checkpoint.steps(run.checkpoints)
    needed = {max((step for step in standing if step <= start), default=standing[-1]) for start in starts}
    checkpoint.discard(run.best, set(standing[:-1]) - needed)


def truncate(run: RunDirectory, step: int) -> None:
    """Remove what was the best after a step only: a run resumed from there will evaluate it again."""
    checkpoint.discard(run.best, [later for later in checkpoint.steps(run.best) if later > step])


def restore(run: RunDirectory, like: tuple[Any, ...]) -> checkpoint.Restored:
    """The actors of the best policy, and the environment step at which they stood.

    Raises:
        RequestError: Nothing was evaluated while the run trained.
        RunError: It cannot be read.
    """
    if not checkpoint.steps(run.best):
        raise RequestError(f"{run.path} has no best policy: nothing was evaluated while it trained; take its newest")
    return checkpoint.restore(run.best, like)
