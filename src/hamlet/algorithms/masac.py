"""Multi-agent soft actor-critic (MASAC), for a team.

HASAC whose agents all move at once, each against the others' actions before the update, or with "replay" against the
replayed ones.

References: Haarnoja et al., 2018, arXiv:1812.05905; Liu et al., 2024 (HASAC), arXiv:2306.10715.

Differences from HASAC: the scheme alone; those from the reference code are the same.
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
    """MASAC: stochastic actors that climb twin critics and their own entropy, all at once."""
    return options.soft(Simultaneous(), options.others)
