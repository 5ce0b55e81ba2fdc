"""Multi-agent soft actor-critic (MASAC), for a team.

HASAC whose agents all move at once, each against the others' actions before the update, or with "replay" against the
replayed ones.

References: Haarnoja et al., 2018, arXiv:1812.05905; Liu et al., 2024 (HASAC), arXiv:2306.10715.

Differences from HASAC: the scheme alone; those from the reference code are the same.
"""

from hamlet.estimation.action_value import ActionValue
from hamlet.estimation.advantage import NStep
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.dual import Dual
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.pathwise import Others, SoftPathwise
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import ReplaySampling
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.networks.actors import Squashed
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def masac(
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
    others: Others = "policy",
    sharing: Sharing = "none",
) -> Haml:
    """MASAC: stochastic actors that climb twin critics and their own entropy, all at once.

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
            warmup=warmup,
        ),
        surrogate=SoftPathwise(
            temperature=Dual(initial=temperature, learning_rate=temperature_learning_rate),
            target=target_entropy,
            others=others,
        ),
        scheme=Simultaneous(),
        advantage=NStep(discount=discount, steps=n_step),
        critic=ActionValue(networks=2, learning_rate=critic_learning_rate, polyak=polyak),
        actor=Squashed(),
        body=NetworkConfig(hidden=hidden, plain=True),
        sharing=sharing,
    )
