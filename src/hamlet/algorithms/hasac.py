"""Heterogeneous-agent soft actor-critic (HASAC).

HASAC is SAC for a team that shares one reward: off-policy, with stochastic policies that maximise the return plus their
entropy, and two centralised critics. Choose it for discrete or continuous actions when environment steps are expensive
and exploration matters.

The team maximises J = E Σ γᵗ [ r + Σᵢ αⁱ H(πⁱ(·|oⁱ)) ], where γ is the discount, r the reward, H the entropy of agent
i's policy πⁱ at its observation oⁱ, and αⁱ its temperature. Two critics Qₖ minimise (Qₖ(s, a) − y)² on replayed steps,

    y = r + γ ( min_k Q̂_k(s′, a′) − Σᵢ αⁱ log πⁱ(a′ⁱ|o′ⁱ) ),   a′ ~ π,

where s is the state, a the joint action, Q̂_k the target critics, and a prime marks the next step. Agents are updated
sequentially in a new random order i₁, …, i_n. Agent i_m maximises, through a reparameterised sample of its own action,

    E[ min_k Q_k(s, a_new^{i_1…i_{m−1}}, a^{i_m}, a_old^{i_{m+1}…i_n}) − α^{i_m} log π^{i_m}(a^{i_m}|o^{i_m}) ].

* Policies are tanh-normal over a Box and categorical over discrete actions (straight-through samples).
* The policies converge to a quantal response equilibrium: πⁱ ∝ exp(E[Q]/αⁱ).
* Each αⁱ is learned so that the entropy of policy i stays at its target, c·log|A| for |A| discrete actions.
* A target of c·log|A| limits how deterministic a policy can become. With five actions, the most probable action has
  probability at most 0.90 at c = 0.3, and 0.31 at the published c = 0.98.

With one agent HASAC is SAC.

References: Liu et al., 2024 (HASAC), arXiv:2306.10715; Haarnoja et al., 2018, arXiv:1812.05905; Jang et al., 2017,
arXiv:1611.01144.

Differences from the reference code:

* Its entropy target for discrete actions is 0 by an oversight, which drives α to 0.
* Its critic has a separate temperature. Here the critic uses each agent's temperature.
* Its tanh-normal actions scale with the upper bound only. Here they use both bounds of each entry.
* With discrete actions, −H replaces log π: it is the mean of log π.
* Batches are sampled with replacement.

As in the reference code, n-step returns leave out the entropies between the first and the last step. Keep ``n_step`` at
1 unless α is small.
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
    """HASAC: SAC with sequential updates of the agents, off-policy, discrete and continuous actions."""
    return options.soft(Sequential(options.order))
