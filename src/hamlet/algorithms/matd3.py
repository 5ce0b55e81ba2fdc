"""Multi-agent twin delayed deterministic policy gradient (MATD3), for a team.

MATD3 is off-policy, with deterministic policies over continuous actions and two centralised critics of the joint
action. Choose it as the baseline of HATD3 with simultaneous updates. One pair of critics serves all agents, because
they share one reward.

MATD3 is HATD3 with simultaneous updates. Agent i maximises Q₁(s, …, μⁱ(oⁱ), …), where Q₁ is the first critic, s the
state and μⁱ(oⁱ) the agent's action for its observation oⁱ. The other agents' actions come from their policies before
the update. ``others="replay"`` uses the replayed actions of the other agents instead, as in the published MADDPG.

References: Ackermann et al., 2019, arXiv:1910.01465; Zhong et al., 2024 (HARL), arXiv:2304.09870.

Differences from the reference code:

* Batches are sampled with replacement. The cost of this does not grow with the buffer.
* Critics receive actions in units of half the distance between their bounds.
* Warm-up steps count as environment steps.
* The other agents' actions come from their policies, unless ``others="replay"`` is set.
"""

from dataclasses import dataclass

from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import OthersOptions, TwinOptions


@dataclass(frozen=True, kw_only=True)
class Matd3Options(OthersOptions, TwinOptions):
    """Hyperparameters of MATD3."""


@algorithm(Matd3Options)
def matd3(options: Matd3Options) -> Haml:
    """MATD3: TD3 with simultaneous updates of the agents, off-policy, continuous actions."""
    return options.climb(options.smoothed(options.others), Simultaneous())
