"""Multi-agent soft actor-critic (MASAC), for a team.

MASAC is off-policy, with stochastic policies that maximise the return plus their entropy, and two centralised critics.
Choose it as the baseline of HASAC with simultaneous updates.

MASAC is HASAC with simultaneous updates. Each agent optimises against the other agents' actions before the update. With
``others="replay"`` it optimises against their replayed actions. The page of HASAC has the equations.

References: Haarnoja et al., 2018, arXiv:1812.05905; Liu et al., 2024 (HASAC), arXiv:2306.10715.

Differences from HASAC: only the scheme. The differences from the reference code are the differences of HASAC.
"""

from dataclasses import dataclass

from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import OthersOptions, SoftOptions


@dataclass(frozen=True, kw_only=True)
class MasacOptions(OthersOptions, SoftOptions):
    """Hyperparameters of MASAC."""


@algorithm(MasacOptions)
def masac(options: MasacOptions) -> Haml:
    """MASAC: SAC with simultaneous updates of the agents, off-policy, discrete and continuous actions."""
    return options.soft(Simultaneous(), options.others)
