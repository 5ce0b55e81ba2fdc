"""Independent proximal policy optimisation (IPPO).

MAPPO whose critic sees each agent's observation: agent i ascends min(r Âⁱ, clip(r) Âⁱ) on its own reward, with its own
Vⁱ(oⁱ). Nothing is centralised, so it serves general-sum games as well.

Reference: de Witt et al., 2020, arXiv:2011.09533.

Differences from the reference code: those of HAPPO; no parameters are shared unless asked for.
"""

from dataclasses import dataclass

from hamlet.haml.drift import ClipDrift
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.on_policy import ActorOptions, ClipOptions, PolicyOptions


@dataclass(frozen=True, kw_only=True)
class IppoOptions(ClipOptions, ActorOptions, PolicyOptions):
    """Hyperparameters of IPPO."""


@algorithm(IppoOptions)
def ippo(options: IppoOptions) -> Haml:
    """IPPO: clipped ratios, everyone alone, own reward and own critic."""
    return options.declare(
        drift=ClipDrift(options.clip),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Simultaneous(),
        sees="observation",
        credits="own",
    )
