"""Multi-agent deep deterministic policy gradient (MADDPG), for a team.

HADDPG whose agents all move at once: each climbs Q(s, …, μⁱ(oⁱ), …) with the others' actions as they were before the
update; "replay" puts the replayed actions there, as published. One critic serves the team, as its reward is one.

References: Lowe et al., 2017, arXiv:1706.02275; Zhong et al., 2024 (HARL), arXiv:2304.09870.

Differences from the reference code: (1) samples are drawn with replacement, at a cost that does not grow with the
buffer; (2) critics take actions in units of half of the distance between their bounds; (3) steps of the warm-up count
as environment steps; (4) the others' actions are their policies' unless ``others="replay"`` says so.
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
    """MADDPG: a critic of the joint action, and deterministic actors that climb it all at once."""
    return options.climb(Pathwise(others=options.others), Simultaneous())
