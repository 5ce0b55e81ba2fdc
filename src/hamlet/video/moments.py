"""The moments of an episode as a video shows them: numbered, with what was earned so far, at a visible pace."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hamlet.rollouts.record_episode import Frame

# Frames a second that a video has at least where its moments are slower, and at most as a rule.
_LEAST, _MOST = 20, 32


class Moment(NamedTuple):
    """A moment of an episode.

    Attributes:
        step: How many steps led there.
        state: The environment's own, or a snapshot; the last one known, at the end of an episode that does not show it.
        actions: For every group the actions ``[N, …]``; None at the start.
        returns: What each agent has earned until then, ``[n]``.
    """

    step: int
    state: Any
    actions: tuple[np.ndarray, ...] | None
    returns: np.ndarray


class Pace(NamedTuple):
    """How moments become frames.

    Attributes:
        stride: Every so-manieth moment is shown, and the last one.
        repeat: In so many frames each.
        rate: Frames a second.
    """

    stride: int
    repeat: int
    rate: float

    @classmethod
    def of(cls, seconds: float) -> "Pace":
        """The pace of moments that each take so many seconds: an episode lasts as long as in its own time.

        >>> Pace.of(0.15), Pace.of(0.008)
        (Pace(stride=1, repeat=3, rate=20.0), Pace(stride=4, repeat=1, rate=31.25))
        """
        stride = math.ceil(1 / (seconds * _MOST))
        repeat = max(1, round(_LEAST * seconds))
        return cls(stride, repeat, round(repeat / (stride * seconds), 4))


def moments(frames: Iterable[Frame]) -> Iterator[Moment]:
    """Every moment of an episode."""
    state, total = None, np.zeros(1)
    for step, frame in enumerate(frames):
        state = state if frame.state is None else frame.state
        total = total + frame.reward
        yield Moment(step, state, frame.actions, total)


def strided(items: Iterable[Moment], stride: int) -> Iterator[Moment]:
    """Every ``stride``-th moment, and the last one."""
    last = None
    for item in items:
        if item.step % stride == 0:
            yield item
        last = item
    if last is not None and last.step % stride:
        yield last
