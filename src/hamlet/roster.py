"""Who the agents are: groups of equal spaces, and who owns which parameters.

Agents of equal spaces form a group; the arrays of a group are stacked, so nothing is padded. A **unit** is one set
of parameters: one agent, or a whole group where the user asked for sharing. Units are what a scheme updates one
after another; they are numbered group by group, as agents are.
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
    """Agents of equal spaces, by their PettingZoo names."""

    names: tuple[str, ...]
    observation: Space
    action: Space


@dataclass(frozen=True)
class Roster:
    """The agents of an environment, and how their parameters are shared.

    Attributes:
        groups: The agents.
        sharing: Whether agents of a group have common parameters.
        state: What a centralised critic sees, where that is a row with pictures in it; None where its shape says all.
        streams: What their environment pays them beside the reward.
    """

    groups: tuple[Group, ...]
    sharing: Sharing = "none"
    state: Composite | None = None
    streams: tuple[Stream, ...] = ()

    def seen_by_critic(self, shape: tuple[int, ...]) -> Space:
        """The space of the critic's state of a shape."""
        return self.state or Box(-float("inf"), float("inf"), shape)

    def image(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of the image that the critic's state is, or the first that is in it."""
        return shape if self.state is None else pictures(self.state)[0].shape

    @property
    def names(self) -> tuple[str, ...]:
        """Every agent's name, in the order of the groups."""
        return tuple(name for group in self.groups for name in group.names)

    def units_in(self, group: int) -> int:
        """How many sets of parameters a group has."""
        return 1 if self.sharing == "group" else len(self.groups[group].names)

    def agents_per_unit(self, group: int) -> int:
        """K, how many agents act by one set of parameters."""
        return len(self.groups[group].names) // self.units_in(group)

    @cached_property
    def group_of(self) -> np.ndarray:
        """The group of every unit, int32 ``[units]``."""
        return np.repeat(np.arange(len(self.groups)), [self.units_in(g) for g in range(len(self.groups))]).astype(
            np.int32
        )

    @cached_property
    def slot_of(self) -> np.ndarray:
        """The place of every unit within its group, int32 ``[units]``."""
        return np.concatenate([np.arange(self.units_in(g)) for g in range(len(self.groups))]).astype(np.int32)

    @property
    def unit_names(self) -> tuple[str, ...]:
        """What a unit is called in messages and metrics: its agent, or its agents joined."""
        if self.sharing == "none":
            return self.names
        return tuple(
            "+".join(group.names) if len(group.names) < 4 else f"{group.names[0]}..{group.names[-1]}"
            for group in self.groups
        )

    def split(self, per_agent: Array) -> tuple[Array, ...]:
        """Cut the last axis ``[…, n]`` into groups ``[…, N]``."""
        cuts = np.cumsum([len(group.names) for group in self.groups])[:-1]
        return tuple(jnp.split(per_agent, cuts, axis=-1))

    def by_unit(self, group: int, array: Array, axis: int) -> Array:
        """Cut the agents' axis ``N`` of a group's array into ``units × K`` and put the units first."""
        units, agents = self.units_in(group), self.agents_per_unit(group)
        shape = (*array.shape[:axis], units, agents, *array.shape[axis + 1 :])
        return jnp.moveaxis(array.reshape(shape), axis, 0)

    def from_unit(self, array: Array, axis: int) -> Array:
        """The inverse of ``by_unit``: ``axis`` counts without the leading axis of units."""
        array = jnp.moveaxis(array, 0, axis)
        return array.reshape(*array.shape[:axis], -1, *array.shape[axis + 2 :])
