"""Value-decomposition networks (VDN).

The team's value is the sum of its agents' values, and predicts the team's reward:

    Σᵢ Qⁱ(τⁱ, aⁱ) → R + γ Σᵢ Q̂ⁱ(τ′ⁱ, argmax Qⁱ(τ′ⁱ, ·)).

The agents' best choices together are then best for the sum. What is no sum is learnt as the nearest one: in the
climbing game of `matrix/climbing`, with even play, −6.2, −4.9 and −3.6 where the payoffs are 8, −12 and 0.

Differences from the first published code: (1) agents see neither their last action nor their number, and share no
parameters unless asked to; (2) play goes on from episode to episode, and an update is made after so many steps rather
than episodes; (3) episodes are drawn with replacement, at a cost that does not grow with the buffer; (4) an episode cut
by a limit of time bootstraps from its final view; (5) absent agents count 0; (6) agents of unlike spaces are not
padded; (7) the recurrent unit begins by keeping more of its memory (`hamlet.networks.torso`).

Reference: Sunehag et al., 2018, arXiv:1706.05296; settings of Rashid et al., 2018, arXiv:1803.11485.
"""

from hamlet.hyperparameters.episodes import GreedyOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.base import Sum


@algorithm(GreedyOptions)
def vdn(options: GreedyOptions) -> Decomposition:
    """VDN: the team's value is the sum of its agents' values."""
    return options.mixed(Sum())
