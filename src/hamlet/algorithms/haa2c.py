"""Heterogeneous-agent advantage actor-critic (HAA2C).

The template with no drift and the whole policy space as neighbourhood: agent i_m ascends E[ r·M Â ], with M the
ratios of those that moved before. With one agent, one epoch and one minibatch it is A2C.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, section 4.3 and appendix G; Mnih et al., 2016,
arXiv:1602.01783.

Differences from the reference code: those of HAPPO. Like it, several epochs use the unclipped ratio (the paper's
"a2c epoch" is 5), so that only the first of them is the plain policy gradient.
"""

from hamlet.estimation.advantage import Gae
from hamlet.estimation.critic import StateValue
from hamlet.estimation.fitting import Decay
from hamlet.haml.credit import Credit, credited
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.scheme import Order, Sequential
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.haml.template import Haml
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def haa2c(
    *,
    learning_rate: AnyRates = 5e-4,
    epochs: int = 5,
    minibatches: int = 1,
    entropy: float = 0.01,
    critic_learning_rate: float = 5e-4,
    critic_epochs: int = 5,
    critic_minibatches: int = 1,
    critic_clip: float = 0.2,
    learning_rate_decay: Decay = "none",
    discount: float = 0.99,
    gae_lambda: float = 0.95,
    advantage: Credit = "gae",
    baseline_samples: int = 100,
    hidden: tuple[int, ...] = (128, 128),
    memory: int = 0,
    chunk: int = 10,
    squash: bool = False,
    normalise_observations: bool = False,
    normalise_rewards: bool = False,
    copies: int = 20,
    steps_per_rollout: int = 200,
    order: Order = "random",
    sharing: Sharing = "none",
) -> Haml:
    """HAA2C: unclipped ratios, agents one after another.

    Args:
        learning_rate: Of the actors, by Adam; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        epochs: Passes over the batch for each agent.
        minibatches: Parts of a pass; they must divide the sequences of a batch.
        entropy: Weight of the mean entropy, per nat.
        critic_learning_rate: Of the critic, by Adam.
        critic_epochs: Passes over the batch for the critic.
        critic_minibatches: Parts of a pass for the critic.
        critic_clip: How far a value may move before its loss is clipped, in running deviations; 0 for any distance.
        learning_rate_decay: "none", or "linear": all learning rates fall to 0 over the run.
        discount: γ in [0, 1].
        gae_lambda: λ in [0, 1] of the advantage estimates.
        advantage: What an agent is credited with: "gae", or what a return has over the "counterfactual" or the
            "optimal_baseline", by a critic of actions.
        baseline_samples: Alternatives drawn for such a baseline where actions are no plain choices.
        hidden: Widths of the hidden layers.
        memory: Width of a recurrent unit after them; 0 for none.
        chunk: Steps of a training sequence, with memory.
        squash: Whether continuous actions go through tanh to their bounds, rather than being clipped to them.
        normalise_observations: Whether networks see numbers in units of their running mean and deviation.
        normalise_rewards: Whether rewards are in units of the running deviation of discounted returns.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two updates.
        order: "random", anew each time, or "fixed".
        sharing: "none", or "group": one set of parameters for agents of equal spaces, which leaves the theory.
    """
    declared = Haml(
        drift=ZeroDrift(),
        neighbourhood=Unconstrained(
            learning_rate=as_rates(learning_rate),
            epochs=epochs,
            minibatches=minibatches,
            entropy=entropy,
            decay=learning_rate_decay,
        ),
        sampling=OnPolicy(copies=copies, steps=steps_per_rollout, chunk=chunk),
        surrogate=ImportanceWeights(),
        scheme=Sequential(order),
        advantage=Gae(discount=discount, lambda_=gae_lambda),
        critic=StateValue(
            learning_rate=critic_learning_rate,
            epochs=critic_epochs,
            minibatches=critic_minibatches,
            clip=critic_clip,
            decay=learning_rate_decay,
        ),
        body=NetworkConfig(hidden=hidden, memory=memory, normalise=normalise_observations, squash=squash),
        sharing=sharing,
        normalise_rewards=normalise_rewards,
    )
    return credited(declared, advantage, baseline_samples)
