"""Independent Q-learning (IQL).

In IQL every agent learns the values of its own actions from its own rewards, as if the other agents were part of the
environment. It is off-policy and needs discrete actions. Choose it as the baseline without centralised training; it
also runs in general-sum games. The agent's environment changes while the other agents learn.

    Qⁱ(τⁱ, aⁱ) → rⁱ + γ Q̂ⁱ(τ′ⁱ, argmax Qⁱ(τ′ⁱ, ·))

Here Qⁱ is the value network of agent i and Q̂ⁱ its target network, τⁱ and τ′ⁱ are its histories of observations before
and after the step, aⁱ is its action, rⁱ its reward and γ the discount.

IQL shares everything except a mixer with `vdn` and `qmix`: recurrent values, replay of whole episodes, and double
Q-learning. The gradient of all agents together is clipped by one norm.

Differences from the first published code:

* Agents observe neither their last action nor their index, and share no parameters by default.
* The environment copies continue across rollouts. Updates follow a number of steps, not a number of episodes.
* Episodes are sampled with replacement. The cost of this does not grow with the buffer.
* An episode that is truncated (cut off by a time limit) bootstraps from its final observation.
* The values of inactive agents count as 0.
* Agents with different spaces are not padded.
* The GRU initially keeps more of its state (`hamlet.networks.torso`).
* Replayed steps do not distinguish termination and truncation of a single agent. An agent that is truncated while other
  agents continue counts as terminated.

References: Tan, 1993; Rashid et al., 2018, arXiv:1803.11485 (as the baseline there).
"""

from hamlet.hyperparameters.episodes import GreedyOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.base import IndependentMixer


@algorithm(GreedyOptions)
def iql(options: GreedyOptions) -> Decomposition:
    """IQL: independent Q-learning with recurrent values, off-policy, discrete actions."""
    return options.mixed(IndependentMixer())
