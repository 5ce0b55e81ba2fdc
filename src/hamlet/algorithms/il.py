"""Independent learners (IL): the baseline of the MATRL paper.

Agent i ascends min(r Âⁱ, clip(r) Âⁱ) − β KL(π‖π̄) on its own reward, with its own Vⁱ(oⁱ), as if the others were part of
the environment. It is IPPO with the paper's penalty, and what MATRL predicts that each agent would do.

Reference: Tan, 1993 (independent learners); Wen et al., 2021, arXiv:2106.06828 (MATRL), section 3.1, tables
3, 5 and 6; de Witt et al., 2020, arXiv:2011.09533 (IPPO).

Differences from the reference code: the entropy is rewarded (its prediction loss punishes it); the divergence is exact;
actors and critics share no weights and no optimiser, so that coefficients of their losses have no part; hidden layers
are rectified instead of leaky. Layers are plain, as there: LayerNorm, which `ippo` has, would leave of two numbers that
are seen only which is larger.
"""

from hamlet.estimation.advantage import Gae
from hamlet.estimation.critic import StateValue
from hamlet.haml.drift import ClipDrift, KlDrift, SumDrift
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.haml.template import Haml
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def il(
    *,
    clip: float = 0.1,
    kl: float = 0.001,
    learning_rate: AnyRates = 0.002,
    epochs: int = 10,
    minibatches: int = 1,
    entropy: float = 0.05,
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
    """IL: clipped ratios and a penalty on divergence, everyone alone.

    Args:
        clip: ε > 0, half the width of the band that the ratio may move in freely.
        kl: β ≥ 0, the weight of the divergence from the old policy, per nat.
        learning_rate: Of the actors, by Adam; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        epochs: Passes over the batch for each agent.
        minibatches: Parts of a pass; they must divide the sequences of a batch.
        entropy: Weight of the mean entropy, per nat.
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
    return Haml(
        drift=SumDrift((ClipDrift(clip), KlDrift(kl))),
        neighbourhood=Unconstrained(
            learning_rate=as_rates(learning_rate), epochs=epochs, minibatches=minibatches, entropy=entropy
        ),
        sampling=OnPolicy(copies=copies, steps=steps_per_rollout, chunk=chunk),
        surrogate=ImportanceWeights(),
        scheme=Simultaneous(),
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
