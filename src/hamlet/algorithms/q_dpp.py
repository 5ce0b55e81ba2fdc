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

from typing import Literal

from hamlet.haml.sampling import EpisodeReplay
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.exploration import Schedule
from hamlet.networks.mixers.q_dpp import Determinantal, DiverseUtilities
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Sharing


def q_dpp(
    *,
    learning_rate: float = 5e-4,
    optimiser: Literal["rmsprop", "adam"] = "rmsprop",
    max_gradient_norm: float = 10.0,
    discount: float = 0.99,
    td_lambda: float = 0.0,
    temperature_start: float = 0.5,
    temperature_end: float = 0.01,
    temperature_steps: int = 50_000,
    exploration: float = 0.0,
    target_interval: int = 200,
    polyak: float = 1.0,
    batch_size: int = 32,
    buffer_size: int = 5000,
    episode_length: int = 25,
    hidden: tuple[int, ...] = (64,),
    memory: int = 64,
    embedding: int = 32,
    jitter: float = 1e-8,
    copies: int = 8,
    steps_per_rollout: int = 25,
    updates_per_rollout: int = 1,
    sharing: Sharing = "none",
) -> Decomposition:
    """Q-DPP: agents' values, and how unlike their choices are.

    Args:
        learning_rate: Of all networks.
        optimiser: "rmsprop", as first published, or "adam".
        max_gradient_norm: Longer gradients, of all networks together, are cut to it; 0 for none.
        discount: γ in [0, 1].
        td_lambda: λ in [0, 1] of the returns that values are fitted to; 0 for one step.
        temperature_start: T in (0, 1] of the sampler at first, in units of reward.
        temperature_end: T after `temperature_steps`.
        temperature_steps: Environment steps within which T falls.
        exploration: How often, in [0, 1], an agent's action is drawn evenly instead.
        target_interval: Episodes between two moves of the target networks; 0 for one at every update.
        polyak: τ in (0, 1], how far they move then; 1 makes them copies.
        batch_size: Episodes of one update.
        buffer_size: Episodes remembered.
        episode_length: Steps of the longest episode; a longer one is learnt from in pieces of so many.
        hidden: Widths of the hidden layers of the agents' networks.
        memory: Width of the recurrent unit after them; 0 for none.
        embedding: Length of the vectors; at least the number of agents.
        jitter: ε in (0, 1): (1 − ε) B Bᵀ + ε I stands for B Bᵀ, so that choices alike cost at most about −log 2ε.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates in a round.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """
    return Decomposition(
        mixer=Determinantal(embedding=embedding, jitter=jitter),
        learning_rate=learning_rate,
        optimiser=optimiser,
        max_gradient_norm=max_gradient_norm,
        discount=discount,
        lambda_=td_lambda,
        target_interval=target_interval,
        polyak=polyak,
        sampling=EpisodeReplay(
            copies=copies,
            steps=steps_per_rollout,
            longest=episode_length,
            capacity=buffer_size,
            samples=batch_size,
            updates=updates_per_rollout,
        ),
        actor=DiverseUtilities(
            exploration=Schedule(start=temperature_start, end=temperature_end, steps=temperature_steps),
            embedding=embedding,
            even=exploration,
            jitter=jitter,
        ),
        body=NetworkConfig(hidden=hidden, memory=memory, plain=True),
        sharing=sharing,
    )
