"""Heterogeneous-agent trust region policy optimisation (HATRPO).

The template with no drift and the ball E[KL(π‖π̄)] ≤ δ as neighbourhood: agent i_m takes one natural-gradient step on
E[ r·M Â ], shortened until the exact divergence is within δ and the gain is real, or none at all
(`hamlet.haml.neighbourhood.KlBall`). With one agent it is TRPO.

References: Kuba et al., 2022, arXiv:2109.11251, algorithm 2; Schulman et al., 2015, arXiv:1502.05477.

Differences from the reference code: the divergence is the Kullback–Leibler divergence for discrete policies too (the
reference's is 5 to 18 times too large); Fisher products come from one linearisation rather than a second backward
pass each; a rejected step is counted; and those of HAPPO.
"""

from dataclasses import dataclass

from hamlet.haml.drift import ZeroDrift
from hamlet.haml.scheme import Sequential
from hamlet.haml.template import Haml
from hamlet.hyperparameters.all_algorithms import OrderOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.on_policy import CreditOptions, TrustRegionOptions


@dataclass(frozen=True, kw_only=True)
class HatrpoOptions(TrustRegionOptions, OrderOptions, CreditOptions):
    """Hyperparameters of HATRPO.

    Attributes:
        learning_rate_decay: "none", or "linear": its learning rate falls to 0 over the run.
    """


@algorithm(HatrpoOptions)
def hatrpo(options: HatrpoOptions) -> Haml:
    """HATRPO: natural-gradient steps within a KL ball, agents one after another."""
    return options.declare(drift=ZeroDrift(), neighbourhood=options.ball(), scheme=Sequential(options.order))
