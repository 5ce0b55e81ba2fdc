"""What algorithms share that decompose the team's value, and learn from replayed episodes."""

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
    """Agents' values, what mixes them, and the episodes that they are fitted to.

    Attributes:
        learning_rate: Of all networks.
        optimiser: "rmsprop", as first published, or "adam".
        max_gradient_norm: Longer gradients, of all networks together, are cut to it; 0 for none.
        discount: γ in [0, 1].
        td_lambda: λ in [0, 1] of the returns that values are fitted to; 0 for one step.
        target_interval: Episodes between two moves of the target networks; 0 for one at every update.
        polyak: τ in (0, 1], how far they move then; 1 makes them copies.
        batch_size: Episodes of one update.
        buffer_size: Episodes remembered.
        episode_length: Steps of the longest episode; a longer one is learnt from in pieces of so many.
        hidden: Widths of the hidden layers of the agents' networks.
        activation: What follows each hidden layer: "relu", "tanh", "leaky_relu", "elu", "silu" or "gelu".
        rnn_size: Width of the recurrent unit after them; 0 for none.
        rollout_length: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates in a round.
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
        """The declaration of a mixer, and of the kind of agents' values."""
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
    """Agents that explore with a probability ε."""

    def mixed(self, mixer: Any) -> Decomposition:
        """ε-greedy agents whose values a mixer takes together."""
        return self.declare(mixer=mixer, actor=Utilities(exploration=self.exploration()))
