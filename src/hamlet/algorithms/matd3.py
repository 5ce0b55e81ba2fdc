"""Multi-agent twin delayed deterministic policy gradient (MATD3), for a team.

HATD3 whose agents all move at once: each climbs Q₁(s, …, μⁱ(oⁱ), …) with the others' actions as they were before the
update; "replay" puts the replayed actions there, as in MADDPG.

References: Ackermann et al., 2019, arXiv:1910.01465; Zhong et al., 2024 (HARL), arXiv:2304.09870.

Differences from the reference code: (1) samples are drawn with replacement, at a cost that does not grow with the
buffer; (2) critics take actions in units of half of the distance between their bounds; (3) steps of the warm-up count
as environment steps; (4) the others' actions are their policies' unless ``others="replay"`` says so.
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
    """MATD3: twin critics, smoothed targets, delayed deterministic actors, all at once."""
    return options.climb(options.smoothed(options.others), Simultaneous())
