"""Hyperparameters of value decomposition, which learns from replayed episodes."""

from dataclasses import dataclass
from typing import Any, Literal

from hamlet.haml.sampling import EpisodeReplay
from hamlet.hyperparameters.all_algorithms import ExplorationOptions, RolloutOptions
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.activation import Activation
from hamlet.networks.torso import NetworkConfig
from hamlet.networks.utility import Utilities


@dataclass(frozen=True, kw_only=True)
class EpisodeOptions(RolloutOptions):
    """Hyperparameters of the agents' values, the mixer, and the replay of episodes.

    Attributes:
        learning_rate: Learning rate of all networks.
        optimiser: Optimiser: "rmsprop", as first published, or "adam".
        max_gradient_norm: Gradient clipping: maximum norm of the gradient of all networks together; 0 for no clipping.
        discount: Discount factor γ in [0, 1].
        td_lambda: λ in [0, 1] of the TD(λ) targets of the values; 0 for one-step targets.
        target_interval: Episodes between two updates of the target networks; 0 for one at every gradient step.
        polyak: Step size τ in (0, 1] of a target update; 1 copies the networks.
        batch_size: Episodes in the batch of one gradient step.
        buffer_size: Capacity of the replay buffer, in episodes.
        episode_length: Maximum number of steps of a stored episode; longer episodes are split into pieces.
        hidden: Widths of the hidden layers of the agents' networks.
        activation: Activation function of the hidden layers: "relu", "tanh", "leaky_relu", "elu", "silu" or "gelu".
        rnn_size: Width of the GRU layer after the hidden layers; 0 for no GRU.
        rollout_length: Steps of each environment copy between two phases of updates.
        updates_per_rollout: Gradient steps after each rollout.
    """

    learning_rate: float = 5e-4
    optimiser: Literal["rmsprop", "adam"] = "rmsprop"
    max_gradient_norm: float = 10.0
    discount: float = 0.99
    td_lambda: float = 0.0
    target_interval: int = 200
    polyak: float = 1.0
    batch_size: int = 32
    buffer_size: int = 5000
    episode_length: int = 25
    hidden: tuple[int, ...] = (64,)
    activation: Activation = "relu"
    rnn_size: int = 64
    num_envs: int = 8
    rollout_length: int = 25
    updates_per_rollout: int = 1

    def declare(self, *, mixer: Any, actor: Any) -> Decomposition:
        """Return the declaration with a mixer and a kind of agent networks."""
        return Decomposition(
            mixer=mixer,
            learning_rate=self.learning_rate,
            optimiser=self.optimiser,
            max_gradient_norm=self.max_gradient_norm,
            discount=self.discount,
            lambda_=self.td_lambda,
            target_interval=self.target_interval,
            polyak=self.polyak,
            sampling=EpisodeReplay(
                copies=self.num_envs,
                steps=self.rollout_length,
                longest=self.episode_length,
                capacity=self.buffer_size,
                samples=self.batch_size,
                updates=self.updates_per_rollout,
            ),
            actor=actor,
            body=NetworkConfig(hidden=self.hidden, memory=self.rnn_size, plain=True, activation=self.activation),
            sharing=self.sharing,
        )


@dataclass(frozen=True, kw_only=True)
class GreedyOptions(EpisodeOptions, ExplorationOptions):
    """Hyperparameters of agents with ε-greedy exploration."""

    def mixed(self, mixer: Any) -> Decomposition:
        """Return the declaration of ε-greedy agents with a mixer."""
        return self.declare(mixer=mixer, actor=Utilities(exploration=self.exploration()))
