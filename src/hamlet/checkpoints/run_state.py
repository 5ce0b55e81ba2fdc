"""A run's state on the disk: a checkpoint, and beside it the segments of the replay buffer."""

from typing import Any, NamedTuple

from hamlet.backends.iteration import Training, with_replay
from hamlet.checkpoints import checkpoint, replay_files
from hamlet.checkpoints.replay_files import ReplaySegment
from hamlet.errors import RunError
from hamlet.runs.directory import RunDirectory

# The key of the segment list in a checkpoint's extra.
_KEY = "replay"


class Found(NamedTuple):
    """A state without its replay buffer, the environment steps done, and the segments of the replay buffer."""

    training: Training
    step: int
    segments: list[ReplaySegment]


def save(
    run: RunDirectory, training: Training, *, step: int, played: int, known: list[ReplaySegment]
) -> list[ReplaySegment]:
    """Write the replay rows that are not in a segment yet, then the checkpoint.

    Args:
        run: The run directory.
        training: The state, with its replay buffer if it has one.
        step: Environment steps done.
        played: Rows of the replay buffer since the start of the run: the steps of each environment copy.
        known: Segments that exist already.

    Returns:
        The segments of the replay buffer.

    Raises:
        RunError: The state could not be written, for example on a full disk; the previous checkpoint and its segments
            are intact.
    """
    extra: dict[str, Any] = {}
    if training.replay is not None:
        try:
            known = replay_files.write(run.replay, training.replay, played, known)
        except RunError as error:
            raise checkpoint.NotSaved(f"{error}; {checkpoint.intact(run.checkpoints)}") from error
        extra[_KEY] = [list(segment) for segment in known]
    checkpoint.save(run.checkpoints, with_replay(training, None), step=step, extra=extra)
    if training.replay is not None:
        # Remove old segments only now: before, the previous checkpoint was the newest one.
        standing = [segment for held in checkpoint.extras(run.checkpoints) for segment in _listed(held)]
        replay_files.prune(run.replay, [*known, *standing])
    return known


def restore(run: RunDirectory, like: Training) -> Found:
    """Read the newest checkpoint that is intact with all of its segments; damaged checkpoints cause a warning.

    Raises:
        RunError: There is no such checkpoint.
    """

    def damage(extra: dict[str, Any]) -> str | None:
        try:
            return replay_files.damage(run.replay, _listed(extra))
        except ValueError as error:
            return str(error)

    restored = checkpoint.restore(run.checkpoints, like, damage=damage)
    return Found(restored.state, restored.step, _listed(restored.extra))


def recalled(run: RunDirectory, training: Training, played: int, known: list[ReplaySegment]) -> Training:
    """Fill the empty replay buffer of a placed state from its segments, after ``played`` rows.

    Raises:
        RunError: The segments do not fit the replay buffer.
    """
    if training.replay is None or not played:
        return training
    return with_replay(training, replay_files.read(run.replay, training.replay, played, known))


def _listed(extra: dict[str, Any]) -> list[ReplaySegment]:
    return replay_files.listed(extra.get(_KEY, []))
