"""Heterogeneous-agent trust region policy optimisation (HATRPO).

HATRPO is TRPO for a team that shares one reward. Agents are updated sequentially, each by one natural-gradient step
that stays within a KL trust region. Choose it instead of HAPPO when an exact bound on the size of each policy update
matters more than time per iteration.

In the template of HAML, HATRPO has no drift, and its neighbourhood is the ball E[KL(π‖π̄)] ≤ δ. Agent i_m, the m-th in
a new random order, takes one natural-gradient step on

    E[ r·M Â ],   r = π̄(a|o)/π(a|o),   M = ∏_{j<m} π_new(aʲ|oʲ)/π_old(aʲ|oʲ),

where π is the agent's old policy, π̄ its new policy, o its observation, a its action, M the product of the ratios of
the earlier agents and Â the team's advantage. A line search shortens the step until the exact divergence is at most δ
and the objective has increased. If no step of the line search satisfies both, the agent keeps its policy
(`hamlet.haml.neighbourhood.KlBall`). With one agent HATRPO is TRPO.

References: Kuba et al., 2022, arXiv:2109.11251, algorithm 2; Schulman et al., 2015, arXiv:1502.05477.

Differences from the reference code:

* The divergence is the Kullback–Leibler divergence for discrete policies too. The quantity in the reference code is 5
  to 18 times too large.
* Fisher-vector products come from one linearisation instead of a second backward pass for each product.
* A rejected step is counted (`actor/line_search_failed`).
* The differences that the page of HAPPO lists apply here too.
"""

from dataclasses import dataclass

from hamlet.haml.drift import ZeroDrift
from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.on_policy import CreditOptions, TrustRegionOptions


@dataclass(frozen=True, kw_only=True)
class HatrpoOptions(TrustRegionOptions, OrderOptions, CreditOptions):
    """Hyperparameters of HATRPO.

    Attributes:
        learning_rate_decay: "none", or "linear": the critic's learning rate decays to 0 over the run.
    """


@algorithm(HatrpoOptions)
def hatrpo(options: HatrpoOptions) -> Haml:
    """HATRPO: TRPO with sequential updates of the agents, centralised critic."""
    return options.declare(drift=ZeroDrift(), neighbourhood=options.ball(), scheme=Sequential(options.order))
