"""QMIX: monotonic value mixing.

QMIX learns a team value that increases with every agent's own action value. It is off-policy and needs discrete
actions. Choose it as the standard method of value decomposition for a team that shares one reward, when the best action
of an agent does not depend on the other agents' actions.

Networks that receive the state (hypernetworks) produce the weights of the mixing:

    Q(s, a) = |w₂(s)| · ELU( |W₁(s)| (Q¹, …, Qⁿ) + b₁(s) ) + V(s),      so that  ∂Q/∂Qⁱ ≥ 0.

Here s is the state, a the joint action, Qⁱ the value of agent i's action, W₁ and w₂ are weights, b₁ and V offsets.

The joint action of the agents' best actions therefore maximises Q. QMIX represents more functions than `vdn`, but not
all: when an action is good or bad depending on the other agents' actions, no such Q fits. (In `matrix/climbing` the
best fit has the right maximum, but training does not find it.)

Differences from the first published code:

* Agents observe neither their last action nor their index, and share no parameters by default.
* The environment copies continue across rollouts. Updates follow a number of steps, not a number of episodes.
* Episodes are sampled with replacement. The cost of this does not grow with the buffer.
* An episode that is truncated (cut off by a time limit) bootstraps from its final observation.
* The values of inactive agents count as 0.
* Agents with different spaces are not padded.
* The GRU initially keeps more of its state (`hamlet.networks.torso`).

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
        mixing_width: Width of the mixing network's hidden layer.
        hypernetwork_hidden: Width of the hidden layers of the hypernetworks, which produce the mixing weights.
    """

    mixing_width: int = 32
    hypernetwork_hidden: int = 64


@algorithm(QmixOptions)
def qmix(options: QmixOptions) -> Decomposition:
    """QMIX: the team value is a monotonic function of the agents' values, off-policy, discrete actions."""
    return options.mixed(Monotonic(embedding=options.mixing_width, hidden=options.hypernetwork_hidden))
