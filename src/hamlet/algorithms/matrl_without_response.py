"""MATRL without the best response: every agent moves to the meta-game's equilibrium itself.

This is an ablation of MATRL ("MATRL w/o BR") for general-sum games. Choose it to measure what the best response of
`matrl` contributes.

It predicts updates and solves the meta-game like `matrl`. Each agent then moves to the equilibrium mixture of its
current and its predicted policy. No network represents a mixture of two networks' probabilities exactly. Therefore the
parameters are mixed, θ ← ρ θ + (1 − ρ) θ̂, as in the released code: θ are the current parameters, θ̂ the predicted
ones, and ρ is the equilibrium probability of keeping the policy (`hamlet.haml.meta_game.MetaStep`).

Reference: Wen et al., 2021, arXiv:2106.06828 (MATRL), section 5 and tables 3, 5 and 6, where it is an
ablation, "MATRL w/o BR".

Differences from the reference code: the differences that the page of `matrl` lists. In addition, the parameters of the
critics are not mixed.
"""

from hamlet.haml.meta_game import MetaStep, Nash
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.meta_game import MetaGameOptions


@algorithm(MetaGameOptions)
def matrl_without_response(options: MetaGameOptions) -> Haml:
    """MATRL without the best response: agents move to the equilibrium of the meta-game, general-sum games."""
    return options.declare(neighbourhood=options.ascent(), scheme=MetaStep(options.meta_game(Nash())))
