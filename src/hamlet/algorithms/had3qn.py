"""Heterogeneous-agent duelling double deep Q-network (HAD3QN).

HADDPG with values in the place of policies: a critic with one output for each joint action, fitted to

    y = r + γ Q̂(s′, a*),   a*ⁱ = argmax Q̂ⁱ(o′ⁱ, ·),

and agents who act ε-greedily on their own values. These they regress, one after another in a fresh random order, on
what the critic says of the joint action in which those before them already play the critic's choice,

    Q^{i_m}(o, a^{i_m}) → Q(s, a*^{i_1…i_{m−1}}, a^{i_m}, a^{i_{m+1}…i_n}),
    a*^{i_m} = argmax over b of Q(s, a*^{i_1…i_{m−1}}, b, a^{i_{m+1}…i_n}).

Both are duelling networks. It approximates HADDPG and is no mirror step: nothing is promised of it. The critic grows
with the product of all agents' choices, so that it is for few agents with few of them. With one agent the critic is a
duelling double DQN whose next actions a slower network chooses, and the agent's own values follow the critic's.

What stands in the slots of others (``rest``), and at which choices agents regress (``regress``):
`hamlet.learners.value.JointValue`.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, appendix I and algorithm 8; Wang et al., 2016, arXiv:1511.06581
(duelling); van Hasselt et al., 2016, arXiv:1509.06461 (double).

Differences from the reference code: (1) ``rest`` and ``regress``; (2) each agent of each copy draws for itself whether
it explores, where the code draws once per agent for all copies, and what is not available is neither drawn nor taken
for the best; (3) absent agents are left out of the regression; (4) samples are drawn with replacement, at a cost that
does not grow with the buffer; (5) steps of the warm-up count as environment steps; (6) agents of unlike choices are
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
        rest: What the agents that have yet to move are taken to play: "replay", what they did, or "greedy".
        regress: At which of its choices an agent regresses in a replayed state: the one "taken", or "all".
    """

    rest: Literal["replay", "greedy"] = "replay"
    regress: Literal["taken", "all"] = "taken"


@algorithm(Had3qnOptions)
def had3qn(options: Had3qnOptions) -> JointValue:
    """HAD3QN: agents' own values follow those of a critic of joint actions, one after another."""
    return JointValue(
        rest=options.rest, regress=options.regress, scheme=Sequential(options.order), **options.duelling()
    )
