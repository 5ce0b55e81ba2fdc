"""The best policy of a run: the evaluated policy with the highest mean return.

    best/000000020000/    the actors of the policy, as a checkpoint that contains only actors

The directory contains the best policy of the whole run. For each stored checkpoint it also contains the policy that was
the best when that checkpoint was written. A run that resumes from an older checkpoint therefore starts with the best
policy of that time, even if the resumed training takes a different course. Hamlet removes an older best policy when no
checkpoint needs it any more.
"""

import math
from typing import Any, NamedTuple

from hamlet.checkpoints import checkpoint
from hamlet.errors import RequestError
from hamlet.runs.directory import RunDirectory

# A key of the checkpoint's `extra` data.
_MEAN = "mean"


class BestPolicy(NamedTuple):
    """The environment step at which the best policy was evaluated, and its mean return."""

    step: int
    mean: float

    def beaten(self, mean: float) -> bool:
        """Return whether a later policy with this mean return is better. With equal means the earlier policy stays."""
        return mean > self.mean or (math.isnan(self.mean) and not math.isnan(mean))


def current(run: RunDirectory) -> BestPolicy | None:
    """Return the best policy so far; None if no policy was evaluated."""
    steps, extras = checkpoint.steps(run.best), checkpoint.extras(run.best)
    return BestPolicy(steps[-1], float(extras[-1][_MEAN])) if steps and len(extras) == len(steps) else None


def save(run: RunDirectory, actors: tuple[Any, ...], step: int, mean: float) -> BestPolicy:
    """Save a policy as the new best policy.

    Raises:
        RunError: The policy could not be written; the previous best policy is intact.
    """
    checkpoint.save(run.best, actors, step=step, extra={_MEAN: mean}, keep=len(checkpoint.steps(run.best)) + 1)
    prune(run)
    return BestPolicy(step, mean)


def prune(run: RunDirectory) -> None:
    """Remove each older best policy that no stored checkpoint needs."""
    standing, starts = checkpoint.steps(run.best), checkpoint.steps(run.checkpoints)
    needed = {max((step for step in standing if step <= start), default=standing[-1]) for start in starts}
    checkpoint.discard(run.best, set(standing[:-1]) - needed)


def truncate(run: RunDirectory, step: int) -> None:
    """Remove the best policies of later steps than ``step``. A run that resumes from ``step`` evaluates them again."""
    checkpoint.discard(run.best, [later for later in checkpoint.steps(run.best) if later > step])


def restore(run: RunDirectory, like: tuple[Any, ...]) -> checkpoint.Restored:
    """Return the actors of the best policy, and the environment step at which they were evaluated.

    Raises:
        RequestError: The run did not evaluate any policy during training.
        RunError: The best policy cannot be read.
    """
    if not checkpoint.steps(run.best):
        raise RequestError(
            f"{run.path} has no best policy: the run evaluated no policy during training; use its newest policy"
        )
    return checkpoint.restore(run.best, like)
