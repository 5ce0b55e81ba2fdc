"""Hyperparameters of all algorithms: rollouts, networks, parameter sharing, exploration and the order of agents."""

from dataclasses import dataclass
from typing import Any

from hamlet.haml.scheme import Order
from hamlet.networks.activation import Activation
from hamlet.networks.exploration import Schedule
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


@dataclass(frozen=True, kw_only=True)
class RolloutOptions:
    """The rollout between two updates, and parameter sharing.

    Attributes:
        num_envs: Number of parallel copies of the environment.
        rollout_length: Steps of each environment copy between two updates.
        sharing: "none", or "group": agents with equal observation and action spaces share one set of parameters.
    """

    num_envs: int = 20
    rollout_length: int = 200
    sharing: Sharing = "none"


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """The networks of actors and critics.

    Attributes:
        hidden: Widths of the hidden layers.
        actor_hidden: Widths of the actors' hidden layers; default: the value of `hidden`.
        critic_hidden: Widths of the critics' hidden layers; default: the value of `hidden`.
        activation: Activation function of the hidden layers: "relu", "tanh", "leaky_relu", "elu", "silu" or "gelu".
    """

    hidden: tuple[int, ...] = (128, 128)
    actor_hidden: tuple[int, ...] | None = None
    critic_hidden: tuple[int, ...] | None = None
    activation: Activation = "relu"

    def network(self, **more: Any) -> NetworkConfig:
        """Return the network configuration, with further settings of `NetworkConfig`."""
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
    """ε-exploration with a linearly decaying ε.

    Attributes:
        exploration_start: Initial ε in [0, 1], the probability that an agent's action is sampled uniformly.
        exploration_end: ε after `exploration_steps`.
        exploration_steps: Environment steps over which ε decays.
    """

    exploration_start: float = 1.0
    exploration_end: float = 0.05
    exploration_steps: int = 50_000

    def exploration(self) -> Schedule:
        """Return the schedule of ε."""
        return Schedule(start=self.exploration_start, end=self.exploration_end, steps=self.exploration_steps)


@dataclass(frozen=True, kw_only=True)
class OrderOptions:
    """The order in which agents are updated.

    Attributes:
        order: Order of the agents' updates: "random", a new order in every iteration, or "fixed".
    """

    order: Order = "random"
