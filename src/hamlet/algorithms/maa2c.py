"""Multi-agent advantage actor-critic (MAA2C).

MAA2C is A2C for a team that shares one reward: all agents are updated simultaneously, and a centralised critic predicts
returns from the state. Choose it as the simplest on-policy baseline; MAPPO limits the size of an update, MAA2C does
not.

MAA2C is HAA2C with the scheme `Simultaneous` instead of `Sequential`. Every agent maximises

    E[ r Â ],   r = π̄(a|o)/π(a|o),

where π is the agent's old policy, π̄ its new policy, o its observation, a its action and Â the team's advantage. Each
agent optimises against the old policies of the other agents. With several epochs, only the first epoch is the plain
policy gradient; the later epochs use the unclipped ratio.

Reference: Papoudakis et al., 2021, arXiv:2006.07869.

Differences from the reference code: the differences that the page of HAPPO lists. In addition, no parameters are shared
by default.
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
    """MAA2C: A2C with simultaneous updates of the agents, centralised critic."""
    return options.declare(
        drift=ZeroDrift(),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Simultaneous(),
    )
