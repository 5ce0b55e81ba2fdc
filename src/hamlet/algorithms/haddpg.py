"""Heterogeneous-agent deep deterministic policy gradient (HADDPG).

The critic descends (Q(s, a) − y)² on replayed steps, y = r + γ Q̂(s′, μ̂(o′)) with slowly moving targets. Agents move one
after another in a fresh random order i₁, …, i_n; agent i_m climbs

    E_{s ~ replay}[ Q(s, μ_new^{i_1…i_{m−1}}(o), μ^{i_m}(o^{i_m}), μ_old^{i_{m+1}…i_n}(o)) ].

As a triple: no drift, the whole of the deterministic policies, the replay's distribution. With one agent it is DDPG.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, algorithm 6; Lillicrap et al., 2016, arXiv:1509.02971.

Differences from the reference code: (1) samples are drawn with replacement, at a cost that does not grow with the
buffer; (2) critics take actions in units of half of the distance between their bounds; (3) steps of the warm-up count
as environment steps.
"""

from dataclasses import dataclass

from hamlet.haml.pathwise import Pathwise
from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import DeterministicOptions


@dataclass(frozen=True, kw_only=True)
class HaddpgOptions(OrderOptions, DeterministicOptions):
    """Hyperparameters of HADDPG."""


@algorithm(HaddpgOptions)
def haddpg(options: HaddpgOptions) -> Haml:
    """HADDPG: a critic of the joint action, and deterministic actors that climb it one after another."""
    return options.climb(Pathwise(), Sequential(options.order))
