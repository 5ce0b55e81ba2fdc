"""Independent learners with policy prediction (IL-PP): best responses to the predicted policies of the other agents.

IL-PP is an on-policy algorithm for general-sum games. Each agent predicts the next policies of the other agents and
responds to these predictions. Choose it as the ablation of MATRL without the meta-game.

IL-PP is `matrl` with ρ = 0: every agent is assumed to take its predicted update (ρ is the probability of keeping the
current policy). `hamlet.haml.meta_game` has the equations; no game is solved.

Reference: Zhang and Lesser, 2010 (policy prediction); Wen et al., 2021, arXiv:2106.06828 (MATRL),
section 5 and tables 3, 5 and 6, where it is an ablation.

Differences from the reference code: the differences that the page of `matrl` lists.
"""

from hamlet.haml.meta_game import Forced
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.meta_game import ResponseOptions


@algorithm(ResponseOptions)
def il_pp(options: ResponseOptions) -> Haml:
    """IL-PP: each agent predicts the other agents' next policies and best-responds to them."""
    return options.respond(Forced(0.0))
