"""Independent learners (IL): the baseline of the MATRL paper.

Agent i ascends min(r Âⁱ, clip(r) Âⁱ) − β KL(π‖π̄) on its own reward, with its own Vⁱ(oⁱ), as if the others were part of
the environment. It is IPPO with the paper's penalty, and what MATRL predicts that each agent would do.

Reference: Tan, 1993 (independent learners); Wen et al., 2021, arXiv:2106.06828 (MATRL), section 3.1, tables
3, 5 and 6; de Witt et al., 2020, arXiv:2011.09533 (IPPO).

Differences from the reference code: the entropy is rewarded (its prediction loss punishes it); the divergence is exact;
actors and critics share no weights and no optimiser, so that coefficients of their losses have no part; hidden layers
are rectified instead of leaky. Layers are plain, as there: LayerNorm, which `ippo` has, would leave of two numbers that
are seen only which is larger.
"""

from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.factory import algorithm
from hamlet.hyperparameters.meta_game import IndependentOptions


@algorithm(IndependentOptions)
def il(options: IndependentOptions) -> Haml:
    """IL: clipped ratios and a penalty on divergence, everyone alone."""
    return options.declare(neighbourhood=options.ascent(), scheme=Simultaneous())
