"""Hyperparameters of algorithms that learn from replayed steps."""

from dataclasses import dataclass
from typing import Any, Literal

from hamlet.estimation.action_value import ActionValue
from hamlet.estimation.advantage import NStep
from hamlet.estimation.joint_value import JointActionValue
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.dual import Dual
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.pathwise import Others, Pathwise, SoftPathwise
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import ReplaySampling
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import NetworkOptions, RolloutOptions
from hamlet.networks.actors import Deterministic, Squashed
from hamlet.networks.duelling import Greedy


@dataclass(frozen=True, kw_only=True)
class ReplayOptions(NetworkOptions, RolloutOptions):
    """A replay buffer of steps, and off-policy actor-critic updates.

    Attributes:
        learning_rate: Adam's learning rate of the actors: a number, or agents' rates and a default:
            speaker_0=1e-4,5e-4.
        critic_learning_rate: Adam's learning rate of the critics.
        discount: Discount factor γ in [0, 1].
        n_step: Number of rewards in an n-step return before it bootstraps.
        polyak: Step size τ in (0, 1] of the soft target update.
        batch_size: Environment steps in the batch of one update.
        buffer_size: Capacity of the replay buffer, in environment steps.
        warmup: Environment steps with uniformly random actions before the first update.
        rollout_length: Steps of each environment copy between two phases of updates.
        updates_per_rollout: Updates after each rollout.
    """

    learning_rate: AnyRates = 5e-4
    critic_learning_rate: float = 1e-3
    discount: float = 0.99
    n_step: int = 1
    polyak: float = 0.005
    batch_size: int = 1000
    buffer_size: int = 1_000_000
    warmup: int = 10_000
    rollout_length: int = 50
    updates_per_rollout: int = 50

    def sampling(self, **more: Any) -> ReplaySampling:
        """Return the sampling from the replay buffer, with further settings of `ReplaySampling`."""
        return ReplaySampling(
            copies=self.num_envs,
            steps=self.rollout_length,
            capacity=self.buffer_size,
            samples=self.batch_size,
            updates=self.updates_per_rollout,
            warmup=self.warmup,
            **more,
        )

    def returns(self) -> NStep:
        """Return the n-step returns that critics are fitted to."""
        return NStep(discount=self.discount, steps=self.n_step)

    def declare(
        self, *, surrogate: Any, scheme: Any, actor: Any, delay: int = 1, networks: Literal[1, 2] = 1, **more: Any
    ) -> Haml:
        """Return the declaration of actors that maximise critics of actions.

        Args:
            surrogate: The objective of the actors.
            scheme: The order in which units are updated (a unit: one set of policy parameters).
            actor: The kind of actors.
            delay: Number of critic updates for one actor update.
            networks: Number of critics; the smallest of their values is used.
            more: Further settings of `Haml`.
        """
        return Haml(
            drift=ZeroDrift(),
            neighbourhood=Unconstrained(
                learning_rate=as_rates(self.learning_rate), epochs=1, entropy=0.0, max_gradient_norm=0.0, epsilon=1e-8
            ),
            sampling=self.sampling(delay=delay),
            surrogate=surrogate,
            scheme=scheme,
            advantage=self.returns(),
            critic=ActionValue(networks=networks, learning_rate=self.critic_learning_rate, polyak=self.polyak),
            actor=actor,
            body=self.network(plain=True),
            sharing=self.sharing,
            **more,
        )


@dataclass(frozen=True, kw_only=True)
class OthersOptions:
    """The other agents' actions during an agent's update.

    Attributes:
        others: Actions of the other agents in an agent's objective: "policy" for actions of their current policies, or
            "replay" for the replayed actions.
    """

    others: Others = "policy"


@dataclass(frozen=True, kw_only=True)
class DeterministicOptions(ReplayOptions):
    """Deterministic actors that explore with additive noise.

    Attributes:
        exploration_noise: Standard deviation σ of the exploration noise, in units of half the distance between the
            action bounds.
    """

    exploration_noise: float = 0.1

    def climb(self, surrogate: Pathwise, scheme: Any, **more: Any) -> Haml:
        """Return the declaration of deterministic actors; ``more`` goes to `ReplayOptions.declare`."""
        actor = Deterministic(self.exploration_noise)
        return self.declare(surrogate=surrogate, scheme=scheme, actor=actor, actions=("Box",), **more)


@dataclass(frozen=True, kw_only=True)
class TwinOptions(DeterministicOptions):
    """TD3's additions: twin critics, target policy smoothing, and delayed policy updates.

    Attributes:
        target_noise: Standard deviation σ̃ of the noise on target actions (target policy smoothing), in units of half
            the distance between the action bounds.
        target_noise_clip: Bound c ≥ 0 of the noise on target actions, in the same units.
        policy_delay: Critic updates for one update of the actors and the target networks.
        updates_per_rollout: Critic updates after each rollout.
    """

    target_noise: float = 0.2
    target_noise_clip: float = 0.5
    policy_delay: int = 2

    def smoothed(self, others: Others = "policy") -> Pathwise:
        """Return the objective whose critic targets use noisy actions."""
        return Pathwise(others=others, smoothing=self.target_noise, smoothing_clip=self.target_noise_clip)

    def climb(self, surrogate: Pathwise, scheme: Any, **more: Any) -> Haml:
        """Return the declaration of `DeterministicOptions.climb` with two critics and delayed updates."""
        return super().climb(surrogate, scheme, delay=self.policy_delay, networks=2, **more)


@dataclass(frozen=True, kw_only=True)
class SoftOptions(ReplayOptions):
    """Stochastic actors that maximise the return plus their entropy.

    Attributes:
        temperature: Initial entropy temperature α > 0 of every agent.
        temperature_learning_rate: Adam's learning rate of log α; 0 keeps α constant.
        target_entropy: c in [0, 1): the entropy target is c·log|A| for |A| discrete actions. For a Box it is −1 per
            entry.
        updates_per_rollout: Updates of critics, actors and temperatures after each rollout.
    """

    temperature: float = 0.2
    temperature_learning_rate: float = 3e-4
    target_entropy: float = 0.3
    critic_learning_rate: float = 5e-4
    hidden: tuple[int, ...] = (256, 256)

    def soft(self, scheme: Any, others: Others = "policy") -> Haml:
        """Return the declaration of stochastic actors that maximise the smaller of two critics plus their entropy."""
        dual = Dual(initial=self.temperature, learning_rate=self.temperature_learning_rate)
        surrogate = SoftPathwise(temperature=dual, target=self.target_entropy, others=others)
        return self.declare(surrogate=surrogate, scheme=scheme, actor=Squashed(), networks=2)


@dataclass(frozen=True, kw_only=True)
class DuellingOptions(ReplayOptions):
    """Duelling networks of the agents and of a critic of joint actions.

    Attributes:
        exploration: ε in [0, 1), the probability that an agent's action is sampled uniformly.
        duelling_hidden: Width of the hidden layer in the value branch and in the advantage branch.
        learning_rate: Adam's learning rate of the agents' networks.
        hidden: Widths of the hidden layers before the two branches.
    """

    exploration: float = 0.05
    duelling_hidden: int = 128
    learning_rate: float = 5e-4
    discount: float = 0.95

    def duelling(self) -> dict[str, Any]:
        """Return the settings of `hamlet.learners.value.JointValue` that this group defines."""
        width = self.duelling_hidden
        return {
            "learning_rate": self.learning_rate,
            "sampling": self.sampling(),
            "advantage": self.returns(),
            "critic": JointActionValue(learning_rate=self.critic_learning_rate, polyak=self.polyak, width=width),
            "actor": Greedy(self.exploration, width),
            "body": self.network(plain=True),
            "sharing": self.sharing,
        }
