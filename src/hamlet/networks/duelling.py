"""Duelling action values, and the policy that is greedy for them.

    Q(x, ·) = v(x) + a(x, ·) − mean over all choices of a(x, ·)

with one torso for both branches. The mean is over all choices, available or not, so that what is a value of a choice
does not depend on which others there are.

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
    """A hidden layer with hard-swish, x min(max(x + 3, 0), 6) / 6, and one without."""

    hidden: Layer | Plain
    out: Layer | Plain

    @classmethod
    def create(cls, key: Key, inputs: int, outputs: int, body: NetworkConfig, width: int) -> "Branch":
        """Fresh weights."""
        hidden_key, out_key = jax.random.split(key)
        return cls(layer(hidden_key, inputs, width, body, gain=2**0.5), layer(out_key, width, outputs, body, gain=1.0))

    def __call__(self, features: Float[Array, "B F"]) -> Float[Array, "B A"]:
        """The outputs of every row."""
        return self.out(jax.nn.hard_swish(self.hidden(features)))


class Duelling(eqx.Module):
    """The values of every choice from what is seen, without memory."""

    torso: Torso
    value: Branch
    advantage: Branch

    @classmethod
    def create(cls, key: Key, seen: Space, choices: int, body: NetworkConfig, width: int) -> "Duelling":
        """Fresh weights: the torso as the body says, the branches with ``width`` hidden features each."""
        torso_key, value_key, advantage_key = jax.random.split(key, 3)
        features = feature_count(seen, body)
        return cls(
            Torso.create(torso_key, seen, body),
            Branch.create(value_key, features, 1, body, width),
            Branch.create(advantage_key, features, choices, body, width),
        )

    def __call__(self, inputs: Shaped[Array, "B ..."]) -> Float[Array, "B A"]:
        """Q(x, ·) of every row, as `hamlet.networks.torso.encode` gives it."""
        features = self.torso(inputs[:, None], None, jnp.zeros((inputs.shape[0], 1), bool))[0][:, 0]
        advantage = self.advantage(features)
        return self.value(features) + advantage - advantage.mean(-1, keepdims=True)


class GreedyActor(eqx.Module):
    """Qⁱ(oⁱ, ·), and the policy that takes its best choice but for a share ε of even ones."""

    network: Duelling
    exploration: float = eqx.field(static=True)

    def __call__(
        self,
        observation: Shaped[Array, "B L ..."],
        memory: None,
        start: Bool[Array, "B L"],
        available: Bool[Array, "B L A"] | None = None,
    ) -> tuple[Categorical, None]:
        """The distribution of the action at every step, and no memory."""
        rows = self.network(observation.reshape(-1, *observation.shape[2:]))
        return explored(rows.reshape(*observation.shape[:2], -1), available, self.exploration), None


@dataclass(frozen=True)
class Greedy:
    """ε-greedy for a duelling network's values.

    Attributes:
        exploration: ε in [0, 1): how often a choice is drawn evenly from the available ones instead.
        width: Hidden features of each of the two branches.
    """

    exploration: float = 0.05
    width: int = 128

    def __post_init__(self) -> None:
        """Refuse what is no share, or leaves nothing to be greedy for."""
        require(0 <= self.exploration < 1, f"--exploration must lie in [0, 1), not at {self.exploration}")
        require(self.width >= 1, f"--duelling-hidden must be at least 1, not {self.width}")

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> GreedyActor:
        """A fresh policy for the spaces of one agent.

        Raises:
            RequestError: If its actions are no plain choices, or memory is asked for.
        """
        require(
            isinstance(action, Discrete),
            f"values of every choice need a Discrete space, and {action} is another: use hatd3 for a Box, else happo",
        )
        require(not body.memory, "duelling networks have no memory: use --rnn-size 0, or happo")
        return GreedyActor(Duelling.create(key, observation, action.width, body, self.width), self.exploration)
