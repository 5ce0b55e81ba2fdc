"""Multi-agent deep deterministic policy gradient (MADDPG), for a team.

MADDPG is off-policy, with deterministic policies over continuous actions and a centralised critic of the joint action.
Choose it as the baseline of HADDPG with simultaneous updates. This version is for a team: one critic serves all agents,
because they share one reward.

MADDPG is HADDPG with simultaneous updates. Agent i maximises Q(s, …, μⁱ(oⁱ), …), where Q is the critic, s the state and
μⁱ(oⁱ) the agent's action for its observation oⁱ. The other agents' actions come from their policies before the update.
``others="replay"`` uses the replayed actions of the other agents instead, as published.

References: Lowe et al., 2017, arXiv:1706.02275; Zhong et al., 2024 (HARL), arXiv:2304.09870.

Differences from the reference code:

* Batches are sampled with replacement. The cost of this does not grow with the buffer.
* Critics receive actions in units of half the distance between their bounds.
* Warm-up steps count as environment steps.
* The other agents' actions come from their policies, unless ``others="replay"`` is set.
"""

from dataclasses import dataclass

from hamlet.haml.pathwise import Pathwise
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import DeterministicOptions, OthersOptions


@dataclass(frozen=True, kw_only=True)
class MaddpgOptions(OthersOptions, DeterministicOptions):
    """Hyperparameters of MADDPG."""


@algorithm(MaddpgOptions)
def maddpg(options: MaddpgOptions) -> Haml:
    """MADDPG: DDPG with simultaneous updates of the agents, off-policy, continuous actions."""
    return options.climb(Pathwise(others=options.others), Simultaneous())
