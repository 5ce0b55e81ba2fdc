"""Counterfactual multi-agent policy gradients (COMA).

Every agent ascends E[ Aⁱ log πⁱ(aⁱ|oⁱ) ] at once, with Aⁱ = Q(s, a) − Σ_b πⁱ(b|oⁱ) Q(s, b, a⁻ⁱ): what it did beside
what it would have done on average while the others did the same. It is MAA2C with one step of ascent, that advantage, a
critic of actions, and policies of which a share ε is even.

Reference: Foerster et al., 2018, arXiv:1705.08926. The published settings, with critics of two layers of 128, are the
preset `paper/mpe`; the optimal baseline in the place of the counterfactual one is Kuba et al., 2021, arXiv:2108.08612.

Differences from the reference code: those of the critic (`hamlet.estimation.counterfactual`); advantages are
standardised over an agent's batch, as everywhere here; no parameters are shared unless asked for, and no agent has a
memory unless asked for. Actions are choices: with others, `mappo --advantage counterfactual` draws alternatives.
"""

from hamlet.errors import require
from hamlet.estimation.counterfactual import CounterfactualValue
from hamlet.estimation.fitting import Rule
from hamlet.haml.credit import BASELINES, Baseline
from hamlet.haml.drift import ZeroDrift
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.rates import AnyRates, as_rates
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.haml.template import Haml
from hamlet.networks.actors import Exploring
from hamlet.networks.exploration import Schedule
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def coma(
    *,
    learning_rate: AnyRates = 5e-4,
    optimiser: Rule = "rmsprop",
    entropy: float = 0.0,
    critic_learning_rate: float = 5e-4,
    critic_epochs: int = 5,
    critic_minibatches: int = 1,
    critic_clip: float = 0.0,
    normalise_values: bool = False,
    target_interval: int = 200,
    exploration_start: float = 0.5,
    exploration_end: float = 0.01,
    exploration_steps: int = 100_000,
    discount: float = 0.99,
    td_lambda: float = 0.8,
    advantage: Baseline = "counterfactual",
    hidden: tuple[int, ...] = (128, 128),
    memory: int = 0,
    chunk: int = 5,
    normalise_observations: bool = False,
    normalise_rewards: bool = False,
    copies: int = 8,
    steps_per_rollout: int = 25,
    sharing: Sharing = "none",
) -> Haml:
    """COMA: one step of ascent, everyone at once, each beside what it could have done.

    Args:
        learning_rate: Of the actors; or by agent, the rest without a name: speaker_0=1e-4,5e-4.
        optimiser: "rmsprop", as published, or "adam"; of actors and critics.
        entropy: Weight of the mean entropy, per nat.
        critic_learning_rate: Of the critics.
        critic_epochs: Passes over the batch for the critics.
        critic_minibatches: Parts of a pass for the critics.
        critic_clip: How far a value may move before its loss is clipped, in running deviations; 0 for any distance.
        normalise_values: Whether values are in units of a running mean and deviation of returns.
        target_interval: Steps of a critic between two moves of its target, which becomes its copy.
        exploration_start: ε in [0, 1] at first, the share of a policy that is even over what is available.
        exploration_end: ε after `exploration_steps`.
        exploration_steps: Environment steps within which ε falls.
        discount: γ in [0, 1].
        td_lambda: λ in [0, 1] of the returns that values are fitted to.
        advantage: The baseline, "counterfactual" or "optimal_baseline".
        hidden: Widths of the hidden layers.
        memory: Width of a recurrent unit after them, in the actors; 0 for none.
        chunk: Steps of a training sequence, with memory.
        normalise_observations: Whether networks see numbers in units of their running mean and deviation.
        normalise_rewards: Whether rewards are in units of the running deviation of discounted returns.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two updates.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.

    Raises:
        RequestError: If there is no such baseline.
    """
    require(advantage in BASELINES, f"coma has --advantage {' or '.join(BASELINES)}, not {advantage!r}; maa2c has gae")
    return Haml(
        drift=ZeroDrift(),
        neighbourhood=Unconstrained(learning_rate=as_rates(learning_rate), epochs=1, entropy=entropy, rule=optimiser),
        sampling=OnPolicy(copies=copies, steps=steps_per_rollout, chunk=chunk),
        surrogate=ImportanceWeights(),
        scheme=Simultaneous(),
        advantage=BASELINES[advantage](discount=discount, lambda_=td_lambda),
        critic=CounterfactualValue(
            learning_rate=critic_learning_rate,
            epochs=critic_epochs,
            minibatches=critic_minibatches,
            clip=critic_clip,
            huber=0.0,
            normalise=normalise_values,
            rule=optimiser,
            interval=target_interval,
        ),
        actor=Exploring(Schedule(start=exploration_start, end=exploration_end, steps=exploration_steps)),
        body=NetworkConfig(hidden=hidden, memory=memory, normalise=normalise_observations),
        sharing=sharing,
        normalise_rewards=normalise_rewards,
        actions=("Discrete",),
    )
