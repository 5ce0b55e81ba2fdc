"""Teams made of two runs' policies: in each seat the policy that one of them trained for it.

Whatever the two were trained by, and with whatever networks, the pair is a team like any other: an agent's actor is
both of its candidates, of which one acts. So the episodes of pairs are those of `hamlet.evaluation.evaluate`, and all
pairs of the same two shapes are played by one compiled program.
"""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Roster


@dataclass(frozen=True)
class PolicyTeam:
    """The policies of a run.

    Attributes:
        roster: Its agents, and how they share parameters.
        actors: For every group the stacked actors of its units.
        body: Of their networks.
    """

    roster: Roster
    actors: tuple[Any, ...]
    body: NetworkConfig


class MixedDistribution(eqx.Module):
    """One of two distributions, element by element, from the same noise."""

    chosen: Bool[Array, "*B"]
    one: Any
    other: Any

    def sample(self, noise: Float[Array, "*B W"]) -> Array:
        """One action each."""
        return self._pick(self.one.sample(noise), self.other.sample(noise))

    def mode(self) -> Array:
        """The likeliest action."""
        return self._pick(self.one.mode(), self.other.mode())

    def _pick(self, one: Array, other: Array) -> Array:
        return jnp.where(self.chosen.reshape(*self.chosen.shape, *(1,) * (one.ndim - self.chosen.ndim)), one, other)


class MixedActor(eqx.Module):
    """An agent's two candidates, and whether the first of them acts; their memories lie side by side."""

    one: Any
    other: Any
    chosen: Bool[Array, " *units"]
    memories: tuple[int, int] = eqx.field(static=True)

    def __call__(
        self,
        observation: Shaped[Array, "B L *O"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
        available: Bool[Array, "B L A"] | None = None,
    ) -> tuple[MixedDistribution, Float[Array, "B L H"] | None]:
        """The distribution at every step, and the memories after it."""
        first, second = self.memories
        own, theirs = (None, None) if memory is None else (memory[:, :first], memory[:, first:])
        one, after = self.one(observation, own if first else None, start, available)
        other, later = self.other(observation, theirs if second else None, start, available)
        kept = [part for part in (after, later) if part is not None]
        chosen = jnp.broadcast_to(self.chosen, start.shape)
        return MixedDistribution(chosen, one, other), jnp.concatenate(kept, axis=-1) if kept else None


def unshared(team: PolicyTeam) -> PolicyTeam:
    """The same team with an actor for every agent: those that shared one have copies."""
    repeats = [team.roster.agents_per_unit(group) for group in range(len(team.roster.groups))]
    actors = tuple(
        jax.tree.map(lambda leaf, count=count: np.repeat(np.asarray(leaf), count, axis=0), group)
        for group, count in zip(team.actors, repeats, strict=True)
    )
    return PolicyTeam(Roster(team.roster.groups), actors, team.body)


def crossplay_team(one: PolicyTeam, other: PolicyTeam, chosen: tuple[bool, ...]) -> PolicyTeam:
    """The team in which the first run's policies act for the chosen agents, and the second run's for the rest.

    Args:
        one: Of the first run, with an actor for every agent.
        other: Of the second, likewise, with the same agents.
        chosen: By agent, in the order of the roster.
    """
    memories = (one.body.memory, other.body.memory)
    cuts = np.cumsum([len(group.names) for group in one.roster.groups])[:-1]
    actors = tuple(
        MixedActor(mine, theirs, jnp.asarray(who), memories)
        for mine, theirs, who in zip(one.actors, other.actors, np.split(np.array(chosen), cuts), strict=True)
    )
    return PolicyTeam(one.roster, actors, NetworkConfig(memory=sum(memories)))


def shapes(team: PolicyTeam) -> Any:
    """What two teams must have in common to be played by the same program: kinds of networks, and their shapes."""
    leaves, form = jax.tree.flatten(team.actors)
    return form, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves), team.body.memory
