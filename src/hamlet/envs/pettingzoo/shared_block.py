"""The memory that environment copies and their workers share: arrays with names, each for all copies.

The memory has no name in the file system, so nothing remains of it, however the processes end. Workers import this
file, so it uses only the standard library and numpy.
"""

import mmap
import os
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from hamlet.envs.conversion import SpaceKind

# Arrays start at multiples of a cache line (in bytes).
_LINE = 64


class Array(NamedTuple):
    """The shape and type of an array of one agent or one copy."""

    shape: tuple[int, ...]
    dtype: str


class Seats(NamedTuple):
    """The agents of a group, and the arrays that they exchange.

    Attributes:
        names: The agents.
        observation: The array of one agent's observation.
        action: The array of one agent's action.
        choices: The number of discrete actions of each action component; empty if the agents have no action mask.
        seen: The observation space of every agent, in the environment's form.
        done: The action space of every agent, in the environment's form.
    """

    names: tuple[str, ...]
    observation: Array
    action: Array
    choices: tuple[int, ...]
    seen: tuple[SpaceKind, ...]
    done: tuple[SpaceKind, ...]


class BlockLayout(NamedTuple):
    """The layout of the data that environment copies exchange with the process that chooses the actions.

    Attributes:
        groups: The agents, in groups.
        state: The space of ``state()``; None if the joined observations are the state.
        turns: Whether the agents act in turns, one at a time.
        measures: The environment's measures that are recorded, by their names in infos.
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
    """Return every array of the block: its name, its shape with the copies as first axis, and its type."""
    agents = len(plan.names)
    array_specs = {
        "episode": Array((), "int64"),
        "leave": Array((), "bool"),  # whether the copy should abandon its episode and start the next one
        "busy": Array((), "bool"),  # whether the copy is being stepped, for the report if a worker dies
        "reward": Array((agents,), "float32"),
        "cut": Array((agents,), "bool"),
        "terminated": Array((), "bool"),
        "truncated": Array((), "bool"),
    }
    for time in ("arrival", "fresh"):  # the view that a step reaches, and the first view of a new episode
        array_specs[f"{time}/alive"] = Array((agents,), "bool")
        if plan.state is not None:
            array_specs[f"{time}/state"] = Array(plan.state.inner_shape, plan.state.inner_dtype)
        for g, seats in enumerate(plan.groups):
            array_specs[f"{time}/observation/{g}"] = _each(seats, seats.observation)
            if seats.choices:
                array_specs[f"{time}/available/{g}"] = _each(seats, Array((sum(seats.choices),), "bool"))
    for g, seats in enumerate(plan.groups):
        array_specs[f"action/{g}"] = _each(seats, seats.action)
    if plan.measures:  # the last values in the episode up to this step; NaN if none were given
        array_specs["measures"] = Array((len(plan.measures),), "float64")
    return {name: Array((copies, *array.shape), array.dtype) for name, array in array_specs.items()}


def _each(seats: Seats, array: Array) -> Array:
    return Array((len(seats.names), *array.shape), array.dtype)


def _places(wanted: dict[str, Array]) -> Iterator[tuple[str, Array, int, int]]:
    """Yield every array with its start and its end in bytes."""
    start = 0
    for name, array in wanted.items():
        end = start + int(np.prod(array.shape, dtype=np.int64)) * np.dtype(array.dtype).itemsize
        yield name, array, start, end
        start = -(-end // _LINE) * _LINE


def size(wanted: dict[str, Array]) -> int:
    """Return the number of bytes of the block."""
    return max(1, *(end for _, _, _, end in _places(wanted)))


def allocate(count: int) -> int:
    """Return a file descriptor of ``count`` bytes of zeroed memory without a name in the file system."""
    # Avoid /dev/shm if possible, because containers keep it small.
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("hamlet", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, count)
    return descriptor


def attach(descriptor: int, wanted: dict[str, Array]) -> dict[str, np.ndarray]:
    """Return the arrays in a block; the block exists until the last array is gone, also with a closed descriptor."""
    buffer = mmap.mmap(descriptor, size(wanted))
    return {
        name: np.frombuffer(buffer, array.dtype, int(np.prod(array.shape, dtype=np.int64)), start).reshape(array.shape)
        for name, array, start, _ in _places(wanted)
    }
