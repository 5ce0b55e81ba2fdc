"""Heterogeneous-agent deep deterministic policy gradient (HADDPG).

HADDPG is DDPG for a team that shares one reward: off-policy, with deterministic policies over continuous actions and
one centralised critic of the joint action. Agents are updated sequentially, against the new actions of the earlier
agents. Choose it for continuous control when environment steps are expensive; HATD3 is usually the more robust variant.

The critic Q minimises (Q(s, a) − y)² on replayed steps, with the target

    y = r + γ Q̂(s′, μ̂(o′)),

where s is the state, a the joint action, r the reward, s′ and o′ the next state and the next observations, γ the
discount, and Q̂, μ̂ the slowly moving target networks of the critic and the policies μ. In a new random order i₁, …,
i_n, agent i_m then maximises

    E_{s ~ replay}[ Q(s, μ_new^{i_1…i_{m−1}}(o), μ^{i_m}(o^{i_m}), μ_old^{i_{m+1}…i_n}(o)) ].

In the template of HAML, HADDPG has no drift, the space of all deterministic policies as its neighbourhood, and the
replay buffer's distribution. With one agent HADDPG is DDPG.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, algorithm 6; Lillicrap et al., 2016, arXiv:1509.02971.

Differences from the reference code:

* Batches are sampled with replacement. The cost of this does not grow with the buffer.
* Critics receive actions in units of half the distance between their bounds.
* Warm-up steps count as environment steps.
"""

from dataclasses import dataclass

from hamlet.haml.pathwise import Pathwise
from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import DeterministicOptions


@dataclass(frozen=True, kw_only=True)
class HaddpgOptions(OrderOptions, DeterministicOptions):
    """Hyperparameters of HADDPG."""


@algorithm(HaddpgOptions)
def haddpg(options: HaddpgOptions) -> Haml:
    """HADDPG: DDPG with sequential updates of the agents, off-policy, continuous actions."""
    return options.climb(Pathwise(), Sequential(options.order))
