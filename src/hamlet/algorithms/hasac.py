"""Heterogeneous-agent soft actor-critic (HASAC).

The team maximises J = E Σ γᵗ [ r + Σᵢ αⁱ H(πⁱ(·|oⁱ)) ]. Two critics descend (Qₖ(s, a) − y)² on replayed steps,

    y = r + γ ( min_k Q̂_k(s′, a′) − Σᵢ αⁱ log πⁱ(a′ⁱ|o′ⁱ) ),   a′ ~ π,

and agents move one after another in a fresh random order; agent i_m climbs, through a sample of its own action,

    E[ min_k Q_k(s, a_new^{i_1…i_{m−1}}, a^{i_m}, a_old^{i_{m+1}…i_n}) − α^{i_m} log π^{i_m}(a^{i_m}|o^{i_m}) ].

Policies are tanh-normal over a Box, categorical over choices (straight-through samples). At rest they are a quantal
response equilibrium: πⁱ ∝ exp(E[Q]/αⁱ). Each αⁱ is learnt so that the entropy stays at its target. A target of
c·log|A| bounds how sure a policy can be: with five actions the best has probability 0.90 at most at c = 0.3, and 0.31
at the published c = 0.98. With one agent it is SAC.

References: Liu et al., 2024 (HASAC), arXiv:2306.10715; Haarnoja et al., 2018, arXiv:1812.05905; Jang et al., 2017,
arXiv:1611.01144.

Differences from the reference code: (1) its target for choices is 0 by an oversight, which drives α to 0; (2) its
critic has a temperature of its own, ours takes each agent's; (3) its tanh-normal actions span the upper bound only,
ours each entry's bounds; (4) with choices −H stands for log π, which is its mean; (5) with n steps the entropies
between the first and the last are left out, as there: keep ``n_step`` at 1 where α is not small; (6) samples are drawn
with replacement.
"""

from dataclasses import dataclass

from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import SoftOptions


@dataclass(frozen=True, kw_only=True)
class HasacOptions(OrderOptions, SoftOptions):
    """Hyperparameters of HASAC."""


@algorithm(HasacOptions)
def hasac(options: HasacOptions) -> Haml:
    """HASAC: stochastic actors that climb twin critics and their own entropy, one after another."""
    return options.soft(Sequential(options.order))
