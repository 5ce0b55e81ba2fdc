"""QPLEX: duplex duelling values.

The team's value is the agents' best values together, less what each agent's choice is behind its best, as much as
that matters:

    Q_tot(s, a) = Σᵢ V̄ᵢ + Σᵢ λᵢ(s, a) Āᵢ,   V̄ᵢ = max Q̄ᵢ,   Āᵢ = Q̄ᵢ(aᵢ) − V̄ᵢ ≤ 0,   Q̄ᵢ = wᵢ(s) Qᵢ + bᵢ(s),
    λᵢ(s, a) = Σₖ |keyₖ(s)| σ(agentₖᵢ(s)) σ(actionₖᵢ(s, a)) > 0.

The agents' best choices together are best for it, and every joint value of which that is true is such a Q_tot: with λ
= 1 it is a sum (`vdn`, weighted), with λ of the joint action, anything. To change what seems best, the values of
choices have to cross, and before they do so λ of everything else must grow as the distance shrinks. How soon it does
is a matter of its networks: of three layers, as published for matrix games (the default), it takes thousands of
updates in `matrix/climbing`, of one layer more than tens of thousands. `hamlet.networks.mixers.qplex` has the form.

Differences from the reference code: what `qmix` says of (1) to (7), and (8) all K kernels of a kind are one network
with K outputs an agent; (9) what is unavailable is left out of the maximum; (10) wᵢ is the state's alone, without
attention over what agents see.

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
        hypernetwork_hidden: Width of the hidden layers of all networks of the state.
        kernels: K, products of which an agent's importance λ is the sum.
        importance_layers: Linear maps in each network of λ; 1 for none hidden.
    """

    hypernetwork_hidden: int = 64
    kernels: int = 10
    importance_layers: int = 3


@algorithm(QplexOptions)
def qplex(options: QplexOptions) -> Decomposition:
    """QPLEX: the team's value is what agents' choices are behind their best, as much as each matters."""
    return options.mixed(
        Duplex(kernels=options.kernels, layers=options.importance_layers, hidden=options.hypernetwork_hidden)
    )
