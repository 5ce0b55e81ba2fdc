"""Heterogeneous-agent twin delayed deterministic policy gradient (HATD3).

HADDPG with three changes. Critics, two of them, bootstrap from the lesser value at smoothed target actions,

    y = r + γ min_k Q̂_k(s′, clip(μ̂(o′) + ε, low, high)),   ε ~ clip(N(0, σ̃²), −c, c),

and actors move, with all targets, once in ``policy_delay`` updates: one after another in a fresh random order, agent
i_m climbing Q₁(s, μ_new^{i_1…i_{m−1}}, μ^{i_m}, μ_old^{i_{m+1}…i_n}). With one agent it is TD3.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, algorithm 7; Fujimoto et al., 2018, arXiv:1802.09477.

Differences from the reference code: (1) samples are drawn with replacement, at a cost that does not grow with the
buffer; (2) critics take actions in units of half of the distance between their bounds; (3) steps of the warm-up count
as environment steps; (4) noise of the targets is drawn for each entry within its own bounds.
"""

from hamlet.estimation.action_value import ActionValue
from hamlet.estimation.advantage import NStep
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.pathwise import Pathwise
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import ReplaySampling
from hamlet.haml.scheme import Order, Sequential
from hamlet.haml.template import Haml
from hamlet.networks.actors import Deterministic
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def hatd3(
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
    order: Order = "random",
    sharing: Sharing = "none",
) -> Haml:
    """HATD3: twin critics, smoothed targets, delayed deterministic actors, one after another.

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
        order: "random", anew each time, or "fixed".
        sharing: "none", or "group": one set of parameters for agents of equal spaces, which leaves the theory.
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
        surrogate=Pathwise(smoothing=target_noise, smoothing_clip=target_noise_clip),
        scheme=Sequential(order),
        advantage=NStep(discount=discount, steps=n_step),
        critic=ActionValue(networks=2, learning_rate=critic_learning_rate, polyak=polyak),
        actor=Deterministic(exploration_noise),
        body=NetworkConfig(hidden=hidden, plain=True),
        sharing=sharing,
        actions=("Box",),
    )
