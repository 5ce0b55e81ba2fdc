"""A run's state on the disk: a checkpoint, and beside it the segments of what it remembers of play."""

from typing import Any, NamedTuple

from hamlet.backends.iteration import Training, with_replay
from hamlet.checkpoints import checkpoint, replay_files
from hamlet.checkpoints.replay_files import ReplaySegment
from hamlet.errors import RunError
from hamlet.runs.directory import RunDirectory

# Of a checkpoint's extra.
_KEY = "replay"


class Found(NamedTuple):
    """A state without its ring, the environment steps done, and the segments of which the ring consists."""

    training: Training
    step: int
    segments: list[ReplaySegment]


def save(
    run: RunDirectory, training: Training, *, step: int, played: int, known: list[ReplaySegment]
) -> list[ReplaySegment]:
    """Write a checkpoint, and before it the rows that no segment holds yet.

    Args:
        run: Where.
        training: With its ring, if it has one.
        step: Environment steps done.
        played: Rows since the run began: steps of each copy.
        known: Segments that stand already.

    Returns:
        The segments of which the ring consists.

    Raises:
        RunError: It could not be written, as on a full disk; the checkpoint before is intact, with its segments.
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
        # Only now, as until then the checkpoint before was the newest.
        standing = [segment for held in checkpoint.extras(run.checkpoints) for segment in _listed(held)]
        replay_files.prune(run.replay, [*known, *standing])
    return known


def restore(run: RunDirectory, like: Training) -> Found:
    """The newest checkpoint that is good with all of its segments; others are passed over with a warning.

    Raises:
        RunError: There is none.
    """

    def damage(extra: dict[str, Any]) -> str | None:
        try:
            return replay_files.damage(run.replay, _listed(extra))
        except ValueError as error:
            return str(error)

    restored = checkpoint.restore(run.checkpoints, like, damage=damage)
    return Found(restored.state, restored.step, _listed(restored.extra))


def recalled(run: RunDirectory, training: Training, played: int, known: list[ReplaySegment]) -> Training:
    """The state, placed with an empty ring, with what it remembered after so many rows.

    Raises:
        RunError: The segments are not those of such a ring.
    """
    if training.replay is None or not played:
        return training
    return with_replay(training, replay_files.read(run.replay, training.replay, played, known))


def _listed(extra: dict[str, Any]) -> list[ReplaySegment]:
    return replay_files.listed(extra.get(_KEY, []))
