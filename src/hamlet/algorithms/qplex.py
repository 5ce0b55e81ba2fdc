"""QPLEX: duplex duelling values.

The team's value is the agents' best values together, less what each agent's choice is behind its best, as much as
that matters:

    Q_tot(s, a) = Σᵢ V̄ᵢ + Σᵢ λᵢ(s, a) Āᵢ,   V̄ᵢ = max Q̄ᵢ,   Āᵢ = Q̄ᵢ(aᵢ) − V̄ᵢ ≤ 0,   Q̄ᵢ = wᵢ(s) Qᵢ + bᵢ(s),
    λᵢ(s, a) = Σₖ |keyₖ(s)| σ(agentₖᵢ(s)) σ(actionₖᵢ(s, a)) > 0.

The agents' best choices together are best for it, and every joint value of which that is true is such a Q_tot: with λ
= 1 it is a sum (`vdn`, weighted), with λ of the joint action, anything. To change what seems best, the values of
choices have to cross, and before they do so λ of everything else must grow as the distance shrinks. How soon it does
is a matter of its networks: of three layers, as published for matrix games (the default), it takes thousands of
updates in `matrix/climbing`, of one layer more than tens of thousands. `hamlet.networks.mixers.qplex` has the form.

Differences from the reference code: what `qmix` says of (1) to (7), and (8) all K kernels of a kind are one network
with K outputs an agent; (9) what is unavailable is left out of the maximum; (10) wᵢ is the state's alone, without
attention over what agents see.

Reference: Wang et al., 2021, arXiv:2008.01062.
"""

from typing import Literal

from hamlet.haml.sampling import EpisodeReplay
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.exploration import Schedule
from hamlet.networks.mixers.qplex import Duplex
from hamlet.networks.torso import NetworkConfig
from hamlet.networks.utility import Utilities
from hamlet.roster import Sharing


def qplex(
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
    kernels: int = 10,
    importance_layers: int = 3,
    hypernetwork_hidden: int = 64,
    copies: int = 8,
    steps_per_rollout: int = 25,
    updates_per_rollout: int = 1,
    sharing: Sharing = "none",
) -> Decomposition:
    """QPLEX: the team's value is what agents' choices are behind their best, as much as each matters.

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
        kernels: K, products of which an agent's importance λ is the sum.
        importance_layers: Linear maps in each network of λ; 1 for none hidden.
        hypernetwork_hidden: Width of the hidden layers of all networks of the state.
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates in a round.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """
    return Decomposition(
        mixer=Duplex(kernels=kernels, layers=importance_layers, hidden=hypernetwork_hidden),
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
