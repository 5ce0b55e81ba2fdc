"""Duelling action values, and the policy that is greedy for them.

    Q(x, ·) = v(x) + a(x, ·) − mean over all actions of a(x, ·)

x is the input, v the state value and a the advantage. Both branches share one torso. The mean includes unavailable
actions, so that the value of an action does not depend on which other actions are available.

Reference: Wang et al., 2016, arXiv:1511.06581.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from hamlet.distributions import Categorical
from hamlet.errors import require
from hamlet.networks.exploration import explored
from hamlet.networks.heads import feature_count
from hamlet.networks.torso import Layer, NetworkConfig, Plain, Torso, layer
from hamlet.spaces import Discrete, Space
from hamlet.types import Key


class Branch(eqx.Module):
    """A hidden layer with hard-swish, x min(max(x + 3, 0), 6) / 6, and an output layer without an activation."""

    hidden: Layer | Plain
    out: Layer | Plain

    @classmethod
    def create(cls, key: Key, inputs: int, outputs: int, body: NetworkConfig, width: int) -> "Branch":
        """Create a branch with initial weights."""
        hidden_key, out_key = jax.random.split(key)
        return cls(layer(hidden_key, inputs, width, body, gain=2**0.5), layer(out_key, width, outputs, body, gain=1.0))

    def __call__(self, features: Float[Array, "B F"]) -> Float[Array, "B A"]:
        """Return the outputs for every row."""
        return self.out(jax.nn.hard_swish(self.hidden(features)))


class Duelling(eqx.Module):
    """The values of every discrete action, from an observation or a state, without memory."""

    torso: Torso
    value: Branch
    advantage: Branch

    @classmethod
    def create(cls, key: Key, seen: Space, choices: int, body: NetworkConfig, width: int) -> "Duelling":
        """Create initial weights: the torso as in ``body``, and two branches with ``width`` hidden features each."""
        torso_key, value_key, advantage_key = jax.random.split(key, 3)
        features = feature_count(seen, body)
        return cls(
            Torso.create(torso_key, seen, body),
            Branch.create(value_key, features, 1, body, width),
            Branch.create(advantage_key, features, choices, body, width),
        )

    def __call__(self, inputs: Shaped[Array, "B ..."]) -> Float[Array, "B A"]:
        """Return Q(x, ·) for every row x, encoded by `hamlet.networks.torso.encode`."""
        features = self.torso(inputs[:, None], None, jnp.zeros((inputs.shape[0], 1), bool))[0][:, 0]
        advantage = self.advantage(features)
        return self.value(features) + advantage - advantage.mean(-1, keepdims=True)


class GreedyActor(eqx.Module):
    """The action values Qⁱ(oⁱ, ·) of agent i for its observation oⁱ, and the ε-greedy policy for them.

    The policy takes the best available action with probability 1 − ε, and a uniformly sampled one with probability ε.
    """

    network: Duelling
    exploration: float = eqx.field(static=True)

    def __call__(
        self,
        observation: Shaped[Array, "B L ..."],
        memory: None,
        start: Bool[Array, "B L"],
        available: Bool[Array, "B L A"] | None = None,
    ) -> tuple[Categorical, None]:
        """Return the action distribution at every step, and None: the network has no memory."""
        rows = self.network(observation.reshape(-1, *observation.shape[2:]))
        return explored(rows.reshape(*observation.shape[:2], -1), available, self.exploration), None


@dataclass(frozen=True)
class Greedy:
    """The ε-greedy policy for the values of a duelling network.

    Attributes:
        exploration: ε in [0, 1): how often an action is sampled uniformly from the available actions instead.
        width: Hidden features of each of the two branches.
    """

    exploration: float = 0.05
    width: int = 128

    def __post_init__(self) -> None:
        """Refuse an ε outside [0, 1) and branches without hidden features."""
        require(0 <= self.exploration < 1, f"--exploration must be in [0, 1), got {self.exploration}")
        require(self.width >= 1, f"--duelling-hidden must be at least 1, not {self.width}")

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> GreedyActor:
        """Create an untrained policy for the observation and action spaces of one agent.

        Raises:
            RequestError: If the action space is not Discrete, or a network with memory is requested.
        """
        require(
            isinstance(action, Discrete),
            f"values of every action need a Discrete space, got {action}: use hatd3 for a Box, else happo",
        )
        require(not body.memory, "duelling networks have no memory: use --rnn-size 0, or happo")
        return GreedyActor(Duelling.create(key, observation, action.width, body, self.width), self.exploration)
