"""What algorithms share that learn from replayed steps."""

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
    """Steps that are remembered and learnt from again.

    Attributes:
        learning_rate: Of the actors, by Adam; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        critic_learning_rate: Of the critics, by Adam.
        discount: γ in [0, 1].
        n_step: Steps of a return before it bootstraps.
        polyak: τ in (0, 1], how far targets move in one update.
        batch_size: Environment steps of one update.
        buffer_size: Environment steps remembered.
        warmup: Environment steps played at random before the first update.
        rollout_length: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates in a round.
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
        """The ring of steps, with further settings of `ReplaySampling`."""
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
        """Those that critics are fitted to."""
        return NStep(discount=self.discount, steps=self.n_step)

    def declare(
        self, *, surrogate: Any, scheme: Any, actor: Any, delay: int = 1, networks: Literal[1, 2] = 1, **more: Any
    ) -> Haml:
        """The declaration of actors that climb critics of actions.

        Args:
            surrogate: What they climb.
            scheme: In which order units move.
            actor: Their kind.
            delay: Updates of the critics for one of the actors.
            networks: Critics, of whose values the least counts.
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
    """Whose actions stand beside an agent's own while it climbs.

    Attributes:
        others: What stands in the other agents' places while one climbs: "policy", their present actions, or "replay",
            the replayed ones.
    """

    others: Others = "policy"


@dataclass(frozen=True, kw_only=True)
class DeterministicOptions(ReplayOptions):
    """Actors without chance, which explore by noise.

    Attributes:
        exploration_noise: σ of the noise on actions played, in units of half of the distance between the bounds.
    """

    exploration_noise: float = 0.1

    def climb(self, surrogate: Pathwise, scheme: Any, **more: Any) -> Haml:
        """Deterministic actors that climb critics of actions; ``more`` as `ReplayOptions.declare` takes it."""
        actor = Deterministic(self.exploration_noise)
        return self.declare(surrogate=surrogate, scheme=scheme, actor=actor, actions=("Box",), **more)


@dataclass(frozen=True, kw_only=True)
class TwinOptions(DeterministicOptions):
    """Twin critics, targets with noise, and actors that move later.

    Attributes:
        target_noise: σ̃ of the noise on the targets' actions, likewise.
        target_noise_clip: c, how far that noise goes at most, likewise.
        policy_delay: Updates of the critics for one of the actors and the targets.
        updates_per_rollout: Updates of the critics in a round.
    """

    target_noise: float = 0.2
    target_noise_clip: float = 0.5
    policy_delay: int = 2

    def smoothed(self, others: Others = "policy") -> Pathwise:
        """The ascent through the least critic, whose targets' actions have noise."""
        return Pathwise(others=others, smoothing=self.target_noise, smoothing_clip=self.target_noise_clip)

    def climb(self, surrogate: Pathwise, scheme: Any, **more: Any) -> Haml:
        """As `DeterministicOptions.climb`, of the lesser of two critics."""
        return super().climb(surrogate, scheme, delay=self.policy_delay, networks=2, **more)


@dataclass(frozen=True, kw_only=True)
class SoftOptions(ReplayOptions):
    """Stochastic actors whose entropy counts.

    Attributes:
        temperature: α of every agent at first, above 0.
        temperature_learning_rate: Of log α, by Adam; 0 keeps α where it is.
        target_entropy: c in [0, 1): with choices, α holds the entropy at c·log|A|. A Box's is held at −1 an entry.
        updates_per_rollout: Updates of everything in a round.
    """

    temperature: float = 0.2
    temperature_learning_rate: float = 3e-4
    target_entropy: float = 0.3
    critic_learning_rate: float = 5e-4
    hidden: tuple[int, ...] = (256, 256)

    def soft(self, scheme: Any, others: Others = "policy") -> Haml:
        """Stochastic actors that climb the lesser of two critics and their own entropy."""
        dual = Dual(initial=self.temperature, learning_rate=self.temperature_learning_rate)
        surrogate = SoftPathwise(temperature=dual, target=self.target_entropy, others=others)
        return self.declare(surrogate=surrogate, scheme=scheme, actor=Squashed(), networks=2)


@dataclass(frozen=True, kw_only=True)
class DuellingOptions(ReplayOptions):
    """Duelling networks of agents and of a critic of joint actions.

    Attributes:
        exploration: ε in [0, 1), how often an agent's action is drawn evenly.
        duelling_hidden: Width of the hidden layer of each branch.
        learning_rate: Of the agents' networks, by Adam.
        hidden: Widths of the hidden layers before networks branch.
    """

    exploration: float = 0.05
    duelling_hidden: int = 128
    learning_rate: float = 5e-4
    discount: float = 0.95

    def duelling(self) -> dict[str, Any]:
        """The parts of `hamlet.learners.value.JointValue` that these settings decide."""
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
