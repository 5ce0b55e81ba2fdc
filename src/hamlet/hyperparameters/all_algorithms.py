"""What all algorithms share: rollouts, networks, who shares parameters, and the order of agents."""

from dataclasses import dataclass
from typing import Any

from hamlet.haml.scheme import Order
from hamlet.networks.activation import Activation
from hamlet.networks.exploration import Schedule
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


@dataclass(frozen=True, kw_only=True)
class RolloutOptions:
    """How much is played between two updates, and by whose parameters.

    Attributes:
        num_envs: Copies of the environment that are stepped together.
        rollout_length: Steps of each copy between two updates.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """

    num_envs: int = 20
    rollout_length: int = 200
    sharing: Sharing = "none"


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """The networks of actors and critics.

    Attributes:
        hidden: Widths of the hidden layers.
        actor_hidden: Those of the actors, if others than `hidden`.
        critic_hidden: Those of the critics, if others than `hidden`.
        activation: What follows each hidden layer: "relu", "tanh", "leaky_relu", "elu", "silu" or "gelu".
    """

    hidden: tuple[int, ...] = (128, 128)
    actor_hidden: tuple[int, ...] | None = None
    critic_hidden: tuple[int, ...] | None = None
    activation: Activation = "relu"

    def network(self, **more: Any) -> NetworkConfig:
        """The networks, with further settings of `NetworkConfig`."""
        hidden = self.hidden if self.actor_hidden is None else self.actor_hidden
        critic_hidden = self.hidden if self.critic_hidden is None else self.critic_hidden
        return NetworkConfig(
            hidden=hidden,
            critic_hidden=None if critic_hidden == hidden else critic_hidden,
            activation=self.activation,
            **more,
        )


@dataclass(frozen=True, kw_only=True)
class ExplorationOptions:
    """How often agents explore, with a probability that falls.

    Attributes:
        exploration_start: ε in [0, 1] at first, how often an agent's action is drawn evenly.
        exploration_end: ε after `exploration_steps`.
        exploration_steps: Environment steps within which ε falls.
    """

    exploration_start: float = 1.0
    exploration_end: float = 0.05
    exploration_steps: int = 50_000

    def exploration(self) -> Schedule:
        """How ε falls."""
        return Schedule(start=self.exploration_start, end=self.exploration_end, steps=self.exploration_steps)


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """In which order agents are updated.

    Attributes:
        order: "random", anew each time, or "fixed".
    """

    order: Order = "random"
