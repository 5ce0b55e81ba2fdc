"""Multi-agent twin delayed deterministic policy gradient (MATD3), for a team.

HATD3 whose agents all move at once: each climbs Q₁(s, …, μⁱ(oⁱ), …) with the others' actions as they were before the
update; "replay" puts the replayed actions there, as in MADDPG.

References: Ackermann et al., 2019, arXiv:1910.01465; Zhong et al., 2024 (HARL), arXiv:2304.09870.

Differences from the reference code: (1) samples are drawn with replacement, at a cost that does not grow with the
buffer; (2) critics take actions in units of half of the distance between their bounds; (3) steps of the warm-up count
as environment steps; (4) the others' actions are their policies' unless ``others="replay"`` says so.
"""

from hamlet.estimation.action_value import ActionValue
from hamlet.estimation.advantage import NStep
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.pathwise import Others, Pathwise
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import ReplaySampling
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.networks.actors import Deterministic
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def matd3(
    *,
    learning_rate: AnyRates = 5e-4,
    critic_learning_rate: float = 1e-3,
    discount: float = 0.99,
    n_step: int = 1,
    exploration_noise: float = 0.1,
    target_noise: float = 0.2,
    target_noise_clip: float = 0.5,
    policy_delay: int = 2,
    polyak: float = 0.005,
    batch_size: int = 1000,
    buffer_size: int = 1_000_000,
    warmup: int = 10_000,
    hidden: tuple[int, ...] = (128, 128),
    copies: int = 20,
    steps_per_rollout: int = 50,
    updates_per_rollout: int = 50,
    others: Others = "policy",
    sharing: Sharing = "none",
) -> Haml:
    """MATD3: twin critics, smoothed targets, delayed deterministic actors, all at once.

    Args:
        learning_rate: Of the actors, by Adam; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        critic_learning_rate: Of the critics, by Adam.
        discount: γ in [0, 1].
        n_step: Steps of a return before it bootstraps.
        exploration_noise: σ of the noise on actions played, in units of half of the distance between the bounds.
        target_noise: σ̃ of the noise on the targets' actions, likewise.
        target_noise_clip: c, how far that noise goes at most, likewise.
        policy_delay: Updates of the critics for one of the actors and the targets.
        polyak: τ in (0, 1], how far targets move in one update.
        batch_size: Environment steps of one update.
        buffer_size: Environment steps remembered.
        warmup: Environment steps played at random before the first update.
        hidden: Widths of the hidden layers.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates of the critics in a round.
        others: What stands in the other agents' places while one climbs: "policy", their present actions, or "replay",
            the replayed ones.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """
    return Haml(
        drift=ZeroDrift(),
        neighbourhood=Unconstrained(
            learning_rate=as_rates(learning_rate), epochs=1, entropy=0.0, max_gradient_norm=0.0, epsilon=1e-8
        ),
        sampling=ReplaySampling(
            copies=copies,
            steps=steps_per_rollout,
            capacity=buffer_size,
            samples=batch_size,
            updates=updates_per_rollout,
            delay=policy_delay,
            warmup=warmup,
        ),
        surrogate=Pathwise(smoothing=target_noise, smoothing_clip=target_noise_clip, others=others),
        scheme=Simultaneous(),
        advantage=NStep(discount=discount, steps=n_step),
        critic=ActionValue(networks=2, learning_rate=critic_learning_rate, polyak=polyak),
        actor=Deterministic(exploration_noise),
        body=NetworkConfig(hidden=hidden, plain=True),
        sharing=sharing,
        actions=("Box",),
    )
