"""Agents' utilities: Qⁱ(τⁱ, ·) of what an agent has seen, with or without memory, and the ε-greedy policy of it.

As first published (Rashid et al., 2018, arXiv:1803.11485): a layer of 64 with ReLU, a gated recurrent unit of 64, one
output for each choice. Departures: an agent is told neither its number, which only agents with common parameters need,
nor its last action.
"""

from dataclasses import dataclass, field

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from hamlet.errors import require
from hamlet.networks.exploration import EpsilonGreedy, Rate, Schedule
from hamlet.networks.heads import feature_count
from hamlet.networks.recurrence import episodes, onward
from hamlet.networks.torso import Layer, NetworkConfig, Plain, Torso, layer
from hamlet.spaces import Discrete, Space
from hamlet.types import Key


class Utility(eqx.Module):
    """One unit's torso and head, and how often it explores."""

    torso: Torso
    head: Layer | Plain
    exploration: Rate

    def __call__(
        self,
        observation: Shaped[Array, "B L *O"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
        available: Bool[Array, "B L A"] | None = None,
    ) -> tuple[EpsilonGreedy, Float[Array, "B L H"] | None]:
        """The policy at every step, and the memory after it."""
        features, memories = self.features(observation, memory, start)
        values = self.head(features)
        return EpsilonGreedy(values, available, jnp.broadcast_to(self.exploration.value, values.shape[:2])), memories

    def features(
        self, observation: Shaped[Array, "B L *O"], memory: Float[Array, "B H"] | None, start: Bool[Array, "B L"]
    ) -> tuple[Float[Array, "B L F"], Float[Array, "B L H"] | None]:
        """What values are made of, and the memory after every step: as `Torso` has it, but for rounding, and faster."""
        features, cell, memories = self.torso.look(observation), self.torso.cell, None
        if cell is not None:
            assert memory is not None, "a recurrent utility needs the memory before the first step"
            cell_inputs = self.torso.remembered(features).swapaxes(0, 1)
            features = memories = onward(cell, cell_inputs, memory, start.swapaxes(0, 1)).swapaxes(0, 1)
        return features, memories

    def values(self, observation: Shaped[Array, "L B *O"]) -> tuple[Float[Array, "L B A"], Float[Array, "L B F"]]:
        """Of whole episodes, time first: the values of every choice, and the features that the head makes them of."""
        features = self.torso.look(observation)
        if self.torso.cell is not None:
            features = episodes(self.torso.cell, self.torso.remembered(features))
        return self.head(features), features


@dataclass(frozen=True, kw_only=True)
class Utilities:
    """ε-greedy for agents' own values.

    Attributes:
        exploration: How ε falls.
    """

    exploration: Schedule = field(default_factory=Schedule)

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> Utility:
        """A fresh one for the spaces of one agent.

        Raises:
            RequestError: If its actions are no plain choices.
        """
        require(
            isinstance(action, Discrete),
            f"values of every choice need a Discrete space, and {action} is another: use hatd3 for a Box, else happo",
        )
        torso_key, head_key = jax.random.split(key)
        head = layer(head_key, feature_count(observation, body), action.width, body, gain=1.0)
        return Utility(Torso.create(torso_key, observation, body), head, Rate(self.exploration(0)))
