"""What a rollout brings home, and its cut into sequences for training."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.envs.base import View
from hamlet.roster import Roster
from hamlet.streams import Stream


class Trajectory(eqx.Module):
    """T steps of E copies, cut into C = T / L chunks of L steps; group by group, agents in the order of the groups.

    Attributes:
        view: What was seen before each step, leaves ``[C, L, E, …]``.
        start: True where an episode begins, ``[C, L, E]``.
        action: For every group ``[C, L, E, N, …]``.
        reward: What each agent learns from, ``[C, L, E, n]``: its reward, or what its environment pays in its place
            (`hamlet.streams.learning_reward`), normalised where the algorithm says so. It is not what is reported.
        terminated: The episode ended for good at this step, ``[C, L, E]``.
        truncated: The episode was cut at this step, ``[C, L, E]``.
        arrival: The view arrived at, before any restart, leaves ``[C, L, E, …]``.
        memory: For every group the actors' memory before each chunk, ``[C, E, N, H]``, or None.
        cut: Agents that were truncated at this step, ``[C, L, E, n]``; None where none ever is while others play on.
        learns: Seats that are learnt from (`hamlet.rollouts.seats`), ``[C, L, E, n]``; None where all are.
        parts: In how many parts it is learnt from (`hamlet.estimation.accumulation`).
        streams: What else was paid, by name, ``[C, L, E, n]`` or ``[C, L, E, 1]``.
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
        """What was paid of a stream, by its owners; of the reward, what is learnt from.

        Raises:
            KeyError: The environment does not pay it.
        """
        return self.reward if stream.critic == "reward" else self.streams[stream.name]

    @property
    def counted(self) -> Any:
        """Whose steps an agent's own policy and critic learn from, ``[C, L, E, n]``; None where from all.

        Those of agents who are there, in seats that are learnt from. What others do in the other seats is a part of
        the game all the same.
        """
        if self.learns is None or self.view.alive is None:
            return self.view.alive if self.learns is None else self.learns
        return self.view.alive & self.learns

    def count(self, agents: int) -> int:
        """How many sequences a unit of so many agents has: E·C·K."""
        chunks, _, copies = self.start.shape
        return chunks * copies * agents


class Behaviour(eqx.Module):
    """The policies that a rollout was sampled by: for every group, distributions over ``[C, L, E, N]``.

    Attributes:
        now: In what was seen before each step.
        then: In what was arrived at, before any restart.
        roster: Whose they are.
    """

    now: tuple[Any, ...]
    then: tuple[Any, ...]
    roster: Roster = eqx.field(static=True)


def sequences(roster: Roster, group: int, array: Array) -> Array:
    """A group's ``[C, L, E, N, …]`` as each unit's sequences ``[units, E·C·K, L, …]``.

    Copies come first, so that a shard of copies is a run of rows.
    """
    array = roster.by_unit(group, jnp.moveaxis(array, 2, 0), 3)
    array = jnp.moveaxis(array, 4, 3)
    return array.reshape(array.shape[0], -1, *array.shape[4:])


def from_sequences(roster: Roster, group: int, array: Array, copies: int) -> Array:
    """The inverse: ``[units, E·C·K, L, …]`` as ``[C, L, E, N, …]``."""
    units, agents = roster.units_in(group), roster.agents_per_unit(group)
    array = array.reshape(units, copies, -1, agents, *array.shape[2:])
    array = array.transpose(2, 4, 1, 0, 3, *range(5, array.ndim))
    return array.reshape(*array.shape[:3], units * agents, *array.shape[5:])


def whole(array: Array) -> Array:
    """Chunks joined: ``[C, L, …]`` as one chunk ``[1, T, …]``."""
    return array.reshape(1, -1, *array.shape[2:])
