"""QTRAN-base.

A joint value is learnt freely, and the agents' own values are made to agree with it where they are best:

    L = (Q̂(s, a) − y)² + c_opt (Σᵢ Qᵢ(ūᵢ) − ⌊Q̂(s, ū)⌋ + V(s))² + c_nopt min(0, Σᵢ Qᵢ(aᵢ) − ⌊Q̂(s, a)⌋ + V(s))²,

with ū the agents' own best choices. Where both conditions hold, ū is best for Q̂ too, so that every joint value that
decentralised agents can be greedy for is learnt, without any form that it must have. Conditions are met only about as
well as they are weighed and visited: on large problems others are ahead of it.

The joint value takes what agents do as its input, Q̂(s, Σᵢ f(hᵢ, aᵢ)), for any number of agents. ``joint="exact"``
has one output for each joint action instead, which sees the state alone. `hamlet.networks.mixers.qtran` has both.

Differences from the reference code: what `qmix` says of (1) to (7), and (8) all encodings f have one width, so that
those of unlike agents can be added.

Reference: Son et al., 2019, arXiv:1905.05408.
"""

from typing import Literal

from hamlet.haml.sampling import EpisodeReplay
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.exploration import Schedule
from hamlet.networks.mixers.qtran import Qtran
from hamlet.networks.torso import NetworkConfig
from hamlet.networks.utility import Utilities
from hamlet.roster import Sharing


def qtran(
    *,
    learning_rate: float = 5e-4,
    optimiser: Literal["rmsprop", "adam"] = "rmsprop",
    max_gradient_norm: float = 10.0,
    discount: float = 0.99,
    td_lambda: float = 0.0,
    exploration_start: float = 1.0,
    exploration_end: float = 0.05,
    exploration_steps: int = 50_000,
    target_interval: int = 200,
    polyak: float = 1.0,
    batch_size: int = 32,
    buffer_size: int = 5000,
    episode_length: int = 25,
    hidden: tuple[int, ...] = (64,),
    memory: int = 64,
    opt: float = 1.0,
    nopt: float = 0.1,
    joint: Literal["encoded", "exact"] = "encoded",
    mixing_width: int = 64,
    copies: int = 8,
    steps_per_rollout: int = 25,
    updates_per_rollout: int = 1,
    sharing: Sharing = "none",
) -> Decomposition:
    """QTRAN-base: the agents' values follow a joint one that is learnt freely.

    Args:
        learning_rate: Of all networks.
        optimiser: "rmsprop", as first published, or "adam".
        max_gradient_norm: Longer gradients, of all networks together, are cut to it; 0 for none.
        discount: γ in [0, 1].
        td_lambda: λ in [0, 1] of the returns that values are fitted to; 0 for one step.
        exploration_start: ε in [0, 1] at first, how often an agent's action is drawn evenly.
        exploration_end: ε after `exploration_steps`.
        exploration_steps: Environment steps within which ε falls.
        target_interval: Episodes between two moves of the target networks; 0 for one at every update.
        polyak: τ in (0, 1], how far they move then; 1 makes them copies.
        batch_size: Episodes of one update.
        buffer_size: Episodes remembered.
        episode_length: Steps of the longest episode; a longer one is learnt from in pieces of so many.
        hidden: Widths of the hidden layers of the agents' networks.
        memory: Width of the recurrent unit after them; 0 for none.
        opt: c_opt, what it costs to differ from the joint value at the agents' own best choices.
        nopt: c_nopt, what it costs to be below it elsewhere.
        joint: Whether the joint value takes "encoded" choices, or has an output for each joint action, "exact".
        mixing_width: Width of the hidden layers of the joint value, and of what is encoded.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates in a round.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """
    return Decomposition(
        mixer=Qtran(opt=opt, nopt=nopt, kind=joint, hidden=mixing_width),
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
        actor=Utilities(exploration=Schedule(start=exploration_start, end=exploration_end, steps=exploration_steps)),
        body=NetworkConfig(hidden=hidden, memory=memory, plain=True),
        sharing=sharing,
    )
