"""What algorithms share that learn from fresh rollouts."""

from dataclasses import dataclass, fields
from typing import Any

from hamlet.errors import require
from hamlet.estimation.advantage import Gae
from hamlet.estimation.counterfactual import CounterfactualValue
from hamlet.estimation.critic import StateValue
from hamlet.estimation.fitting import Decay, Rule
from hamlet.haml.credit import BASELINES, Baseline, Credit, credited
from hamlet.haml.neighbourhood import KlBall, Unconstrained
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import NetworkOptions, RolloutOptions
from hamlet.networks.torso import NetworkConfig


@dataclass(frozen=True, kw_only=True)
class ClipOptions:
    """The clipped ratio.

    Attributes:
        clip: ε > 0, half the width of the band that the ratio may move in freely.
    """

    clip: float = 0.2


@dataclass(frozen=True, kw_only=True)
class ActorOptions:
    """How actors climb their objective.

    Attributes:
        learning_rate: Of the actors, by Adam; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        epochs: Passes over the batch for each agent.
        minibatches: Parts of a pass; they must divide the sequences of a batch.
        entropy: Weight of the mean entropy, per nat.
    """

    learning_rate: AnyRates = 5e-4
    epochs: int = 5
    minibatches: int = 1
    entropy: float = 0.01

    def ascent(self, decay: Decay = "none") -> Unconstrained:
        """First-order ascent."""
        return Unconstrained(
            learning_rate=as_rates(self.learning_rate),
            epochs=self.epochs,
            minibatches=self.minibatches,
            entropy=self.entropy,
            decay=decay,
        )


@dataclass(frozen=True, kw_only=True)
class TrustRegionOptions:
    """A step along the natural gradient, as long as the divergence allows.

    Attributes:
        radius: δ > 0, the greatest mean divergence of a step, nats.
        iterations: Of the conjugate gradient.
        damping: Added to the diagonal of the Fisher information.
        tries: Of the line search.
        shrink: Factor in (0, 1) from one try to the next.
        accept: Least share of the predicted gain, in [0, 1].
        fisher_samples: Sequences from which the Fisher information is taken; 0 for the whole batch.
    """

    radius: float = 0.005
    iterations: int = 10
    damping: float = 0.1
    tries: int = 10
    shrink: float = 0.8
    accept: float = 0.5
    fisher_samples: int = 0

    def ball(self) -> KlBall:
        """The trust region."""
        return KlBall(**{field.name: getattr(self, field.name) for field in fields(TrustRegionOptions)})


@dataclass(frozen=True, kw_only=True)
class CriticOptions:
    """How critics are fitted.

    Attributes:
        critic_learning_rate: Of the critics, by Adam.
        critic_epochs: Passes over the batch for the critics.
        critic_minibatches: Parts of a pass for the critics.
        critic_clip: How far a value may move before its loss is clipped, in running deviations; 0 for any distance.
    """

    critic_learning_rate: float = 5e-4
    critic_epochs: int = 5
    critic_minibatches: int = 1
    critic_clip: float = 0.2

    def fitting(self) -> dict[str, Any]:
        """The settings of a critic."""
        return {
            "learning_rate": self.critic_learning_rate,
            "epochs": self.critic_epochs,
            "minibatches": self.critic_minibatches,
            "clip": self.critic_clip,
        }


@dataclass(frozen=True, kw_only=True)
class ActionCriticOptions(CriticOptions):
    """One step of ascent by what actions are worth: critics of actions, whose returns a target critic bootstraps.

    Attributes:
        advantage: The baseline, "counterfactual" or "optimal_baseline".
        learning_rate: Of the actors; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        entropy: Weight of the mean entropy, per nat.
        optimiser: "rmsprop", as published, or "adam"; of actors and critics.
        normalise_values: Whether values are in units of a running mean and deviation of returns.
        target_interval: Steps of a critic between two moves of its target, which becomes its copy.
        discount: γ in [0, 1].
        td_lambda: λ in [0, 1] of the returns that values are fitted to.
    """

    advantage: Baseline = "counterfactual"
    learning_rate: AnyRates = 5e-4
    entropy: float = 0.0
    optimiser: Rule = "rmsprop"
    normalise_values: bool = False
    target_interval: int = 200
    discount: float = 0.99
    td_lambda: float = 0.8
    critic_clip: float = 0.0

    def step(self) -> Unconstrained:
        """One step of first-order ascent."""
        rate = as_rates(self.learning_rate)
        return Unconstrained(learning_rate=rate, epochs=1, entropy=self.entropy, rule=self.optimiser)

    def baseline(self) -> Any:
        """The advantage beside the baseline.

        Raises:
            RequestError: If there is no such baseline.
        """
        known = " or ".join(BASELINES)
        require(self.advantage in BASELINES, f"--advantage is {known} here, not {self.advantage!r}; maa2c has gae")
        return BASELINES[self.advantage](discount=self.discount, lambda_=self.td_lambda)

    def action_critic(self) -> CounterfactualValue:
        """The critic."""
        return CounterfactualValue(
            huber=0.0,
            normalise=self.normalise_values,
            rule=self.optimiser,
            interval=self.target_interval,
            **self.fitting(),
        )


@dataclass(frozen=True, kw_only=True)
class EstimationOptions:
    """What advantages are estimated from.

    Attributes:
        discount: γ in [0, 1].
        gae_lambda: λ in [0, 1] of the advantage estimates.
    """

    discount: float = 0.99
    gae_lambda: float = 0.95


@dataclass(frozen=True, kw_only=True)
class FreshOptions(NetworkOptions, RolloutOptions):
    """Rollouts that are learnt from once, and networks that may have a memory.

    Attributes:
        rnn_size: Width of a recurrent unit after the hidden layers; 0 for none.
        sequence_length: Steps of a training sequence, with a recurrent unit.
        normalise_observations: Whether networks see numbers in units of their running mean and deviation.
        normalise_rewards: Whether rewards are in units of the running deviation of discounted returns.
    """

    rnn_size: int = 0
    sequence_length: int = 10
    normalise_observations: bool = False
    normalise_rewards: bool = False

    def sampling(self) -> OnPolicy:
        """The rollouts."""
        return OnPolicy(copies=self.num_envs, steps=self.rollout_length, chunk=self.sequence_length)

    def network(self, **more: Any) -> NetworkConfig:
        """The networks, with further settings of `NetworkConfig`."""
        return super().network(memory=self.rnn_size, normalise=self.normalise_observations, **more)

    def assemble(self, **parts: Any) -> Haml:
        """The declaration of the parts that these settings leave open, and of what else it takes.

        Args:
            parts: At least the drift, the neighbourhood, the scheme, the advantage and the critic.
        """
        settled = {
            "sampling": self.sampling(),
            "surrogate": ImportanceWeights(),
            "body": self.network(),
            "sharing": self.sharing,
            "normalise_rewards": self.normalise_rewards,
        }
        return Haml(**(settled | parts))


@dataclass(frozen=True, kw_only=True)
class PolicyOptions(CriticOptions, EstimationOptions, FreshOptions):
    """Policies moved by ratios, and a critic that predicts returns.

    Attributes:
        learning_rate_decay: "none", or "linear": all learning rates fall to 0 over the run.
        squash: Whether continuous actions go through tanh to their bounds, rather than being clipped to them.
    """

    learning_rate_decay: Decay = "none"
    squash: bool = False

    def declare(self, *, drift: Any, neighbourhood: Any, scheme: Any, **critic: Any) -> Haml:
        """The declaration of a drift, a neighbourhood and a scheme.

        Args:
            drift: What is taken from the ratio's gain.
            neighbourhood: How far a policy may move.
            scheme: In which order units move.
            critic: Further settings of `hamlet.estimation.critic.StateValue`.
        """
        return self.assemble(
            drift=drift,
            neighbourhood=neighbourhood,
            scheme=scheme,
            advantage=Gae(discount=self.discount, lambda_=self.gae_lambda),
            critic=StateValue(decay=self.learning_rate_decay, **self.fitting(), **critic),
            body=self.network(squash=self.squash),
        )


@dataclass(frozen=True, kw_only=True)
class CreditOptions(PolicyOptions):
    """Critics of actions beside that of states.

    Attributes:
        advantage: What an agent is credited with: "gae", or what a return has over the "counterfactual" or the
            "optimal_baseline", by a critic of actions.
        baseline_samples: Alternatives drawn for such a baseline where actions are no plain choices.
    """

    advantage: Credit = "gae"
    baseline_samples: int = 100

    def declare(self, *, drift: Any, neighbourhood: Any, scheme: Any, **critic: Any) -> Haml:
        """As `PolicyOptions.declare`, with the advantage that was asked for."""
        declared = super().declare(drift=drift, neighbourhood=neighbourhood, scheme=scheme, **critic)
        return credited(declared, self.advantage, self.baseline_samples)
