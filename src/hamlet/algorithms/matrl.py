"""Multi-agent trust region learning (MATRL), for general-sum games of two to ten agents.

Every agent predicts the step that it would take alone (`hamlet.algorithms.il`). The game in which each either keeps its
policy or takes the predicted one is solved for a Nash equilibrium, from the same batch; everybody then best-responds,
from its current policy, to the mixture that is this equilibrium. The equations stand in `hamlet.haml.meta_game`. Each
agent keeps its own reward and its own critic.

Reference: Wen et al., 2021, arXiv:2106.06828, algorithm 2 and tables 3, 5 and 6.

Differences from the reference code, which differs from the paper: a payoff is the mean of advantage times ratios, and
not the product of their means; in games of three and more agents no policy is taken for another; the response is to
the mixture, with a weight for every step; what `il` lists. The equilibrium is found directly rather than by CMA-ES.
"""

import dataclasses

from hamlet.estimation.advantage import Gae
from hamlet.estimation.critic import StateValue
from hamlet.haml.drift import ClipDrift, KlDrift, SumDrift
from hamlet.haml.meta_game import MetaGame, Nash
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.scheme import UnitStep
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.haml.template import Haml
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def matrl(
    *,
    clip: float = 0.1,
    kl: float = 0.001,
    learning_rate: float = 0.002,
    epochs: int = 10,
    response_learning_rate: float = 0.002,
    response_epochs: int = 5,
    minibatches: int = 1,
    entropy: float = 0.05,
    meta_clip: float = 0.1,
    critic_learning_rate: float = 0.002,
    critic_epochs: int = 10,
    critic_minibatches: int = 1,
    critic_clip: float = 0.2,
    discount: float = 0.99,
    gae_lambda: float = 0.97,
    hidden: tuple[int, ...] = (128, 128),
    filters: tuple[int, ...] = (),
    kernels: tuple[int, ...] = (),
    strides: tuple[int, ...] = (),
    memory: int = 0,
    chunk: int = 10,
    normalise_observations: bool = False,
    normalise_rewards: bool = False,
    copies: int = 20,
    steps_per_rollout: int = 100,
    sharing: Sharing = "none",
) -> Haml:
    """MATRL: predict, solve the meta-game, best-respond to its equilibrium.

    Args:
        clip: ε > 0, half the width of the band that the ratio may move in freely.
        kl: β ≥ 0, the weight of the divergence from the old policy, per nat.
        learning_rate: Of the predictions, by Adam.
        epochs: Passes over the batch for each agent's prediction.
        response_learning_rate: Of the responses, by Adam.
        response_epochs: Passes over the batch for each agent's response.
        minibatches: Parts of a pass; they must divide the sequences of a batch.
        entropy: Weight of the mean entropy, per nat.
        meta_clip: c > 0: ratios between policies are held in 1 ± c where those of several agents are multiplied.
        critic_learning_rate: Of the critics, by Adam.
        critic_epochs: Passes over the batch for the critics.
        critic_minibatches: Parts of a pass for the critics.
        critic_clip: How far a value may move before its loss is clipped, in running deviations; 0 for any distance.
        discount: γ in [0, 1].
        gae_lambda: λ in [0, 1] of the advantage estimates.
        hidden: Widths of the hidden layers.
        filters: How many filters each layer has that images pass through first; () for those that suit their size.
        kernels: Sizes of these filters, in pixels.
        strides: Every how many pixels they are laid.
        memory: Width of a recurrent unit after them; 0 for none.
        chunk: Steps of a training sequence, with memory.
        normalise_observations: Whether networks see numbers in units of their running mean and deviation.
        normalise_rewards: Whether rewards are in units of the running deviation of discounted returns.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two updates.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """
    drift = SumDrift((ClipDrift(clip), KlDrift(kl)))
    ahead = Unconstrained(learning_rate=learning_rate, epochs=epochs, minibatches=minibatches, entropy=entropy)
    return Haml(
        drift=drift,
        neighbourhood=dataclasses.replace(ahead, learning_rate=response_learning_rate, epochs=response_epochs),
        sampling=OnPolicy(copies=copies, steps=steps_per_rollout, chunk=chunk),
        surrogate=ImportanceWeights(),
        scheme=MetaGame(prediction=UnitStep(drift, ahead), solver=Nash(), clip=meta_clip),
        advantage=Gae(discount=discount, lambda_=gae_lambda),
        critic=StateValue(
            sees="observation",
            credits="own",
            learning_rate=critic_learning_rate,
            epochs=critic_epochs,
            minibatches=critic_minibatches,
            clip=critic_clip,
        ),
        body=NetworkConfig(
            hidden=hidden,
            memory=memory,
            normalise=normalise_observations,
            plain=True,
            filters=filters,
            kernels=kernels,
            strides=strides,
        ),
        sharing=sharing,
        normalise_rewards=normalise_rewards,
    )
