"""QTRAN-base.

QTRAN learns an unrestricted value of joint actions, and the agents' own values agree with it at their best actions. It
is off-policy and needs discrete actions. Choose it for small cooperative tasks that `vdn` and `qmix` cannot represent.
On large problems other methods are better, because training satisfies the two conditions only approximately.

    L = (Q̂(s, a) − y)² + c_opt (Σᵢ Qᵢ(ūᵢ) − ⌊Q̂(s, ū)⌋ + V(s))² + c_nopt min(0, Σᵢ Qᵢ(aᵢ) − ⌊Q̂(s, a)⌋ + V(s))²

Here Q̂ is the joint value of state s and joint action a, y its target, Qᵢ the values of agent i, ū the agents' own best
actions, and V(s) a correction for the part of the state that the agents do not observe. No gradient passes through ⌊·⌋.
c_opt and c_nopt are weights.

The second term asks for equality at ū, the third that the sum is nowhere below Q̂. If both hold, ū maximises Q̂ too.
QTRAN can therefore represent every joint value for which decentralised greedy actions are optimal. How well training
satisfies the conditions depends on the weights and on how often a joint action is visited.

By default the joint value receives the encoded actions, Q̂(s, Σᵢ f(hᵢ, aᵢ)), where hᵢ are the features of agent i's
network and f an encoder. This works for any number of agents. ``joint="exact"`` instead has one output for each joint
action and receives only the state. `hamlet.networks.mixers.qtran` has both.

Differences from the reference code: the differences that the page of `qmix` lists. In addition, all encoders f have one
output width, so that the encodings of heterogeneous agents can be added.

Reference: Son et al., 2019, arXiv:1905.05408.
"""

from dataclasses import dataclass
from typing import Literal

from hamlet.hyperparameters.episodes import GreedyOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.qtran import Qtran


@dataclass(frozen=True, kw_only=True)
class QtranOptions(GreedyOptions):
    """Hyperparameters of QTRAN-base.

    Attributes:
        opt: Weight c_opt of the loss that makes the sum of values equal the joint value at the greedy joint action.
        nopt: Weight c_nopt of the loss that keeps the sum of values at least the joint value at other joint actions.
        joint: "encoded": the joint value receives encoded actions; "exact": it has one output for each joint action.
        mixing_width: Width of the joint value's hidden layers and of the action encodings.
    """

    opt: float = 1.0
    nopt: float = 0.1
    joint: Literal["encoded", "exact"] = "encoded"
    mixing_width: int = 64


@algorithm(QtranOptions)
def qtran(options: QtranOptions) -> Decomposition:
    """QTRAN-base: the agents' values follow an unrestricted joint value, off-policy, discrete actions."""
    mixer = Qtran(opt=options.opt, nopt=options.nopt, kind=options.joint, hidden=options.mixing_width)
    return options.mixed(mixer)
