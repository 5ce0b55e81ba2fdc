"""Finite Markov games, validated once, in float64.

A cooperative Markov game is ⟨N, S, {Aⁱ}, P, r, γ⟩: agents N, states S, actions Aⁱ of agent i, transition probabilities
P, reward r and discount γ. Its first state is sampled from d₀ (Zhong et al., 2024, arXiv:2304.09870, section 2). A game
in which each agent has its own reward is a general-sum game.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float

from hamlet import machine
from hamlet.errors import RequestError, require
from hamlet.types import Key

# Tolerance of a distribution's sum: rows written with six digits pass, a row with a forgotten entry does not.
TOLERANCE = 1e-6
# Solving a game needs memory for about this many arrays of the size of its transition.
_COPIES = 3
_SHARE = 0.5

Table: TypeAlias = Float[np.ndarray, "..."]
Policies: TypeAlias = Sequence[Any]


@dataclass(frozen=True, eq=False)
class MarkovGame:
    """A complete finite Markov game; Hamlet can compute all its values exactly.

    Attributes:
        reward: A common reward, r(s, a), ``[S, A1, …, An]``; or one for each agent, rⁱ(s, a), ``[n, S, A1, …, An]``.
        transition: P(s′|s, a), ``[S, A1, …, An, S]``.
        initial: d₀, the distribution of the first state, ``[S]``.
        discount: γ in [0, 1).

    Raises:
        RequestError: If shapes do not fit, a number is not finite, a distribution does not sum to one or is negative,
            the discount is outside [0, 1), or the game is too large for this machine's memory.

    >>> game = MarkovGame(np.eye(2)[None], np.ones((1, 2, 2, 1)), np.ones(1), 0.0)
    >>> game.states, game.actions, game.common
    (1, (2, 2), True)
    """

    reward: Table
    transition: Table
    initial: Table
    discount: float

    def __post_init__(self) -> None:
        """Convert to float64, and refuse an invalid game."""
        # The shapes are checked first, because a game that is too large must be refused before it is copied.
        shapes: Any = [np.shape(x) for x in (self.transition, self.initial, self.reward)]
        transition, initial, reward = shapes
        require(
            len(transition) >= 3 and transition[0] == transition[-1] and math.prod(transition) > 0,
            f"the transition must have the shape [S, A1, …, An, S], got {list(transition)}",
        )
        states, actions = transition[0], transition[1:-1]
        require(
            initial == (states,),
            f"the initial distribution of {states} states must have the shape [{states}], got {list(initial)}",
        )
        joint = transition[:-1]
        require(
            reward in (joint, (len(actions), *joint)),
            f"the reward must have the shape {list(joint)}, or {[len(actions), *joint]} with one reward per agent, "
            f"got {list(reward)}",
        )
        require_room(states, actions)
        for name in ("reward", "transition", "initial"):
            table = np.array(getattr(self, name), np.float64)
            require(bool(np.isfinite(table).all()), f"the {name} has a number that is not finite at {_first(table)}")
            table.flags.writeable = False
            object.__setattr__(self, name, table)
        require_distribution(self.transition, "a transition", "state and joint action")
        require_distribution(self.initial, "the initial distribution", "")
        object.__setattr__(self, "discount", float(self.discount))
        require(0 <= self.discount < 1, f"the discount must be in [0, 1), got {self.discount}; try 0.99")

    @property
    def agents(self) -> int:
        """Return the number n of agents."""
        return len(self.actions)

    @property
    def states(self) -> int:
        """Return the number S of states."""
        return self.initial.shape[0]

    @property
    def actions(self) -> tuple[int, ...]:
        """Return how many actions each agent has."""
        return self.transition.shape[1:-1]

    @property
    def common(self) -> bool:
        """Return whether all agents have the same reward."""
        return self.reward.ndim == len(self.actions) + 1

    @property
    def rewards(self) -> Table:
        """Return the common reward, ``[1, S, A1, …, An]``, or each agent's own, ``[n, S, A1, …, An]``."""
        return self.reward[None] if self.common else self.reward

    @property
    def team_reward(self) -> Table:
        """Return the reward that cooperative algorithms train on: the common reward, or the sum of the agents' own."""
        return self.rewards.sum(0)

    def uniform(self) -> tuple[Table, ...]:
        """Return uniform policies: one array ``[S, A_i]`` per agent."""
        return tuple(np.full((self.states, count), 1.0 / count) for count in self.actions)


def random_game(
    key: Key | int,
    states: int,
    actions: Sequence[int] = (2, 3),
    discount: float = 0.9,
    common: bool = True,
) -> MarkovGame:
    """Sample a random game: standard normal rewards, distributions uniform over the simplex.

    Args:
        key: A JAX key, or a seed.
        states: S, the number of states.
        actions: How many actions each agent has.
        discount: γ in [0, 1).
        common: Whether all agents have the same reward, or each its own.

    >>> random_game(0, states=2, actions=(2, 2)).transition.shape
    (2, 2, 2, 2)
    """
    require(
        states >= 1 and len(actions) >= 1 and min(actions) >= 1,
        "a game needs at least one state, one agent and one action per agent",
    )
    require_room(states, actions)
    draw = generator(key)
    joint = (states, *actions)
    reward = draw.standard_normal(joint if common else (len(actions), *joint))
    return MarkovGame(
        reward=reward,
        transition=_simplex(draw.standard_exponential((*joint, states))),
        initial=_simplex(draw.standard_exponential(states)),
        discount=discount,
    )


def random_policies(key: Key | int, game: MarkovGame) -> tuple[Table, ...]:
    """Sample a policy for each agent, with every row uniform over the simplex.

    >>> [p.shape for p in random_policies(0, random_game(0, states=2, actions=(2, 3)))]
    [(2, 2), (2, 3)]
    """
    draw = generator(key)
    return tuple(_simplex(draw.standard_exponential((game.states, count))) for count in game.actions)


def as_key(key: Key | int) -> Key:
    """Return the key, or the key of a seed."""
    return jax.random.key(key) if isinstance(key, int | np.integer) else key


def generator(key: Key | int) -> np.random.Generator:
    """Return a NumPy generator seeded by a key.

    With NumPy, games of many shapes can be sampled without compiling a program for each shape.
    """
    return np.random.default_rng(np.asarray(jax.random.key_data(as_key(key))).tolist())


def checked_policies(game: MarkovGame, policies: Policies) -> tuple[Table, ...]:
    """Return the policies in float64.

    Raises:
        RequestError: If there is not one policy per agent with the shape ``[S, A_i]``, or a row is not a distribution.
    """
    require(
        isinstance(policies, Sequence) and len(policies) == game.agents,
        f"policies must be a tuple of {game.agents} arrays, one for each agent",
    )
    tables = []
    for agent, (policy, count) in enumerate(zip(policies, game.actions, strict=True)):
        table = np.asarray(policy, np.float64)
        wanted = (game.states, count)
        require(
            table.shape == wanted,
            f"the policy of agent {agent} must have the shape {list(wanted)}, got {list(table.shape)}",
        )
        require_distribution(table, f"the policy of agent {agent}", "state")
        tables.append(table)
    return tuple(tables)


def require_distribution(table: Table, what: str, index: str) -> None:
    """Refuse a table whose last axis is not a distribution.

    Raises:
        RequestError: If numbers are negative or not a number, or do not sum to one.
    """
    place = f" at ({index})" if index else ""
    # The message is composed only if there is an error, because this function checks thousands of policies.
    wrong = ~(table >= 0).all(-1)
    if wrong.any():
        raise RequestError(f"{what} is negative, or not a number,{place} {_where(wrong)}: {_row(table, wrong)}")
    wrong = ~(np.abs(table.sum(-1) - 1.0) <= TOLERANCE)
    if wrong.any():
        raise RequestError(
            f"{what} does not sum to one{place} {_where(wrong)}: {_row(table.sum(-1)[..., None], wrong)}"
        )


def require_room(states: int, actions: Sequence[int], games: int = 1) -> None:
    """Refuse games whose solution needs more than half of this machine's memory, before any memory is allocated.

    Raises:
        RequestError: If they are too large; the message names both sizes.
    """
    description = f"{games} games" if games > 1 else "a game"
    description = f"solving {description} of {states} states and {'×'.join(map(str, actions))} joint actions"
    require_bytes(8 * states * states * math.prod(actions) * _COPIES * games, description, "states, agents or actions")


def require_bytes(need: int, what: str, fewer: str) -> None:
    """Refuse a computation that needs more than half of this machine's memory.

    Raises:
        RequestError: If it needs more; the message names both sizes.
    """
    have = machine.memory()
    if have is not None and need > _SHARE * have:
        sizes = f"{_readable(need)}, but this machine has {_readable(have)}"
        raise RequestError(f"{what} would need {sizes}; use fewer {fewer}")


def _simplex(positive: Table) -> Table:
    return positive / positive.sum(-1, keepdims=True)


def _first(table: Table) -> str:
    return _where(~np.isfinite(table))


def _where(wrong: Any) -> str:
    return str(np.argwhere(wrong)[0].tolist()) if np.any(wrong) and np.ndim(wrong) else ""


def _row(table: Table, wrong: Any) -> str:
    return str(table[tuple(np.argwhere(wrong)[0])].tolist()) if np.any(wrong) else ""


def _readable(count: float) -> str:
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if count < 1000:
            return f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} PB"
