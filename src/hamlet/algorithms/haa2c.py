"""Heterogeneous-agent advantage actor-critic (HAA2C).

The template with no drift and the whole policy space as neighbourhood: agent i_m ascends E[ r·M Â ], with M the
ratios of those that moved before. With one agent, one epoch and one minibatch it is A2C.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, section 4.3 and appendix G; Mnih et al., 2016,
arXiv:1602.01783.

Differences from the reference code: those of HAPPO. Like it, several epochs use the unclipped ratio (the paper's
"a2c epoch" is 5), so that only the first of them is the plain policy gradient.
"""

from dataclasses import dataclass

from hamlet.haml.drift import ZeroDrift
from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.on_policy import ActorOptions, CreditOptions


@dataclass(frozen=True, kw_only=True)
class Haa2cOptions(ActorOptions, OrderOptions, CreditOptions):
    """Hyperparameters of HAA2C."""


@algorithm(Haa2cOptions)
def haa2c(options: Haa2cOptions) -> Haml:
    """HAA2C: unclipped ratios, agents one after another."""
    return options.declare(
        drift=ZeroDrift(),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Sequential(options.order),
    )
