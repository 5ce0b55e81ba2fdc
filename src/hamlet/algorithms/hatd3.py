"""Heterogeneous-agent twin delayed deterministic policy gradient (HATD3).

HATD3 is TD3 for a team that shares one reward: off-policy, with deterministic policies over continuous actions and two
centralised critics of the joint action. Choose it for continuous control when environment steps are expensive. It adds
three changes to HADDPG that reduce the overestimation of values.

* There are two critics Q₁ and Q₂. Their targets use the smaller of the two target values.
* The actions in the targets have clipped noise (target policy smoothing).
* The policies and all target networks are updated once in ``policy_delay`` updates of the critics.

The critics Q_k are fitted to

    y = r + γ min_k Q̂_k(s′, clip(μ̂(o′) + ε, low, high)),   ε ~ clip(N(0, σ̃²), −c, c).

Here s′ and o′ are the next state and the next observations, r the reward, γ the discount, Q̂ and μ̂ the target
networks, low and high the bounds of the actions, σ̃ the standard deviation of the noise and c its bound. Agents are
updated in a new random order i₁, …, i_n. With s the state and μ the policies, agent number m of this order maximises

    Q₁(s, μ_new^{i_1…i_{m−1}}, μ^{i_m}, μ_old^{i_{m+1}…i_n}).

With one agent HATD3 is TD3.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, algorithm 7; Fujimoto et al., 2018, arXiv:1802.09477.

Differences from the reference code:

* Batches are sampled with replacement. The cost of this does not grow with the buffer.
* Critics receive actions in units of half the distance between their bounds.
* Warm-up steps count as environment steps.
* The noise of the target actions is sampled for each entry within that entry's own bounds.
"""

from dataclasses import dataclass

from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import TwinOptions


@dataclass(frozen=True, kw_only=True)
class Hatd3Options(OrderOptions, TwinOptions):
    """Hyperparameters of HATD3."""


@algorithm(Hatd3Options)
def hatd3(options: Hatd3Options) -> Haml:
    """HATD3: TD3 with sequential updates of the agents, off-policy, continuous actions."""
    return options.climb(options.smoothed(), Sequential(options.order))
