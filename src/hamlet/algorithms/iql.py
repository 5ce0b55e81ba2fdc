"""Independent Q-learning (IQL).

Every agent learns the values of its own choices from its own rewards, as if it were alone; the others are a part of its
environment, which moves as they learn:

    Qⁱ(τⁱ, aⁱ) → rⁱ + γ Q̂ⁱ(τ′ⁱ, argmax Qⁱ(τ′ⁱ, ·)).

It is the decomposition in which nothing is decomposed, and shares the rest with `vdn` and `qmix`: recurrent values,
whole episodes replayed, double Q-learning. One clip bounds the gradient of all agents together.

Differences from the first published code: (1) agents see neither their last action nor their number, and share no
parameters unless asked to; (2) play goes on from episode to episode, and an update is made after so many steps rather
than episodes; (3) episodes are drawn with replacement, at a cost that does not grow with the buffer; (4) an episode cut
by a limit of time bootstraps from its final view; (5) absent agents count 0; (6) agents of unlike spaces are not
padded; (7) the recurrent unit begins by keeping more of its memory (`hamlet.networks.torso`); (8) an agent that is
truncated while others play on counts as terminated, which replayed steps do not tell apart.

References: Tan, 1993; Rashid et al., 2018, arXiv:1803.11485 (as the baseline there).
"""

from hamlet.hyperparameters.episodes import GreedyOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.base import IndependentMixer


@algorithm(GreedyOptions)
def iql(options: GreedyOptions) -> Decomposition:
    """IQL: every agent its own Q-learner."""
    return options.mixed(IndependentMixer())
