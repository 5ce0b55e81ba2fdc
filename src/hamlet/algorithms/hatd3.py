"""Heterogeneous-agent twin delayed deterministic policy gradient (HATD3).

HADDPG with three changes. Critics, two of them, bootstrap from the lesser value at smoothed target actions,

    y = r + γ min_k Q̂_k(s′, clip(μ̂(o′) + ε, low, high)),   ε ~ clip(N(0, σ̃²), −c, c),

and actors move, with all targets, once in ``policy_delay`` updates: one after another in a fresh random order, agent
i_m climbing Q₁(s, μ_new^{i_1…i_{m−1}}, μ^{i_m}, μ_old^{i_{m+1}…i_n}). With one agent it is TD3.

References: Zhong et al., 2024 (HARL), arXiv:2304.09870, algorithm 7; Fujimoto et al., 2018, arXiv:1802.09477.

Differences from the reference code: (1) samples are drawn with replacement, at a cost that does not grow with the
buffer; (2) critics take actions in units of half of the distance between their bounds; (3) steps of the warm-up count
as environment steps; (4) noise of the targets is drawn for each entry within its own bounds.
"""

from dataclasses import dataclass

from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.replay import TwinOptions


@dataclass(frozen=True, kw_only=True)
class Hatd3Options(OrderOptions, TwinOptions):
    """Hyperparameters of HATD3."""


@algorithm(Hatd3Options)
def hatd3(options: Hatd3Options) -> Haml:
    """HATD3: twin critics, smoothed targets, delayed deterministic actors, one after another."""
    return options.climb(options.smoothed(), Sequential(options.order))
