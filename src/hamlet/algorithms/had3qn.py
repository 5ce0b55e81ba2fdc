"""Heterogeneous-agent duelling double deep Q-network (HAD3QN).

HAD3QN is off-policy and value-based, for a team with discrete actions. A centralised critic has one output for each
joint action, and every agent learns its own action values from this critic. Choose it for few agents with few actions:
the number of outputs is the product of all agents' numbers of actions. The critic Q is fitted to

    y = r + γ Q̂(s′, a*),   a*ⁱ = argmax Q̂ⁱ(o′ⁱ, ·),

where r is the reward, γ the discount, s′ the next state, o′ⁱ the next observation of agent i, Q̂ the target critic and
Q̂ⁱ the target network of agent i's values Qⁱ. Agents act ε-greedily on Qⁱ. They fit Qⁱ to the critic sequentially, in a
new random order i₁, …, i_n. The earlier agents' actions in the critic are already the critic's best ones:

    Q^{i_m}(o, a^{i_m}) → Q(s, a*^{i_1…i_{m−1}}, a^{i_m}, a^{i_{m+1}…i_n}),
    a*^{i_m} = argmax over b of Q(s, a*^{i_1…i_{m−1}}, b, a^{i_{m+1}…i_n}).

``rest`` sets the later agents' actions, ``regress`` the actions that an agent fits
(`hamlet.learners.value.JointValue`). All networks are duelling. HAD3QN approximates HADDPG but is not an update of
mirror learning: the theory gives no guarantee. With one agent, the critic is a duelling double DQN whose target network
chooses the next actions.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, appendix I and algorithm 8; Wang et al., 2016, arXiv:1511.06581
(duelling); van Hasselt et al., 2016, arXiv:1509.06461 (double).

Differences from the reference code: (1) ``rest`` and ``regress`` exist. (2) Each agent in each environment copy decides
by itself whether to explore; the code decides once per agent for all copies. Unavailable actions are neither sampled
nor the best. (3) Inactive agents are left out of the regression. (4) Batches are sampled with replacement, at a cost
that does not grow with the buffer. (5) Warm-up steps count as environment steps. (6) Different numbers of actions are
not padded.
"""

from dataclasses import dataclass
from typing import Literal

from hamlet.haml.scheme import Sequential
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import DuellingOptions
from hamlet.learners.value import JointValue


@dataclass(frozen=True, kw_only=True)
class Had3qnOptions(OrderOptions, DuellingOptions):
    """Hyperparameters of HAD3QN.

    Attributes:
        rest: Actions of the agents that are not yet updated: "replay" for the replayed ones, or "greedy".
        regress: Actions at which an agent fits its values in a replayed state: "taken" for the one taken, or "all".
    """

    rest: Literal["replay", "greedy"] = "replay"
    regress: Literal["taken", "all"] = "taken"


@algorithm(Had3qnOptions)
def had3qn(options: Had3qnOptions) -> JointValue:
    """HAD3QN: duelling double Q-learning with sequential updates of the agents, off-policy, discrete actions."""
    return JointValue(
        rest=options.rest, regress=options.regress, scheme=Sequential(options.order), **options.duelling()
    )
