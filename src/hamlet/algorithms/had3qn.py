"""Heterogeneous-agent duelling double deep Q-network (HAD3QN).

HAD3QN is an off-policy, value-based algorithm for a team with discrete actions. A centralised critic has one output for
each joint action, and every agent learns its own action values from this critic. Choose it for few agents with few
actions: the number of outputs is the product of all agents' numbers of actions.

The critic Q is fitted to

    y = r + γ Q̂(s′, a*),   a*ⁱ = argmax Q̂ⁱ(o′ⁱ, ·),

where r is the reward, γ the discount, s′ the next state, o′ⁱ the next observation of agent i, Q̂ the target critic and
Q̂ⁱ the target network of agent i's values Qⁱ. Agents act ε-greedily on Qⁱ. They regress Qⁱ on the critic sequentially,
in a new random order i₁, …, i_n. The critic is evaluated at the joint action in which the earlier agents already use
the critic's best action a*:

    Q^{i_m}(o, a^{i_m}) → Q(s, a*^{i_1…i_{m−1}}, a^{i_m}, a^{i_{m+1}…i_n}),
    a*^{i_m} = argmax over b of Q(s, a*^{i_1…i_{m−1}}, b, a^{i_{m+1}…i_n}).

* The option ``rest`` sets the actions of the later agents in this joint action. The option ``regress`` sets the actions
  at which an agent regresses. `hamlet.learners.value.JointValue` describes both.
* Critic and agents have duelling networks.
* HAD3QN approximates HADDPG. It is not an update of mirror learning, so the guarantees of the theory do not cover it.
* With one agent, the critic is a duelling double DQN whose next actions a slower network chooses, and the agent's own
  values follow the critic's.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, appendix I and algorithm 8; Wang et al., 2016, arXiv:1511.06581
(duelling); van Hasselt et al., 2016, arXiv:1509.06461 (double).

Differences from the reference code:

* The options ``rest`` and ``regress`` exist.
* Each agent in each environment copy decides independently whether to explore. The reference code decides once per
  agent for all copies. Unavailable actions are neither sampled nor used as the best action.
* Inactive agents are left out of the regression.
* Batches are sampled with replacement. The cost of this does not grow with the buffer.
* Warm-up steps count as environment steps.
* Agents with different numbers of actions are not padded.
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
