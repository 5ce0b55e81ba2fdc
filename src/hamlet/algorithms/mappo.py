"""Multi-agent proximal policy optimisation (MAPPO).

HAPPO with `Simultaneous` in place of `Sequential`: everyone ascends min(r Â, clip(r) Â) against the others' old
policies, M = 1, with a critic that sees the state. The joint move has no guarantee of improvement.

Reference: Yu et al., 2022, arXiv:2103.01955. As published, agents of equal spaces share parameters
(`sharing="group"`, one minibatch over all their steps); the default here shares nothing, like everything else.

Differences from the reference code: those of HAPPO; the state is that of the environment, without agents' features.
"""

from dataclasses import dataclass

from hamlet.haml.drift import ClipDrift
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.on_policy import ActorOptions, ClipOptions, CreditOptions


@dataclass(frozen=True, kw_only=True)
class MappoOptions(ClipOptions, ActorOptions, CreditOptions):
    """Hyperparameters of MAPPO."""


@algorithm(MappoOptions)
def mappo(options: MappoOptions) -> Haml:
    """MAPPO: clipped ratios, everyone at once, a critic of the state."""
    return options.declare(
        drift=ClipDrift(options.clip),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Simultaneous(),
    )
