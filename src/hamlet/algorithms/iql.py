"""Independent Q-learning (IQL).

Every agent learns the values of its own choices from its own rewards, as if it were alone; the others are a part of its
environment, which moves as they learn:

    Qⁱ(τⁱ, aⁱ) → rⁱ + γ Q̂ⁱ(τ′ⁱ, argmax Qⁱ(τ′ⁱ, ·)).

It is the decomposition in which nothing is decomposed, and shares the rest with `vdn` and `qmix`: recurrent values,
whole episodes replayed, double Q-learning. One clip bounds the gradient of all agents together.

Differences from the first published code: (1) agents see neither their last action nor their number, and share no
parameters unless asked to; (2) play goes on from episode to episode, and an update is made after so many steps rather
than episodes; (3) episodes are drawn with replacement, at a cost that does not grow with the buffer; (4) an episode cut
by a limit of time bootstraps from its final view; (5) absent agents count 0; (6) agents of unlike spaces are not
padded; (7) the recurrent unit begins by keeping more of its memory (`hamlet.networks.torso`); (8) an agent that is
truncated while others play on counts as terminated, which replayed steps do not tell apart.

References: Tan, 1993; Rashid et al., 2018, arXiv:1803.11485 (as the baseline there).
"""

from typing import Literal

from hamlet.haml.sampling import EpisodeReplay
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.exploration import Schedule
from hamlet.networks.mixers.base import IndependentMixer
from hamlet.networks.torso import NetworkConfig
from hamlet.networks.utility import Utilities
from hamlet.roster import Sharing


def iql(
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
    copies: int = 8,
    steps_per_rollout: int = 25,
    updates_per_rollout: int = 1,
    sharing: Sharing = "none",
) -> Decomposition:
    """IQL: every agent its own Q-learner.

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
        copies: Environment copies stepped together.
        steps_per_rollout: Steps of each copy between two rounds of updates.
        updates_per_rollout: Updates in a round.
        sharing: "none", or "group": one set of parameters for agents of equal spaces.
    """
    return Decomposition(
        mixer=IndependentMixer(),
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
