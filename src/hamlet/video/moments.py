"""The moments of an episode for a video: their numbers, the returns so far, and a visible speed."""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from hamlet.rollouts.record_episode import Frame

# The minimum number of frames per second of a video with slow moments, and usually the maximum.
_LEAST, _MOST = 20, 32


class Moment(NamedTuple):
    """A moment of an episode: the state after a step, or the first state.

    Attributes:
        step: How many steps led to it.
        state: The environment's state, or a snapshot; the last known one if there is no final one.
        actions: For every group, the actions ``[N, …]`` of the last step; None at the start.
        returns: The return of each agent until this moment, ``[n]``.
    """

    step: int
    state: Any
    actions: tuple[np.ndarray, ...] | None
    returns: np.ndarray


class Pace(NamedTuple):
    """The conversion of moments into frames.

    Attributes:
        stride: Only every ``stride``-th moment is shown, and the last one.
        repeat: The number of frames of each shown moment.
        rate: The number of frames per second.
    """

    stride: int
    repeat: int
    rate: float

    @classmethod
    def of(cls, seconds: float) -> "Pace":
        """Return the pace for moments of this many seconds each: the video has the environment's own speed.

        >>> Pace.of(0.15), Pace.of(0.008)
        (Pace(stride=1, repeat=3, rate=20.0), Pace(stride=4, repeat=1, rate=31.25))
        """
        stride = math.ceil(1 / (seconds * _MOST))
        repeat = max(1, round(_LEAST * seconds))
        return cls(stride, repeat, round(repeat / (stride * seconds), 4))


def moments(frames: Iterable[Frame]) -> Iterator[Moment]:
    """Yield every moment of an episode."""
    state, total = None, np.zeros(1)
    for step, frame in enumerate(frames):
        state = state if frame.state is None else frame.state
        total = total + frame.reward
        yield Moment(step, state, frame.actions, total)


def strided(items: Iterable[Moment], stride: int) -> Iterator[Moment]:
    """Yield every ``stride``-th moment, and the last one."""
    last = None
    for item in items:
        if item.step % stride == 0:
            yield item
        last = item
    if last is not None and last.step % stride:
        yield last
