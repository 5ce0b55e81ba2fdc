"""Q-DPP: a determinantal point process of agents' values.

The team's value is the sum of its agents', less what it costs that their choices are alike:

    Q_tot(o, a) = Σᵢ Qᵢ(oᵢ, aᵢ) + log det(B_a B_aᵀ),

with B_a the unit vectors b(oᵢ, aᵢ) of the choices. For orthogonal ones it is `vdn`. While it is trained, agents
choose one after another, in an order drawn anew in every copy and step, each ∝ ‖what is left of b beyond the span of
those before‖² exp(Qᵢ / T), for which they have to be together; T falls. Targets are judged at the choices that such a
walk makes greedily. At test time every agent takes the best by its own values alone, which need not be best for Q_tot.
`hamlet.networks.mixers.dpp` has the determinant and the sampler. The metric ``exploration`` is T here.

Differences from the reference code: what `qmix` says of (1) to (7), and (8) a fixed jitter in the place of fresh
noise on the diagonal; (9) no ReLU on the products of vectors; (10) no regulariser of singular values and no weight
decay; (11) vectors are made from what the agent's values are made from.

Reference: Yang et al., 2020, arXiv:2006.01482.
"""

from dataclasses import dataclass

from hamlet.hyperparameters.episodes import EpisodeOptions
from hamlet.hyperparameters.factory import algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.exploration import Schedule
from hamlet.networks.mixers.q_dpp import Determinantal, DiverseUtilities


@dataclass(frozen=True, kw_only=True)
class QDppOptions(EpisodeOptions):
    """Hyperparameters of Q-DPP.

    Attributes:
        temperature_start: T in (0, 1] of the sampler at first, in units of reward.
        temperature_end: T after `temperature_steps`.
        temperature_steps: Environment steps within which T falls.
        exploration: How often, in [0, 1], an agent's action is drawn evenly instead.
        embedding: Length of the vectors; at least the number of agents.
        jitter: ε in (0, 1): (1 − ε) B Bᵀ + ε I stands for B Bᵀ, so that choices alike cost at most about −log 2ε.
    """

    temperature_start: float = 0.5
    temperature_end: float = 0.01
    temperature_steps: int = 50_000
    exploration: float = 0.0
    embedding: int = 32
    jitter: float = 1e-8


@algorithm(QDppOptions)
def q_dpp(options: QDppOptions) -> Decomposition:
    """Q-DPP: agents' values, and how unlike their choices are."""
    cooling = Schedule(start=options.temperature_start, end=options.temperature_end, steps=options.temperature_steps)
    actor = DiverseUtilities(
        exploration=cooling, embedding=options.embedding, even=options.exploration, jitter=options.jitter
    )
    return options.declare(mixer=Determinantal(embedding=options.embedding, jitter=options.jitter), actor=actor)
