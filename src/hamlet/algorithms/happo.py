"""Heterogeneous-agent proximal policy optimisation (HAPPO).

HAPPO is PPO for a team that shares one reward. It updates the agents sequentially, and each agent takes into account
how the earlier agents have changed their policies. Choose it for cooperative tasks with on-policy data, with discrete
or continuous actions; the agents may have different observation and action spaces.

In every iteration the agents are updated in a new random order i₁, …, i_n. Agent i_m maximises

    E[ r·M Â − 𝔇 ],   r = π̄(a|o)/π(a|o),   M = ∏_{j<m} π_new(aʲ|oʲ)/π_old(aʲ|oʲ),
    𝔇 = max(0, (r − clip(r, 1 − ε, 1 + ε))·M Â),

where

* π is the agent's policy before its update and π̄ the policy that is being optimised;
* r is the probability ratio of the agent's action a given its observation o;
* M is the product of the ratios of the agents that were updated earlier in this iteration;
* Â is the estimated advantage of the team;
* 𝔇 is the drift, a penalty for leaving the old policy, and ε is the clipping range.

The difference r·M Â − 𝔇 equals PPO's clipped objective min(r·M Â, clip(r)·M Â). With one agent HAPPO is PPO.

References: Kuba et al., 2022 (HATRPO, HAPPO), arXiv:2109.11251; Kuba et al., 2022 (HAML), arXiv:2208.01682;
Zhong et al., 2024 (HARL), arXiv:2304.09870, appendix C.

Differences from the reference code:

* A truncated step bootstraps from the final observation. The reference code drops the reward of that step.
* The entropy bonus is a mean over the batch. Until October 2024 the reference code summed it over the batch for
  continuous actions.
* Observations and actions are not padded.
* Before the first return, the normaliser of values has standard deviation 1; in the reference code it has 0.1.

Apart from these differences, two iterations equal those of the reference code (a test, to 10⁻⁴ of the largest number).
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
    """HAPPO: PPO with sequential updates of the agents, centralised critic."""
    return options.declare(
        drift=ClipDrift(options.clip),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Sequential(options.order),
    )
