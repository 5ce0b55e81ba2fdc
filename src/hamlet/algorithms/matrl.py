"""Multi-agent trust region learning (MATRL), for general-sum games of two to ten agents.

Every agent predicts the step that it would take alone (`hamlet.algorithms.il`). The game in which each either keeps its
policy or takes the predicted one is solved for a Nash equilibrium, from the same batch; everybody then best-responds,
from its current policy, to the mixture that is this equilibrium. The equations stand in `hamlet.haml.meta_game`. Each
agent keeps its own reward and its own critic.

Reference: Wen et al., 2021, arXiv:2106.06828, algorithm 2 and tables 3, 5 and 6.

Differences from the reference code, which differs from the paper: a payoff is the mean of advantage times ratios, and
not the product of their means; in games of three and more agents no policy is taken for another; the response is to
the mixture, with a weight for every step; what `il` lists. The equilibrium is found directly rather than by CMA-ES.
"""

from hamlet.haml.meta_game import Nash
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.meta_game import ResponseOptions


@algorithm(ResponseOptions)
def matrl(options: ResponseOptions) -> Haml:
    """MATRL: predict, solve the meta-game, best-respond to its equilibrium."""
    return options.respond(Nash())
