"""Multi-agent trust region learning (MATRL), for general-sum games of two to ten agents.

MATRL is an on-policy algorithm for agents with different rewards. In every iteration it solves a small game to find
policy updates that are stable against the other agents' updates. Choose it when independent learners are unstable
because the agents' interests conflict.

Each agent has its own reward and its own critic. An iteration has three steps:

1. Every agent predicts the policy update that it would make alone (`hamlet.algorithms.il`).
2. In the meta-game, each agent either keeps its policy or takes the predicted one. MATRL estimates the payoffs from the
   current batch and solves this game for a Nash equilibrium, which is a mixture of current and predicted policies.
3. Every agent makes a best-response update to this mixture, starting from its current policy.

`hamlet.haml.meta_game` has the equations.

Reference: Wen et al., 2021, arXiv:2106.06828, algorithm 2 and tables 3, 5 and 6.

Differences from the reference code, which differs from the paper:

* A payoff is the mean of advantage times ratios. The reference code multiplies the mean advantage by the mean ratios.
* In games of three or more agents, the reference code uses one agent's policy in place of another's. Here each agent's
  own policy is used.
* The response is to the mixture, with one weight for every step.
* The equilibrium is computed directly instead of by CMA-ES.
* The differences that the page of `il` lists apply here too.
"""

from hamlet.haml.meta_game import Nash
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.meta_game import ResponseOptions


@algorithm(ResponseOptions)
def matrl(options: ResponseOptions) -> Haml:
    """MATRL: independent learners that best-respond to the equilibrium of a meta-game, general-sum games."""
    return options.respond(Nash())
