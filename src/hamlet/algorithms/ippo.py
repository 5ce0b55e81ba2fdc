"""Independent proximal policy optimisation (IPPO).

In IPPO every agent runs PPO by itself, on its own reward and with its own decentralised critic, which receives only the
agent's observation. Choose it as the baseline without centralised training. Because it uses each agent's own reward, it
also runs in general-sum games.

Agent i maximises

    E[ min(r Âⁱ, clip(r, 1 − ε, 1 + ε) Âⁱ) ],   r = π̄(a|o)/π(a|o),

where π is the agent's old policy, π̄ its new policy, o its observation, a its action, Âⁱ the advantage of its own
reward by its own critic Vⁱ(oⁱ), and ε the clipping range. All agents are updated simultaneously. IPPO is MAPPO with a
critic of each agent's observation.

Reference: de Witt et al., 2020, arXiv:2011.09533.

Differences from the reference code: the differences that the page of HAPPO lists. In addition, no parameters are shared
by default.
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
    """IPPO: independent PPO, own rewards and own critics."""
    return options.declare(
        drift=ClipDrift(options.clip),
        neighbourhood=options.ascent(options.learning_rate_decay),
        scheme=Simultaneous(),
        sees="observation",
        credits="own",
    )
