"""Independent proximal policy optimisation (IPPO).

MAPPO whose critic sees each agent's observation: agent i ascends min(r Âⁱ, clip(r) Âⁱ) on its own reward, with its own
Vⁱ(oⁱ). Nothing is centralised, so it serves general-sum games as well.

Reference: de Witt et al., 2020, arXiv:2011.09533.

Differences from the reference code: those of HAPPO; no parameters are shared unless asked for.
"""

from hamlet.estimation.advantage import Gae
from hamlet.estimation.critic import StateValue
from hamlet.estimation.fitting import Decay
from hamlet.haml.drift import ClipDrift
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.haml.template import Haml
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def ippo(
    *,
    clip: float = 0.2,
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
    hidden: tuple[int, ...] = (128, 128),
    memory: int = 0,
    chunk: int = 10,
    squash: bool = False,
    normalise_observations: bool = False,
    normalise_rewards: bool = False,
    copies: int = 20,
    steps_per_rollout: int = 200,
    sharing: Sharing = "none",
) -> Haml:
    """IPPO: clipped ratios, everyone alone, own reward and own critic.

    Args:
        clip: ε > 0, half the width of the band that the ratio may move in freely.
        learning_rate: Of the actors, by Adam; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        epochs: Passes over the batch for each agent.
        minibatches: Parts of a pass; they must divide the sequences of a batch.
        entropy: Weight of the mean entropy, per nat.
        critic_learning_rate: Of the critics, by Adam.
        critic_epochs: Passes over the batch for the critics.
        critic_minibatches: Parts of a pass for the critics.
        critic_clip: How far a value may move before its loss is clipped, in running deviations; 0 for any distance.
        learning_rate_decay: "none", or "linear": all learning rates fall to 0 over the run.
        discount: γ in [0, 1].
        gae_lambda: λ in [0, 1] of the advantage estimates.
        hidden: Widths of the hidden layers.
        memory: Width of a recurrent unit after them; 0 for none.
        chunk: Steps of a training sequence, with memory.
        squash: Whether continuous actions go through tanh to their bounds, rather than being clipped to them.
        normalise_observations: Whether networks see numbers in units of their running mean and deviation.
        normalise_rewards: Whether rewards are in units of the running deviation of discounted returns.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two updates.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """
    return Haml(
        drift=ClipDrift(clip),
        neighbourhood=Unconstrained(
            learning_rate=as_rates(learning_rate),
            epochs=epochs,
            minibatches=minibatches,
            entropy=entropy,
            decay=learning_rate_decay,
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
            decay=learning_rate_decay,
        ),
        body=NetworkConfig(hidden=hidden, memory=memory, normalise=normalise_observations, squash=squash),
        sharing=sharing,
        normalise_rewards=normalise_rewards,
    )
