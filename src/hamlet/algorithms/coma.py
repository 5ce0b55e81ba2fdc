"""Counterfactual multi-agent policy gradients (COMA).

COMA is an on-policy actor-critic for a team that shares one reward. It compares each agent's action with the average
over all its actions while the other agents' actions stay fixed (a counterfactual baseline). Choose it to study credit
assignment with discrete actions. Other action spaces: `mappo --advantage counterfactual` samples alternatives.

All agents are updated simultaneously by one ascent step. Agent i maximises E[ Aⁱ log πⁱ(aⁱ|oⁱ) ] with the advantage

    Aⁱ = Q(s, a) − Σ_b πⁱ(b|oⁱ) Q(s, b, a⁻ⁱ),

where πⁱ is its policy, oⁱ its observation, s the state, a the joint action, a⁻ⁱ the other agents' actions, and Q a
critic of joint actions. Policies mix in a uniform distribution over the available actions with weight ε.

Reference: Foerster et al., 2018, arXiv:1705.08926; `paper/mpe` has its settings, with critics of two layers of 128.
`--advantage optimal_baseline` uses the optimal baseline instead (Kuba et al., 2021, arXiv:2108.08612).

Differences from the reference code: the differences of the critic (`hamlet.estimation.counterfactual`). Advantages are
standardised over an agent's batch, as in all on-policy algorithms of Hamlet. By default no parameters are shared and no
network is recurrent.
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
    """Hyperparameters of COMA."""

    exploration_start: float = 0.5
    exploration_end: float = 0.01
    exploration_steps: int = 100_000
    sequence_length: int = 5
    num_envs: int = 8
    rollout_length: int = 25


@algorithm(ComaOptions)
def coma(options: ComaOptions) -> Haml:
    """COMA: one policy-gradient step, counterfactual baseline, simultaneous updates.

    Raises:
        RequestError: If the baseline does not exist.
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
