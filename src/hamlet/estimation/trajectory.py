"""The data of a rollout, and its division into sequences for training."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.envs.base import View
from hamlet.roster import Roster
from hamlet.streams import Stream


class Trajectory(eqx.Module):
    """T steps of E environment copies, split into C = T / L sequences of L steps each.

    Arrays per agent are stored group by group, with agents in the order of the groups.

    Attributes:
        view: The observations before each step, leaves ``[C, L, E, …]``.
        start: True where an episode starts, ``[C, L, E]``.
        action: For every group ``[C, L, E, N, …]``.
        reward: The reward that each agent learns from, ``[C, L, E, n]``: the environment's reward, or the stream that
            replaces it (`hamlet.streams.learning_reward`). If the algorithm normalises rewards, it is normalised.
            Metrics report the original reward.
        terminated: True where the episode terminated at this step, ``[C, L, E]``.
        truncated: True where the episode was truncated (cut off by a time limit) at this step, ``[C, L, E]``.
        arrival: The next observations, before any reset, leaves ``[C, L, E, …]``.
        memory: For every group the actors' memory before each sequence, ``[C, E, N, H]``, or None.
        cut: Agents that were truncated at this step, ``[C, L, E, n]``; None if agents are never truncated while other
            agents continue.
        learns: Seats whose steps are used for training (`hamlet.rollouts.seats`), ``[C, L, E, n]``; None for all seats.
        parts: The number of parts for gradient accumulation (`hamlet.estimation.accumulation`).
        streams: All other streams, by name, ``[C, L, E, n]`` or ``[C, L, E, 1]``.
    """

    view: View
    start: Bool[Any, "C L E"]
    action: tuple[Any, ...]
    reward: Float[Any, "C L E n"]
    terminated: Bool[Any, "C L E"]
    truncated: Bool[Any, "C L E"]
    arrival: View
    memory: tuple[Float[Any, "C E _N H"] | None, ...]
    cut: Bool[Any, "C L E n"] | None = None
    learns: Bool[Any, "C L E n"] | None = None
    parts: int = eqx.field(static=True, default=1)
    streams: dict[str, Float[Any, "C L E _k"]] = eqx.field(default_factory=dict)

    def paid(self, stream: Stream) -> Float[Array, "C L E _k"]:
        """Return the payments of a stream to its owners; for the reward, the reward that agents learn from.

        Raises:
            KeyError: The environment does not pay this stream.
        """
        return self.reward if stream.critic == "reward" else self.streams[stream.name]

    @property
    def counted(self) -> Any:
        """Return the mask of steps that an agent's own policy and critic learn from; None for all steps.

        The shape is ``[C, L, E, n]``. These are the steps of active agents in seats that are used for training. The
        actions in all other seats still influence the game.
        """
        if self.learns is None or self.view.alive is None:
            return self.view.alive if self.learns is None else self.learns
        return self.view.alive & self.learns

    def count(self, agents: int) -> int:
        """Return how many sequences a unit of ``agents`` agents has: E·C·K."""
        chunks, _, copies = self.start.shape
        return chunks * copies * agents


class Behaviour(eqx.Module):
    """The policies that sampled a rollout: for every group, distributions over ``[C, L, E, N]``.

    Attributes:
        now: The policies at the observations before each step.
        then: The policies at the next observations, before any reset.
        roster: The agents that the policies belong to.
    """

    now: tuple[Any, ...]
    then: tuple[Any, ...]
    roster: Roster = eqx.field(static=True)


def sequences(roster: Roster, group: int, array: Array) -> Array:
    """Return a group's ``[C, L, E, N, …]`` as each unit's sequences ``[units, E·C·K, L, …]``.

    Environment copies are the first factor of the axis, so that a shard of copies is a contiguous range of rows.
    """
    array = roster.by_unit(group, jnp.moveaxis(array, 2, 0), 3)
    array = jnp.moveaxis(array, 4, 3)
    return array.reshape(array.shape[0], -1, *array.shape[4:])


def from_sequences(roster: Roster, group: int, array: Array, copies: int) -> Array:
    """Invert `sequences`: return ``[units, E·C·K, L, …]`` as ``[C, L, E, N, …]``."""
    units, agents = roster.units_in(group), roster.agents_per_unit(group)
    array = array.reshape(units, copies, -1, agents, *array.shape[2:])
    array = array.transpose(2, 4, 1, 0, 3, *range(5, array.ndim))
    return array.reshape(*array.shape[:3], units * agents, *array.shape[5:])


def whole(array: Array) -> Array:
    """Join sequences: return ``[C, L, …]`` as one sequence ``[1, T, …]``."""
    return array.reshape(1, -1, *array.shape[2:])
