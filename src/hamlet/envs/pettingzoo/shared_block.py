"""The memory that some copies and their workers share: every array by name, for all copies at once.

It has no name in the file system, so nothing is left of it however the processes end. Workers import this file, which
therefore needs the standard library and numpy alone.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hamlet.envs.conversion import SpaceKind

# Arrays begin at multiples of a cache line.
_LINE = 64


class Array(NamedTuple):
    """The shape and the type of one agent's, or one copy's, array."""

    shape: tuple[int, ...]
    dtype: str


class Seats(NamedTuple):
    """The agents of a group, and what they exchange.

    Attributes:
        names: The agents.
        observation: One agent's observation.
        action: One agent's action.
        choices: Of each component of the action, how many there are, where some may be unavailable; else empty.
        seen: Every agent's observation space, as the environment has it.
        done: Every agent's action space.
    """

    names: tuple[str, ...]
    observation: Array
    action: Array
    choices: tuple[int, ...]
    seen: tuple[SpaceKind, ...]
    done: tuple[SpaceKind, ...]


class BlockLayout(NamedTuple):
    """What the copies of an environment exchange with the one who acts.

    Attributes:
        groups: The agents, in groups.
        state: What ``state()`` gives; None where the observations are joined instead.
        turns: Whether one agent acts at a time.
        measures: The environment's own measures that are kept, by their names in infos.
    """

    groups: tuple[Seats, ...]
    state: SpaceKind | None
    turns: bool
    measures: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every agent, in the order of the groups."""
        return tuple(name for seats in self.groups for name in seats.names)


def arrays(plan: BlockLayout, copies: int) -> dict[str, Array]:
    """Every array of the block: its name, its shape with the copies first, its type."""
    agents = len(plan.names)
    array_specs = {
        "episode": Array((), "int64"),
        "leave": Array((), "bool"),  # whether the copy is to leave its episode for the next one
        "busy": Array((), "bool"),  # whether the copy is being stepped, for the report of a worker that died
        "reward": Array((agents,), "float32"),
        "cut": Array((agents,), "bool"),
        "terminated": Array((), "bool"),
        "truncated": Array((), "bool"),
    }
    for time in ("arrival", "fresh"):  # what a step arrives at, and a new episode's first view
        array_specs[f"{time}/alive"] = Array((agents,), "bool")
        if plan.state is not None:
            array_specs[f"{time}/state"] = Array(plan.state.inner_shape, plan.state.inner_dtype)
        for g, seats in enumerate(plan.groups):
            array_specs[f"{time}/observation/{g}"] = _each(seats, seats.observation)
            if seats.choices:
                array_specs[f"{time}/available/{g}"] = _each(seats, Array((sum(seats.choices),), "bool"))
    for g, seats in enumerate(plan.groups):
        array_specs[f"action/{g}"] = _each(seats, seats.action)
    if plan.measures:  # of the episode until this step; NaN where they were not given
        array_specs["measures"] = Array((len(plan.measures),), "float64")
    return {name: Array((copies, *array.shape), array.dtype) for name, array in array_specs.items()}


def _each(seats: Seats, array: Array) -> Array:
    return Array((len(seats.names), *array.shape), array.dtype)


def _places(wanted: dict[str, Array]) -> Iterator[tuple[str, Array, int, int]]:
    """Every array with where it begins and where it ends."""
    start = 0
    for name, array in wanted.items():
        end = start + int(np.prod(array.shape, dtype=np.int64)) * np.dtype(array.dtype).itemsize
        yield name, array, start, end
        start = -(-end // _LINE) * _LINE


def size(wanted: dict[str, Array]) -> int:
    """Bytes of the block."""
    return max(1, *(end for _, _, _, end in _places(wanted)))


def allocate(count: int) -> int:
    """A file descriptor of that many bytes of memory without a name, zeros at first."""
    # Not in /dev/shm where it can be helped, which containers keep small.
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("hamlet", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, count)
    return descriptor


def attach(descriptor: int, wanted: dict[str, Array]) -> dict[str, np.ndarray]:
    """The arrays in a block; they keep it until the last of them is gone, also when the descriptor is closed."""
    buffer = mmap.mmap(descriptor, size(wanted))
    return {
        name: np.frombuffer(buffer, array.dtype, int(np.prod(array.shape, dtype=np.int64)), start).reshape(array.shape)
        for name, array, start, _ in _places(wanted)
    }
