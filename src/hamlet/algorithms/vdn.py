"""Value-decomposition networks (VDN).

The team's value is the sum of its agents' values, and predicts the team's reward:

    Σᵢ Qⁱ(τⁱ, aⁱ) → R + γ Σᵢ Q̂ⁱ(τ′ⁱ, argmax Qⁱ(τ′ⁱ, ·)).

The agents' best choices together are then best for the sum. What is no sum is learnt as the nearest one: in the
climbing game of `matrix/climbing`, with even play, −6.2, −4.9 and −3.6 where the payoffs are 8, −12 and 0.

Differences from the first published code: (1) agents see neither their last action nor their number, and share no
parameters unless asked to; (2) play goes on from episode to episode, and an update is made after so many steps rather
than episodes; (3) episodes are drawn with replacement, at a cost that does not grow with the buffer; (4) an episode cut
by a limit of time bootstraps from its final view; (5) absent agents count 0; (6) agents of unlike spaces are not
padded; (7) the recurrent unit begins by keeping more of its memory (`hamlet.networks.torso`).

Reference: Sunehag et al., 2018, arXiv:1706.05296; settings of Rashid et al., 2018, arXiv:1803.11485.
"""

from typing import Literal

from hamlet.haml.sampling import EpisodeReplay
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.exploration import Schedule
from hamlet.networks.mixers.base import Sum
from hamlet.networks.torso import NetworkConfig
from hamlet.networks.utility import Utilities
from hamlet.roster import Sharing


def vdn(
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
    """VDN: the team's value is the sum of its agents' values.

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
        mixer=Sum(),
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
