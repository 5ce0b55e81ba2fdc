"""Heterogeneous-agent soft actor-critic (HASAC).

The team maximises J = E Σ γᵗ [ r + Σᵢ αⁱ H(πⁱ(·|oⁱ)) ]. Two critics descend (Qₖ(s, a) − y)² on replayed steps,

    y = r + γ ( min_k Q̂_k(s′, a′) − Σᵢ αⁱ log πⁱ(a′ⁱ|o′ⁱ) ),   a′ ~ π,

and agents move one after another in a fresh random order; agent i_m climbs, through a sample of its own action,

    E[ min_k Q_k(s, a_new^{i_1…i_{m−1}}, a^{i_m}, a_old^{i_{m+1}…i_n}) − α^{i_m} log π^{i_m}(a^{i_m}|o^{i_m}) ].

Policies are tanh-normal over a Box, categorical over choices (straight-through samples). At rest they are a quantal
response equilibrium: πⁱ ∝ exp(E[Q]/αⁱ). Each αⁱ is learnt so that the entropy stays at its target. A target of
c·log|A| bounds how sure a policy can be: with five actions the best has probability 0.90 at most at c = 0.3, and 0.31
at the published c = 0.98. With one agent it is SAC.

References: Liu et al., 2024 (HASAC), arXiv:2306.10715; Haarnoja et al., 2018, arXiv:1812.05905; Jang et al., 2017,
arXiv:1611.01144.

Differences from the reference code: (1) its target for choices is 0 by an oversight, which drives α to 0; (2) its
critic has a temperature of its own, ours takes each agent's; (3) its tanh-normal actions span the upper bound only,
ours each entry's bounds; (4) with choices −H stands for log π, which is its mean; (5) with n steps the entropies
between the first and the last are left out, as there: keep ``n_step`` at 1 where α is not small; (6) samples are drawn
with replacement.
"""

from hamlet.estimation.action_value import ActionValue
from hamlet.estimation.advantage import NStep
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.dual import Dual
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.pathwise import SoftPathwise
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import ReplaySampling
from hamlet.haml.scheme import Order, Sequential
from hamlet.haml.template import Haml
from hamlet.networks.actors import Squashed
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def hasac(
    *,
    learning_rate: AnyRates = 5e-4,
    critic_learning_rate: float = 5e-4,
    discount: float = 0.99,
    n_step: int = 1,
    temperature: float = 0.2,
    temperature_learning_rate: float = 3e-4,
    target_entropy: float = 0.3,
    polyak: float = 0.005,
    batch_size: int = 1000,
    buffer_size: int = 1_000_000,
    warmup: int = 10_000,
    hidden: tuple[int, ...] = (256, 256),
    copies: int = 20,
    steps_per_rollout: int = 50,
    updates_per_rollout: int = 50,
    order: Order = "random",
    sharing: Sharing = "none",
) -> Haml:
    """HASAC: stochastic actors that climb twin critics and their own entropy, one after another.

    Args:
        learning_rate: Of the actors, by Adam; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        critic_learning_rate: Of the critics, by Adam.
        discount: γ in [0, 1].
        n_step: Steps of a return before it bootstraps.
        temperature: α of every agent at first, above 0.
        temperature_learning_rate: Of log α, by Adam; 0 keeps α where it is.
        target_entropy: c in [0, 1): with choices, α holds the entropy at c·log|A|. A Box's is held at −1 an entry.
        polyak: τ in (0, 1], how far targets move in one update.
        batch_size: Environment steps of one update.
        buffer_size: Environment steps remembered.
        warmup: Environment steps played at random before the first update.
        hidden: Widths of the hidden layers.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates of everything in a round.
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
            warmup=warmup,
        ),
        surrogate=SoftPathwise(
            temperature=Dual(initial=temperature, learning_rate=temperature_learning_rate), target=target_entropy
        ),
        scheme=Sequential(order),
        advantage=NStep(discount=discount, steps=n_step),
        critic=ActionValue(networks=2, learning_rate=critic_learning_rate, polyak=polyak),
        actor=Squashed(),
        body=NetworkConfig(hidden=hidden, plain=True),
        sharing=sharing,
    )
