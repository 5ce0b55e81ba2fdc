"""QPLEX: duplex duelling values.

QPLEX learns a team value from the agents' best values and from the loss when an agent deviates from its best action. It
is off-policy and needs discrete actions. Choose it for cooperative tasks that `vdn` and `qmix` cannot represent.

    Q_tot(s, a) = Σᵢ V̄ᵢ + Σᵢ λᵢ(s, a) Āᵢ,   V̄ᵢ = max Q̄ᵢ,   Āᵢ = Q̄ᵢ(aᵢ) − V̄ᵢ ≤ 0,   Q̄ᵢ = wᵢ(s) Qᵢ + bᵢ(s),
    λᵢ(s, a) = Σₖ |keyₖ(s)| σ(agentₖᵢ(s)) σ(actionₖᵢ(s, a)) > 0

Here s is the state, a the joint action, Qᵢ the values of agent i, wᵢ > 0 and bᵢ a scale and an offset from the state,
Āᵢ the agent's advantage, and λᵢ its importance. Networks of the state and the actions produce the K kernels key, agent
and action of λ; σ is the sigmoid.

The joint action of the agents' best actions maximises Q_tot. Conversely, QPLEX represents every joint value with this
property: λ = 1 gives a weighted sum (`vdn`), and λ of the joint action gives all other cases.

Learning can be slow. To change which action looks best, the values of two actions have to cross. Before they cross, the
λ of all other joint actions must grow while the difference of the values shrinks. The speed depends on the networks of
λ. With three layers, as published for matrix games (the default), `matrix/climbing` takes thousands of updates; with
one layer it takes more than tens of thousands. `hamlet.networks.mixers.qplex` has the exact form.

Differences from the reference code: the differences that the page of `qmix` lists. In addition:

* All K kernels of one kind are one network with K outputs per agent.
* Unavailable actions are left out of the maximum.
* wᵢ depends on the state only, without attention over the agents' observations.

Reference: Wang et al., 2021, arXiv:2008.01062.
"""

from dataclasses import dataclass

from hamlet.hyperparameters.episodes import GreedyOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.qplex import Duplex


@dataclass(frozen=True, kw_only=True)
class QplexOptions(GreedyOptions):
    """Hyperparameters of QPLEX.

    Attributes:
        hypernetwork_hidden: Width of the hidden layers of all networks that receive the state.
        kernels: Number K of products that are summed to an agent's importance λ.
        importance_layers: Number of linear layers in each network of λ; 1 for no hidden layer.
    """

    hypernetwork_hidden: int = 64
    kernels: int = 10
    importance_layers: int = 3


@algorithm(QplexOptions)
def qplex(options: QplexOptions) -> Decomposition:
    """QPLEX: duplex duelling value decomposition, off-policy, discrete actions."""
    return options.mixed(
        Duplex(kernels=options.kernels, layers=options.importance_layers, hidden=options.hypernetwork_hidden)
    )
