"""Value-decomposition networks (VDN).

VDN learns a team value that is the sum of the agents' own action values. It is off-policy and needs discrete actions.
Choose it as the simplest method of value decomposition for a team that shares one reward.

    Σᵢ Qⁱ(τⁱ, aⁱ) → R + γ Σᵢ Q̂ⁱ(τ′ⁱ, argmax Qⁱ(τ′ⁱ, ·))

Here Qⁱ is the value network of agent i and Q̂ⁱ its target network, τⁱ and τ′ⁱ are its histories of observations before
and after the step, aⁱ is its action, R the team's reward and γ the discount.

The joint action of the agents' best actions maximises the sum. VDN cannot represent a value that is not a sum; it then
learns the nearest sum. In the climbing game `matrix/climbing` with uniform play, it learns −6.2, −4.9 and −3.6 where
the payoffs are 8, −12 and 0.

Differences from the first published code:

* Agents observe neither their last action nor their index, and share no parameters by default.
* The environment copies continue across rollouts. Updates follow a number of steps, not a number of episodes.
* Episodes are sampled with replacement. The cost of this does not grow with the buffer.
* An episode that is truncated (cut off by a time limit) bootstraps from its final observation.
* The values of inactive agents count as 0.
* Agents with different spaces are not padded.
* The GRU initially keeps more of its state (`hamlet.networks.torso`).

Reference: Sunehag et al., 2018, arXiv:1706.05296; settings of Rashid et al., 2018, arXiv:1803.11485.
"""

from hamlet.hyperparameters.episodes import GreedyOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.base import Sum


@algorithm(GreedyOptions)
def vdn(options: GreedyOptions) -> Decomposition:
    """VDN: the team value is the sum of the agents' values, off-policy, discrete actions."""
    return options.mixed(Sum())
