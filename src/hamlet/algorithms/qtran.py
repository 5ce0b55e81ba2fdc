"""QTRAN-base.

A joint value is learnt freely, and the agents' own values are made to agree with it where they are best:

    L = (Q̂(s, a) − y)² + c_opt (Σᵢ Qᵢ(ūᵢ) − ⌊Q̂(s, ū)⌋ + V(s))² + c_nopt min(0, Σᵢ Qᵢ(aᵢ) − ⌊Q̂(s, a)⌋ + V(s))²,

with ū the agents' own best choices. Where both conditions hold, ū is best for Q̂ too, so that every joint value that
decentralised agents can be greedy for is learnt, without any form that it must have. Conditions are met only about as
well as they are weighed and visited: on large problems others are ahead of it.

The joint value takes what agents do as its input, Q̂(s, Σᵢ f(hᵢ, aᵢ)), for any number of agents. ``joint="exact"``
has one output for each joint action instead, which sees the state alone. `hamlet.networks.mixers.qtran` has both.

Differences from the reference code: what `qmix` says of (1) to (7), and (8) all encodings f have one width, so that
those of unlike agents can be added.

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
        opt: c_opt, what it costs to differ from the joint value at the agents' own best choices.
        nopt: c_nopt, what it costs to be below it elsewhere.
        joint: Whether the joint value takes "encoded" choices, or has an output for each joint action, "exact".
        mixing_width: Width of the hidden layers of the joint value, and of what is encoded.
    """

    opt: float = 1.0
    nopt: float = 0.1
    joint: Literal["encoded", "exact"] = "encoded"
    mixing_width: int = 64


@algorithm(QtranOptions)
def qtran(options: QtranOptions) -> Decomposition:
    """QTRAN-base: the agents' values follow a joint one that is learnt freely."""
    mixer = Qtran(opt=options.opt, nopt=options.nopt, kind=options.joint, hidden=options.mixing_width)
    return options.mixed(mixer)
