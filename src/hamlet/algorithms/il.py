"""Independent learners (IL): the baseline of the MATRL paper.

In IL every agent runs PPO with a KL penalty on its own reward, as if the other agents were part of the environment.
Choose it as the baseline of MATRL in general-sum games. MATRL also uses it to predict each agent's update.

Agent i maximises

    E[ min(r Âⁱ, clip(r, 1 ± ε) Âⁱ) ] − β E[ KL(π‖π̄) ],   r = π̄(a|o)/π(a|o),

where π is the agent's old policy, π̄ its new policy, o its observation, a its action, Âⁱ the advantage of its own
reward by its own critic Vⁱ(oⁱ), ε the clipping range and β the weight of the penalty. IL is IPPO with this penalty of
the paper.

Reference: Tan, 1993 (independent learners); Wen et al., 2021, arXiv:2106.06828 (MATRL), section 3.1, tables
3, 5 and 6; de Witt et al., 2020, arXiv:2011.09533 (IPPO).

Differences from the reference code:

* The entropy is rewarded. The prediction loss of the reference code punishes it.
* The divergence is exact.
* Actors and critics share no weights and no optimiser. The coefficients of their losses therefore have no effect.
* Hidden layers use ReLU instead of leaky ReLU.

As in the reference code, layers have no LayerNorm. `ippo` has LayerNorm. It would reduce an observation of two numbers
to the information which of them is larger.
"""

from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.meta_game import IndependentOptions


@algorithm(IndependentOptions)
def il(options: IndependentOptions) -> Haml:
    """IL: independent PPO with a KL penalty, own rewards and own critics."""
    return options.declare(neighbourhood=options.ascent(), scheme=Simultaneous())
