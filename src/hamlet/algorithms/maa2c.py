"""Multi-agent advantage actor-critic (MAA2C).

HAA2C with `Simultaneous` in place of `Sequential`: everyone ascends E[ r Â ] against the others' old policies, with a
critic that sees the state. With several epochs the unclipped ratio takes part in all but the first.

Reference: Papoudakis et al., 2021, arXiv:2006.07869.

Differences from the reference code: those of HAPPO; no parameters are shared unless asked for.
"""

from dataclasses import dataclass

from hamlet.haml.drift import ZeroDrift
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.on_policy import ActorOptions, CreditOptions


@dataclass(frozen=True, kw_only=True)
class Maa2cOptions(ActorOptions, CreditOptions):
    """Hyperparameters of MAA2C."""


@algorithm(Maa2cOptions)
def maa2c(options: Maa2cOptions) -> Haml:
    """MAA2C: unclipped ratios, everyone at once, a critic of the state."""
    return options.declare(
        drift=ZeroDrift(),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Simultaneous(),
    )
