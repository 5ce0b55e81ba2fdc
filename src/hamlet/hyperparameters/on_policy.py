"""Hyperparameters of the on-policy algorithms."""

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
    """PPO's clipping.

    Attributes:
        clip: PPO's clipping range ε > 0: the probability ratio is clipped to [1 − ε, 1 + ε].
    """

    clip: float = 0.2


@dataclass(frozen=True, kw_only=True)
class ActorOptions:
    """Gradient ascent of the actors.

    Attributes:
        learning_rate: Adam's learning rate of the actors: a number, or agents' rates and a default:
            speaker_0=1e-4,5e-4.
        epochs: Epochs over the batch for each agent's update.
        minibatches: Minibatches per epoch; must divide the number of sequences in the batch.
        entropy: Coefficient of the entropy bonus (the mean entropy), per nat.
    """

    learning_rate: AnyRates = 5e-4
    epochs: int = 5
    minibatches: int = 1
    entropy: float = 0.01

    def ascent(self, decay: Decay = "none") -> Unconstrained:
        """Return the neighbourhood of first-order gradient ascent."""
        return Unconstrained(
            learning_rate=as_rates(self.learning_rate),
            epochs=self.epochs,
            minibatches=self.minibatches,
            entropy=self.entropy,
            decay=decay,
        )


@dataclass(frozen=True, kw_only=True)
class TrustRegionOptions:
    """A natural-gradient step within a trust region.

    Attributes:
        radius: Trust region δ > 0: maximum mean KL divergence of an update, in nats.
        iterations: Iterations of the conjugate gradient method.
        damping: Damping ≥ 0, added to the diagonal of the Fisher information matrix.
        tries: Maximum number of steps of the line search.
        shrink: Factor in (0, 1) by which the line search shortens the step after each rejected step.
        accept: Minimum ratio in [0, 1] of the actual to the predicted improvement for the line search to accept.
        fisher_samples: Number of sequences that estimate the Fisher information; 0 for the whole batch.
    """

    radius: float = 0.005
    iterations: int = 10
    damping: float = 0.1
    tries: int = 10
    shrink: float = 0.8
    accept: float = 0.5
    fisher_samples: int = 0

    def ball(self) -> KlBall:
        """Return the trust region as a neighbourhood."""
        return KlBall(**{field.name: getattr(self, field.name) for field in fields(TrustRegionOptions)})


@dataclass(frozen=True, kw_only=True)
class CriticOptions:
    """The fit of the critics.

    Attributes:
        critic_learning_rate: Learning rate of the critics.
        critic_epochs: Epochs over the batch for the critics.
        critic_minibatches: Minibatches per epoch for the critics.
        critic_clip: Value clipping: maximum change of a value, in running standard deviations of returns; 0 for none.
    """

    critic_learning_rate: float = 5e-4
    critic_epochs: int = 5
    critic_minibatches: int = 1
    critic_clip: float = 0.2

    def fitting(self) -> dict[str, Any]:
        """Return the settings of a critic."""
        return {
            "learning_rate": self.critic_learning_rate,
            "epochs": self.critic_epochs,
            "minibatches": self.critic_minibatches,
            "clip": self.critic_clip,
        }


@dataclass(frozen=True, kw_only=True)
class ActionCriticOptions(CriticOptions):
    """One policy-gradient step with critics of actions, whose returns bootstrap from a target critic.

    Attributes:
        advantage: Baseline of the advantage: "counterfactual" or "optimal_baseline".
        learning_rate: Learning rate of the actors: a number, or agents' rates and a default: speaker_0=1e-4,5e-4.
        entropy: Coefficient of the entropy bonus (the mean entropy), per nat.
        optimiser: Optimiser of actors and critics: "rmsprop", as published, or "adam".
        normalise_values: Whether critics predict returns normalised by a running mean and standard deviation.
        target_interval: Gradient steps of a critic after which its target network is copied again.
        discount: Discount factor γ in [0, 1].
        td_lambda: λ in [0, 1] of the TD(λ) targets of the critics.
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
        """Return the neighbourhood of one first-order ascent step."""
        rate = as_rates(self.learning_rate)
        return Unconstrained(learning_rate=rate, epochs=1, entropy=self.entropy, rule=self.optimiser)

    def baseline(self) -> Any:
        """Return the advantage estimator with the configured baseline.

        Raises:
            RequestError: If the baseline does not exist.
        """
        known = " or ".join(BASELINES)
        require(self.advantage in BASELINES, f"--advantage is {known} here, not {self.advantage!r}; maa2c has gae")
        return BASELINES[self.advantage](discount=self.discount, lambda_=self.td_lambda)

    def action_critic(self) -> CounterfactualValue:
        """Return the critic of actions."""
        return CounterfactualValue(
            huber=0.0,
            normalise=self.normalise_values,
            rule=self.optimiser,
            interval=self.target_interval,
            **self.fitting(),
        )


@dataclass(frozen=True, kw_only=True)
class EstimationOptions:
    """The estimation of advantages.

    Attributes:
        discount: Discount factor γ in [0, 1].
        gae_lambda: λ in [0, 1] of generalised advantage estimation (GAE).
    """

    discount: float = 0.99
    gae_lambda: float = 0.95


@dataclass(frozen=True, kw_only=True)
class FreshOptions(NetworkOptions, RolloutOptions):
    """On-policy rollouts, and networks that can be recurrent.

    Attributes:
        rnn_size: Width of a GRU layer after the hidden layers; 0 for no GRU.
        sequence_length: Length of the training sequences in steps, for recurrent networks.
        normalise_observations: Whether observations are normalised by their running mean and standard deviation.
        normalise_rewards: Whether rewards are divided by the running standard deviation of discounted returns.
    """

    rnn_size: int = 0
    sequence_length: int = 10
    normalise_observations: bool = False
    normalise_rewards: bool = False

    def sampling(self) -> OnPolicy:
        """Return the sampling of on-policy rollouts."""
        return OnPolicy(copies=self.num_envs, steps=self.rollout_length, chunk=self.sequence_length)

    def network(self, **more: Any) -> NetworkConfig:
        """Return the network configuration, with further settings of `NetworkConfig`."""
        return super().network(memory=self.rnn_size, normalise=self.normalise_observations, **more)

    def assemble(self, **parts: Any) -> Haml:
        """Return the declaration that combines these settings with further parts.

        Args:
            parts: The remaining fields of `Haml`: at least drift, neighbourhood, scheme, advantage and critic.
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
    """Policies that are updated with probability ratios, and a critic that predicts returns.

    Attributes:
        learning_rate_decay: "none", or "linear": all learning rates decay to 0 over the run.
        squash: Whether tanh maps continuous actions to their bounds; otherwise they are clipped to the bounds.
    """

    learning_rate_decay: Decay = "none"
    squash: bool = False

    def declare(self, *, drift: Any, neighbourhood: Any, scheme: Any, **critic: Any) -> Haml:
        """Return the declaration with a drift, a neighbourhood and a scheme.

        Args:
            drift: The penalty 𝔇 that is subtracted from the surrogate objective.
            neighbourhood: The set of allowed new policies 𝒰, and the optimisation within it.
            scheme: The order in which units are updated (a unit: one set of policy parameters).
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
    """Advantages from a critic of states or from a critic of actions.

    Attributes:
        advantage: Advantage estimator: "gae", or the return minus a baseline from a critic of actions,
            "counterfactual" or "optimal_baseline".
        baseline_samples: Actions sampled for such a baseline when the action space is not Discrete.
    """

    advantage: Credit = "gae"
    baseline_samples: int = 100

    def declare(self, *, drift: Any, neighbourhood: Any, scheme: Any, **critic: Any) -> Haml:
        """Return the declaration of `PolicyOptions.declare` with the configured advantage estimator."""
        declared = super().declare(drift=drift, neighbourhood=neighbourhood, scheme=scheme, **critic)
        return credited(declared, self.advantage, self.baseline_samples)
