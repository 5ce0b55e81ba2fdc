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

from dataclasses import dataclass

from hamlet.haml.drift import ZeroDrift
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import ExplorationOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.on_policy import ActionCriticOptions, FreshOptions
from hamlet.networks.actors import Exploring


@dataclass(frozen=True, kw_only=True)
class ComaOptions(ExplorationOptions, ActionCriticOptions, FreshOptions):
    """Hyperparameters of COMA.

    Attributes:
        exploration_start: ε in [0, 1] at first, the share of a policy that is even over what is available.
    """

    exploration_start: float = 0.5
    exploration_end: float = 0.01
    exploration_steps: int = 100_000
    sequence_length: int = 5
    num_envs: int = 8
    rollout_length: int = 25


@algorithm(ComaOptions)
def coma(options: ComaOptions) -> Haml:
    """COMA: one step of ascent, everyone at once, each beside what it could have done.

    Raises:
        RequestError: If there is no such baseline.
    """
    return options.assemble(
        drift=ZeroDrift(),
        neighbourhood=options.step(),
        scheme=Simultaneous(),
        advantage=options.baseline(),
        critic=options.action_critic(),
        actor=Exploring(options.exploration()),
        actions=("Discrete",),
    )
