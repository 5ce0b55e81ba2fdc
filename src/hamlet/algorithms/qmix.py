"""QMIX: monotonic value mixing.

The team's value rises with every agent's own, by weights that networks of the state give:

    Q(s, a) = |w₂(s)| · ELU( |W₁(s)| (Q¹, …, Qⁿ) + b₁(s) ) + V(s),      so that  ∂Q/∂Qⁱ ≥ 0.

The agents' best choices together are then best for the team. It can say more than `vdn`, and not everything: where a
choice is good or bad according to what others do, no such Q fits. (In `matrix/climbing` the best fit has the right
maximum, and what is trained does not find it.)

Differences from the first published code: (1) agents see neither their last action nor their number, and share no
parameters unless asked to; (2) play goes on from episode to episode, and an update is made after so many steps rather
than episodes; (3) episodes are drawn with replacement, at a cost that does not grow with the buffer; (4) an episode cut
by a limit of time bootstraps from its final view; (5) absent agents count 0; (6) agents of unlike spaces are not
padded; (7) the recurrent unit begins by keeping more of its memory (`hamlet.networks.torso`).

Reference: Rashid et al., 2018, arXiv:1803.11485.
"""

from dataclasses import dataclass

from hamlet.hyperparameters.episodes import GreedyOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.base import Monotonic


@dataclass(frozen=True, kw_only=True)
class QmixOptions(GreedyOptions):
    """Hyperparameters of QMIX.

    Attributes:
        mixing_width: Width of the layer that values are mixed in.
        hypernetwork_hidden: Width of the networks that give the weights of the mixing.
    """

    mixing_width: int = 32
    hypernetwork_hidden: int = 64


@algorithm(QmixOptions)
def qmix(options: QmixOptions) -> Decomposition:
    """QMIX: the team's value rises with every agent's."""
    return options.mixed(Monotonic(embedding=options.mixing_width, hidden=options.hypernetwork_hidden))
