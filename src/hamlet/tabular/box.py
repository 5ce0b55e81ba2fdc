"""Games of different sizes, padded to one common size, so that one compiled program solves all of them.

The padding is exact, so every game has the solution that it has alone. A padded action is not available. A padded state
is absorbing, has reward 0 and is never reached. A padded agent has a single action. All agents' axes have the same
length, so that one program can visit the agents in any order.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from hamlet.errors import require
from hamlet.tabular.markov_game import MarkovGame, Policies, checked_policies, require_room


class BoxedGame(eqx.Module):
    """One padded game, or many with a leading axis; NumPy arrays, or JAX arrays within a program.

    S is the number of states, n of agents and A of actions per agent, after padding.

    Attributes:
        team: The reward that cooperative algorithms train on, ``[S, A, …, A]``.
        reward: A common reward, ``[1, S, A, …, A]``, or every agent's own, ``[n, S, A, …, A]``.
        transition: ``[S, A, …, A, S]``.
        initial: ``[S]``.
        discount: γ, ``[]``.
        available: Which actions exist, ``[n, A]``.
    """

    team: Any
    reward: Any
    transition: Any
    initial: Any
    discount: Any
    available: Any


def lay(games: Sequence[MarkovGame]) -> BoxedGame:
    """Pad all games to the smallest common size, with a leading axis.

    Raises:
        RequestError: If there is no game, or all games together do not fit into memory.
    """
    require(len(games) > 0, "there is no game; give at least one")
    count, (states, agents, width) = len(games), extent(games)
    cube = (width,) * agents
    require_room(states, cube, count)
    rewards = 1 if all(game.common for game in games) else agents
    box = BoxedGame(
        team=np.zeros((count, states, *cube)),
        reward=np.zeros((count, rewards, states, *cube)),
        transition=np.zeros((count, states, *cube, states)),
        initial=np.zeros((count, states)),
        discount=np.array([game.discount for game in games]),
        available=np.zeros((count, agents, width), bool),
    )
    box.transition[:] = np.eye(states).reshape(states, *(1,) * agents, states)
    for number, game in enumerate(games):
        # A padded agent plays its only action.
        joint = (slice(game.states), *(slice(a) for a in game.actions), *(0,) * (agents - game.agents))
        box.team[(number, *joint)] = game.team_reward
        tables = np.broadcast_to(game.rewards, (game.agents, *game.rewards.shape[1:])) if rewards > 1 else game.rewards
        box.reward[(number, slice(len(tables)), *joint)] = tables
        box.transition[(number, *joint)] = 0.0
        box.transition[(number, *joint, slice(game.states))] = game.transition
        box.initial[number, : game.states] = game.initial
        for agent in range(agents):
            box.available[number, agent, : game.actions[agent] if agent < game.agents else 1] = True
    return box


def lay_policies(games: Sequence[MarkovGame], policies: Sequence[Policies]) -> Float[np.ndarray, "G n S A"]:
    """Pad the policies to the same size, ``[G, n, S, A]``; in padded states and for padded agents, the first action.

    Raises:
        RequestError: If a policy does not fit its game, or its rows are not distributions.
    """
    require(
        len(games) == len(policies), f"{len(games)} games need {len(games)} tuples of policies, got {len(policies)}"
    )
    states, agents, width = extent(games)
    laid = np.zeros((len(games), agents, states, width))
    laid[..., 0] = 1.0
    for number, (game, each) in enumerate(zip(games, policies, strict=True)):
        for agent, policy in enumerate(checked_policies(game, each)):
            laid[number, agent, : game.states] = 0.0
            laid[number, agent, : game.states, : policy.shape[1]] = policy
    return laid


def extent(games: Sequence[MarkovGame]) -> tuple[int, int, int]:
    """Return the largest number of states, of agents, and of actions of one agent."""
    return (
        max(game.states for game in games),
        max(game.agents for game in games),
        max(max(game.actions) for game in games),
    )
