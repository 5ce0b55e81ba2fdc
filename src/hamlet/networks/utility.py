"""Agents' utilities and their ε-greedy policy, with or without memory.

The utility Qⁱ(τⁱ, ·) values every action of agent i, given the history τⁱ of its observations.

The default network is the published one (Rashid et al., 2018, arXiv:1803.11485): a layer of 64 with ReLU, a gated
recurrent unit of 64, and one output per action. Differences: the network receives neither the agent's number, which
only agents with shared parameters need, nor the agent's last action.
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
    """The torso and head of one unit's utility network, and its exploration rate ε."""

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
        """Return the ε-greedy policy at every step, and the memory after every step."""
        features, memories = self.features(observation, memory, start)
        values = self.head(features)
        return EpsilonGreedy(values, available, jnp.broadcast_to(self.exploration.value, values.shape[:2])), memories

    def features(
        self, observation: Shaped[Array, "B L *O"], memory: Float[Array, "B H"] | None, start: Bool[Array, "B L"]
    ) -> tuple[Float[Array, "B L F"], Float[Array, "B L H"] | None]:
        """Return the inputs of the head, and the memory after every step.

        The results equal those of `Torso` up to rounding, and are computed faster.
        """
        features, cell, memories = self.torso.look(observation), self.torso.cell, None
        if cell is not None:
            assert memory is not None, "a recurrent utility needs the memory before the first step"
            cell_inputs = self.torso.remembered(features).swapaxes(0, 1)
            features = memories = onward(cell, cell_inputs, memory, start.swapaxes(0, 1)).swapaxes(0, 1)
        return features, memories

    def values(self, observation: Shaped[Array, "L B *O"]) -> tuple[Float[Array, "L B A"], Float[Array, "L B F"]]:
        """Return the values of every action in whole episodes, time first, and the features that the head receives."""
        features = self.torso.look(observation)
        if self.torso.cell is not None:
            features = episodes(self.torso.cell, self.torso.remembered(features))
        return self.head(features), features


@dataclass(frozen=True, kw_only=True)
class Utilities:
    """The ε-greedy policy for each agent's own utility.

    Attributes:
        exploration: How ε decreases.
    """

    exploration: Schedule = field(default_factory=Schedule)

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> Utility:
        """Create an untrained utility network for the observation and action spaces of one agent.

        Raises:
            RequestError: If the action space is not Discrete.
        """
        require(
            isinstance(action, Discrete),
            f"values of every action need a Discrete space, got {action}: use hatd3 for a Box, else happo",
        )
        torso_key, head_key = jax.random.split(key)
        head = layer(head_key, feature_count(observation, body), action.width, body, gain=1.0)
        return Utility(Torso.create(torso_key, observation, body), head, Rate(self.exploration(0)))
