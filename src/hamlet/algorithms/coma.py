"""Counterfactual multi-agent policy gradients (COMA).

COMA is an on-policy actor-critic for a team that shares one reward. It compares each agent's action with the average of
all its alternatives while the other agents' actions stay fixed (a counterfactual baseline). Choose it to study credit
assignment with discrete actions. For other action spaces use `mappo --advantage counterfactual`, which samples the
alternatives.

All agents are updated simultaneously. Agent i maximises E[ Aⁱ log πⁱ(aⁱ|oⁱ) ] by one step of gradient ascent, with

    Aⁱ = Q(s, a) − Σ_b πⁱ(b|oⁱ) Q(s, b, a⁻ⁱ),

where πⁱ is its policy, oⁱ its observation, s the state, a the joint action, a⁻ⁱ the actions of the other agents, and Q
a critic of joint actions. While training, a policy mixes in a uniform distribution over the available actions with
weight ε. COMA is therefore MAA2C with one ascent step per iteration, this advantage, a critic of actions, and
ε-exploration.

Reference: Foerster et al., 2018, arXiv:1705.08926. The preset `paper/mpe` has the published settings, with critics of
two layers of 128. `--advantage optimal_baseline` replaces the counterfactual baseline with the optimal baseline of Kuba
et al., 2021, arXiv:2108.08612.

Differences from the reference code:

* `hamlet.estimation.counterfactual` lists the differences of the critic.
* Advantages are standardised over an agent's batch, as in all on-policy algorithms of Hamlet.
* By default no parameters are shared and networks are not recurrent.
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
        exploration_start: Initial ε in [0, 1], the weight of the uniform distribution over the available actions.
    """

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
