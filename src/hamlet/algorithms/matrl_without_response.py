"""MATRL without the best response: everyone goes to the meta-game's equilibrium itself.

With networks that is a mixture of parameters, θ ← ρ θ + (1 − ρ) θ̂, as in the released code, and no mixture of
probabilities, for which there is no network (`hamlet.haml.meta_game.MetaStep`).

Reference: Wen et al., 2021, arXiv:2106.06828 (MATRL), section 5 and tables 3, 5 and 6, where it is an
ablation, "MATRL w/o BR".

Differences from the reference code: those of `matrl`; critics are not mixed.
"""

from hamlet.haml.meta_game import MetaStep, Nash
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.meta_game import MetaGameOptions


@algorithm(MetaGameOptions)
def matrl_without_response(options: MetaGameOptions) -> Haml:
    """MATRL w/o BR: predict, solve the meta-game, take the mixture."""
    return options.declare(neighbourhood=options.ascent(), scheme=MetaStep(options.meta_game(Nash())))
