"""Heterogeneous-agent proximal policy optimisation (HAPPO).

Agents move one after another in a fresh random order i₁, …, i_n. Agent i_m ascends

    E[ r·M Â − 𝔇 ],   r = π̄(a|o)/π(a|o),   M = ∏_{j<m} π_new(aʲ|oʲ)/π_old(aʲ|oʲ),
    𝔇 = max(0, (r − clip(r, 1 − ε, 1 + ε))·M Â),

which leaves PPO's clipped objective min(r·M Â, clip(r)·M Â). With one agent it is PPO.

References: Kuba et al., 2022 (HATRPO, HAPPO), arXiv:2109.11251; Kuba et al., 2022 (HAML), arXiv:2208.01682;
Zhong et al., 2024 (HARL), arXiv:2304.09870, appendix C.

Differences from the reference code: (1) a truncated step bootstraps from the final observation, where the
reference drops its reward; (2) the entropy bonus is a mean over the batch, which in the reference was a sum over it
for continuous actions until October 2024; (3) nothing is padded; (4) before it has seen a return, the normaliser of
values has deviation 1, where the reference's has 0.1. But for these, two iterations are the reference's number for
number (a test).
"""

from dataclasses import dataclass

from hamlet.haml.drift import ClipDrift
from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.on_policy import ActorOptions, ClipOptions, CreditOptions


@dataclass(frozen=True, kw_only=True)
class HappoOptions(ClipOptions, ActorOptions, OrderOptions, CreditOptions):
    """Hyperparameters of HAPPO."""


@algorithm(HappoOptions)
def happo(options: HappoOptions) -> Haml:
    """HAPPO: clipped ratios, agents one after another."""
    return options.declare(
        drift=ClipDrift(options.clip),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Sequential(options.order),
    )
