"""Heterogeneous-agent advantage actor-critic (HAA2C).

HAA2C is A2C for a team that shares one reward. Agents are updated sequentially by policy-gradient ascent without
clipping. Choose it as the simplest on-policy baseline with sequential updates; HAPPO limits the size of an update,
HAA2C does not.

In the template of HAML, HAA2C has no drift, and its neighbourhood is the whole policy space. Agent i_m, the m-th in a
new random order, maximises

    E[ r·M Â ],   r = π̄(a|o)/π(a|o),   M = ∏_{j<m} π_new(aʲ|oʲ)/π_old(aʲ|oʲ),

where π is the agent's old policy, π̄ its new policy, o its observation, a its action, M the product of the ratios of
the earlier agents and Â the team's advantage. With one agent, one epoch and one minibatch HAA2C is A2C.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, section 4.3 and appendix G; Mnih et al., 2016,
arXiv:1602.01783.

Differences from the reference code: the differences that the page of HAPPO lists apply here too. As in the reference
code, several epochs use the unclipped ratio (the paper's "a2c epoch" is 5). Only the first epoch is then the plain
policy gradient.
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
    """HAA2C: A2C with sequential updates of the agents, centralised critic."""
    return options.declare(
        drift=ZeroDrift(),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Sequential(options.order),
    )
