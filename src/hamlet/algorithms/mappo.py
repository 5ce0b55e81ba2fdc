"""Multi-agent proximal policy optimisation (MAPPO).

MAPPO is PPO for a team that shares one reward: all agents are updated simultaneously, and a centralised critic predicts
returns from the state. Choose it as the standard on-policy baseline for cooperative tasks, especially for many similar
agents that can share parameters.

MAPPO is HAPPO with the scheme `Simultaneous` instead of `Sequential`. Every agent maximises

    E[ min(r Â, clip(r, 1 − ε, 1 + ε) Â) ],   r = π̄(a|o)/π(a|o),

where π is the agent's old policy, π̄ its new policy, o its observation, a its action, Â the team's advantage and ε the
clipping range. Each agent optimises against the old policies of the other agents: HAPPO's product of ratios M is 1. The
theory does not guarantee that such a joint update improves the return.

Reference: Yu et al., 2022, arXiv:2103.01955. In the publication, agents with equal spaces share parameters
(`sharing="group"`, one minibatch over all their steps). Here no parameters are shared by default, as in all algorithms
of Hamlet.

Differences from the reference code: the differences that the page of HAPPO lists. In addition, the critic's state is
the state of the environment, without the features of individual agents.
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
    """MAPPO: PPO with simultaneous updates of the agents, centralised critic."""
    return options.declare(
        drift=ClipDrift(options.clip),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Simultaneous(),
    )
