"""Heterogeneous-agent trust region policy optimisation (HATRPO).

The template with no drift and the ball E[KL(π‖π̄)] ≤ δ as neighbourhood: agent i_m takes one natural-gradient step on
E[ r·M Â ], shortened until the exact divergence is within δ and the gain is real, or none at all
(`hamlet.haml.neighbourhood.KlBall`). With one agent it is TRPO.

References: Kuba et al., 2022, arXiv:2109.11251, algorithm 2; Schulman et al., 2015, arXiv:1502.05477.

Differences from the reference code: the divergence is the Kullback–Leibler divergence for discrete policies too (the
reference's is 5 to 18 times too large); Fisher products come from one linearisation rather than a second backward
pass each; a rejected step is counted; and those of HAPPO.
"""

from hamlet.estimation.advantage import Gae
from hamlet.estimation.critic import StateValue
from hamlet.estimation.fitting import Decay
from hamlet.haml.credit import Credit, credited
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.neighbourhood import KlBall
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.scheme import Order, Sequential
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.haml.template import Haml
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def hatrpo(
    *,
    radius: float = 0.005,
    iterations: int = 10,
    damping: float = 0.1,
    tries: int = 10,
    shrink: float = 0.8,
    accept: float = 0.5,
    fisher_samples: int = 0,
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
    """HATRPO: natural-gradient steps within a KL ball, agents one after another.

    Args:
        radius: δ > 0, the greatest mean divergence of a step, nats.
        iterations: Of the conjugate gradient.
        damping: Added to the diagonal of the Fisher information.
        tries: Of the line search.
        shrink: Factor in (0, 1) from one try to the next.
        accept: Least share of the predicted gain, in [0, 1].
        fisher_samples: Sequences from which the Fisher information is taken; 0 for the whole batch.
        critic_learning_rate: Of the critic, by Adam.
        critic_epochs: Passes over the batch for the critic.
        critic_minibatches: Parts of a pass for the critic.
        critic_clip: How far a value may move before its loss is clipped, in running deviations; 0 for any distance.
        learning_rate_decay: "none", or "linear": its learning rate falls to 0 over the run.
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
        neighbourhood=KlBall(
            radius=radius,
            iterations=iterations,
            damping=damping,
            tries=tries,
            shrink=shrink,
            accept=accept,
            fisher_samples=fisher_samples,
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
