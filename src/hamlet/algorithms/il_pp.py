"""Independent learners with policy prediction (IL-PP): best responses to what the others would do next.

MATRL without its meta-game: everyone is taken to make the predicted step (ρ = 0). The mechanism is that of
`hamlet.haml.meta_game`, with nothing solved.

Reference: Zhang and Lesser, 2010 (policy prediction); Wen et al., 2021, arXiv:2106.06828 (MATRL),
section 5 and tables 3, 5 and 6, where it is an ablation.

Differences from the reference code: those of `matrl`.
"""

from hamlet.haml.meta_game import Forced
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.meta_game import ResponseOptions


@algorithm(ResponseOptions)
def il_pp(options: ResponseOptions) -> Haml:
    """IL-PP: predict, best-respond to the predictions."""
    return options.respond(Forced(0.0))
