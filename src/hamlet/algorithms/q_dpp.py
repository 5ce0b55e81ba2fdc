"""Q-DPP: a determinantal point process of agents' values.

Q-DPP learns a team value that is the sum of the agents' own action values minus a cost when the agents' actions are
similar. It is off-policy and needs discrete actions. Choose it when a team should divide a task into roles.

    Q_tot(o, a) = Σᵢ Qᵢ(oᵢ, aᵢ) + log det(B_a B_aᵀ)

Here oᵢ is the observation, aᵢ the action and Qᵢ the value of agent i. The rows of B_a are the unit vectors b(oᵢ, aᵢ)
that the networks assign to the actions. If these vectors are orthogonal, Q_tot is the sum of `vdn`.

* While training, agents choose sequentially in an order that is sampled for every environment copy and step. An agent's
  probabilities are ∝ ‖part of b outside the span of earlier agents' vectors‖² exp(Qᵢ / T), so the agents have to
  communicate. The temperature T (metric: ``exploration``) decreases. Targets use the greedy choices of this procedure.
* At test time every agent chooses the best action by its own values. This joint action need not maximise Q_tot.

Differences from the reference code: the differences that the page of `qmix` lists. In addition, the diagonal has a
fixed jitter instead of new noise; products of vectors pass through no ReLU; there is no regulariser of singular values
and no weight decay; the vectors use the same features as the agent's values. Sampler: `hamlet.networks.mixers.dpp`.

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
        temperature_start: Initial temperature T in (0, 1] of the sampler, in units of reward.
        temperature_end: T after `temperature_steps`.
        temperature_steps: Environment steps over which T decays.
        exploration: Probability in [0, 1] that an agent's action is sampled uniformly instead.
        embedding: Dimension of the action vectors; at least the number of agents.
        jitter: ε in (0, 1): (1 − ε) B Bᵀ + ε I replaces B Bᵀ. Identical actions then cost at most about −log 2ε.
    """

    temperature_start: float = 0.5
    temperature_end: float = 0.01
    temperature_steps: int = 50_000
    exploration: float = 0.0
    embedding: int = 32
    jitter: float = 1e-8


@algorithm(QDppOptions)
def q_dpp(options: QDppOptions) -> Decomposition:
    """Q-DPP: the team value rewards different actions of the agents, off-policy, discrete actions."""
    cooling = Schedule(start=options.temperature_start, end=options.temperature_end, steps=options.temperature_steps)
    actor = DiverseUtilities(
        exploration=cooling, embedding=options.embedding, even=options.exploration, jitter=options.jitter
    )
    return options.declare(mixer=Determinantal(embedding=options.embedding, jitter=options.jitter), actor=actor)
