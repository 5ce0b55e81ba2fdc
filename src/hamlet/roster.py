"""The agents of an environment, in groups with equal spaces, and which agents share parameters.

Agents with equal observation and action spaces form a group. The arrays of a group are stacked, so no array is padded.

A **unit** is one set of policy parameters: the parameters of one agent, or of a whole group if sharing is requested.
Sequential algorithms update one unit after another. Units are numbered group by group, in the same order as agents.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hamlet.spaces import Box, Composite, Space, pictures
from hamlet.streams import Stream

Sharing: TypeAlias = Literal["none", "group"]


@dataclass(frozen=True)
class Group:
    """Agents with equal spaces, by their PettingZoo names."""

    names: tuple[str, ...]
    observation: Space
    action: Space


@dataclass(frozen=True)
class Roster:
    """The agents of an environment, and how they share parameters.

    Attributes:
        groups: The agents.
        sharing: Whether the agents of a group share parameters ("group") or not ("none").
        state: The space of a centralised critic's state if that is a row that contains images. None if the state's
            shape describes it completely.
        streams: The streams that the environment pays besides the reward.
    """

    groups: tuple[Group, ...]
    sharing: Sharing = "none"
    state: Composite | None = None
    streams: tuple[Stream, ...] = ()

    def seen_by_critic(self, shape: tuple[int, ...]) -> Space:
        """Return the space of the critic's state, given its shape."""
        return self.state or Box(-float("inf"), float("inf"), shape)

    def image(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the image that is the critic's state, or of the first image in it."""
        return shape if self.state is None else pictures(self.state)[0].shape

    @property
    def names(self) -> tuple[str, ...]:
        """Return every agent's name, in the order of the groups."""
        return tuple(name for group in self.groups for name in group.names)

    def units_in(self, group: int) -> int:
        """Return the number of units (sets of parameters) in a group."""
        return 1 if self.sharing == "group" else len(self.groups[group].names)

    def agents_per_unit(self, group: int) -> int:
        """Return K, the number of agents that use one unit's parameters."""
        return len(self.groups[group].names) // self.units_in(group)

    @cached_property
    def group_of(self) -> np.ndarray:
        """Return the group of every unit, int32 ``[units]``."""
        return np.repeat(np.arange(len(self.groups)), [self.units_in(g) for g in range(len(self.groups))]).astype(
            np.int32
        )

    @cached_property
    def slot_of(self) -> np.ndarray:
        """Return the index of every unit within its group, int32 ``[units]``."""
        return np.concatenate([np.arange(self.units_in(g)) for g in range(len(self.groups))]).astype(np.int32)

    @property
    def unit_names(self) -> tuple[str, ...]:
        """Return every unit's name in messages and metrics: the name of its agent, or of its agents joined."""
        if self.sharing == "none":
            return self.names
        return tuple(
            "+".join(group.names) if len(group.names) < 4 else f"{group.names[0]}..{group.names[-1]}"
            for group in self.groups
        )

    def split(self, per_agent: Array) -> tuple[Array, ...]:
        """Split the last axis ``[…, n]`` into groups ``[…, N]``."""
        cuts = np.cumsum([len(group.names) for group in self.groups])[:-1]
        return tuple(jnp.split(per_agent, cuts, axis=-1))

    def by_unit(self, group: int, array: Array, axis: int) -> Array:
        """Split the agents' axis ``N`` of a group's array into ``units × K`` and move the units to the front."""
        units, agents = self.units_in(group), self.agents_per_unit(group)
        shape = (*array.shape[:axis], units, agents, *array.shape[axis + 1 :])
        return jnp.moveaxis(array.reshape(shape), axis, 0)

    def from_unit(self, array: Array, axis: int) -> Array:
        """Invert ``by_unit``; ``axis`` is counted without the leading axis of units."""
        array = jnp.moveaxis(array, 0, axis)
        return array.reshape(*array.shape[:axis], -1, *array.shape[axis + 2 :])
