"""Games that are given by payoff tables, played for one or several rounds.

    rᵢ = uᵢ(a₁, …, a_n).

rᵢ is agent i's reward, aᵢ its action, n the number of agents, and u the payoffs, ``[n, A₁, …, A_n]``, with Aᵢ the
number of actions of agent i.

With a common reward, each agent's share is u/n. The sum over agents is then the payoff of the table. Cooperative
algorithms train on this sum, and Hamlet reports it as the return.

Agents always observe the same two numbers, (1, 0). There are two because a network that normalises its input would lose
the information of a single number. The last round terminates the episode.
"""

import itertools
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamlet.envs.base import Group, KnownReturns, Outcome, View
from hamlet.envs.scene import Scene, choices_line, payoff_table
from hamlet.errors import RequestError, require
from hamlet.spaces import Box, Discrete, Space
from hamlet.types import Key

# The largest number of entries of a table: a run stores every entry in its config.json.
LARGEST = 100_000
SIGHT = (1.0, 0.0)
"""The observation of every agent, and the critic's state, in every round."""


class RoundState(eqx.Module):
    """The number of rounds played so far."""

    time: Int[Array, ""]


def group(names: tuple[str, ...], action: Space) -> Group:
    """Return a group of agents with a constant observation."""
    return Group(names, Box(0.0, 1.0, (len(SIGHT),)), action)


def begin(groups: tuple[Group, ...]) -> tuple[RoundState, View]:
    """Return the state and view before the first round."""
    return RoundState(jnp.int32(0)), _view(groups)


def after(
    groups: tuple[Group, ...], state: RoundState, reward: Float[Array, " n"], rounds: int
) -> tuple[RoundState, View, Outcome]:
    """Return state, view and outcome after a round; the last round terminates the episode."""
    state = RoundState(state.time + 1)
    return state, _view(groups), Outcome(reward, state.time >= rounds, jnp.zeros((), bool))


def _view(groups: tuple[Group, ...]) -> View:
    sight = jnp.asarray(SIGHT, jnp.float32)
    observation = tuple(jnp.broadcast_to(sight[None], (len(group.names), len(SIGHT))) for group in groups)
    return View(observation, sight, (None,) * len(groups), None)


@dataclass(frozen=True)
class Matrix:
    """A game that is given by a payoff table.

    Attributes:
        payoffs: Each agent's payoff for every joint action: ``[n, A₁, …, A_n]`` as nested tuples (see `tabulate`).
        rounds: The number of rounds of an episode; at least 1.
    """

    payoffs: tuple[Any, ...]
    rounds: int = 1

    def __post_init__(self):
        require(self.rounds >= 1, f"rounds must be at least 1, got {self.rounds}")
        require(np.ndim(self.payoffs) == len(self.payoffs) + 1, _misshapen(np.shape(self.payoffs)))

    @property
    def groups(self) -> tuple[Group, ...]:
        """Groups of agents with the same number of actions, in the order of their first agents."""
        return tuple(
            group(tuple(f"agent_{i}" for i in agents), Discrete(count))
            for count, agents in itertools.groupby(self._order, lambda i: self._counts[i])
        )

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The size of the constant state."""
        return (len(SIGHT),)

    @property
    def known_returns(self) -> KnownReturns | None:
        """The best and the random return of the payoff table."""
        return table_returns(self.payoffs, self.rounds)

    @property
    def constant_sum(self) -> bool:
        """Whether every joint action has the same sum of payoffs, although the payoffs of single agents vary."""
        table = np.asarray(self.payoffs)
        rounding = 1e-9 * np.abs(table).max(initial=1.0)
        return bool(np.ptp(table.sum(0)) <= rounding < np.ptp(table, axis=tuple(range(1, table.ndim))).max())

    def reset(self, key: Key) -> tuple[RoundState, View]:
        """Start an episode; the start is the same for every key."""
        del key
        return begin(self.groups)

    def step(self, key: Key, state: RoundState, actions: tuple[Array, ...]) -> tuple[RoundState, View, Outcome]:
        """Play one round."""
        del key
        chosen = jnp.concatenate(actions)
        joint_action = tuple(chosen[self._order.index(agent)] for agent in range(len(self._order)))
        payoff = jnp.asarray(self.payoffs, jnp.float32)[(slice(None), *joint_action)]
        return after(self.groups, state, payoff[jnp.asarray(self._order)], self.rounds)

    def scene(self, state: RoundState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw the payoffs, with the chosen joint action marked."""
        del state
        table = np.asarray(self.payoffs)
        chosen, words = _played(self._order, actions)
        return payoff_table(table, chosen, caption=words)

    @cached_property
    def _counts(self) -> tuple[int, ...]:
        return np.shape(self.payoffs)[1:]

    @cached_property
    def _order(self) -> tuple[int, ...]:
        """The agents in the order of the groups."""
        return tuple(sorted(range(len(self._counts)), key=lambda i: self._counts.index(self._counts[i])))


def _played(order: tuple[int, ...], actions: tuple[np.ndarray, ...] | None) -> tuple[list[int] | None, str]:
    """Return every agent's action, in the order of the agents, as numbers and as text."""
    if actions is None:
        return None, ""
    chosen = np.concatenate(actions)
    joint_action = [int(chosen[order.index(agent)]) for agent in range(len(order))]
    return joint_action, choices_line([(f"agent_{agent}", choice) for agent, choice in enumerate(joint_action)])


def tabulate(payoffs: Any) -> tuple[Any, ...]:
    """Convert an array of payoffs ``[n, A₁, …, A_n]`` into the nested tuples of a `Matrix`.

    Raises:
        RequestError: The array has another shape, too many entries, or an entry that is not finite.

    >>> tabulate([[[1, 2], [3, 4]], [[0, 0], [0, 0]]])
    (((1.0, 2.0), (3.0, 4.0)), ((0.0, 0.0), (0.0, 0.0)))
    """
    table = np.asarray(payoffs, np.float64)
    require(table.ndim == table.shape[0] + 1 if table.ndim else False, _misshapen(table.shape))
    require(table.size > 0, f"a payoff table of shape {_spoken(table.shape)} has no entries; give at least one")
    require(table.size <= LARGEST, f"a payoff table can have at most {LARGEST:,} entries, got {table.size:,}")
    require(bool(np.isfinite(table).all()), "payoffs must be finite, but at least one is NaN or infinite")
    return _nested(table.tolist())


def common_reward(payoff: Any) -> tuple[Any, ...]:
    """Convert a team's payoff ``[A₁, …, A_n]`` into the form of a `Matrix`: each of n agents gets an equal share.

    >>> common_reward([[8, 0], [0, 2]])
    (((4.0, 0.0), (0.0, 1.0)), ((4.0, 0.0), (0.0, 1.0)))
    """
    table = np.asarray(payoff, np.float64)
    agents = table.ndim
    return tabulate(np.broadcast_to(table / max(agents, 1), (agents, *table.shape)))


def table_returns(payoffs: Any, rounds: int) -> KnownReturns | None:
    """Return the best mean return and the mean return of random play.

    The best return is rounds · maxₐ Σᵢ uᵢ(a), with a the joint action and uᵢ agent i's payoff. Random play has the mean
    over a instead of the maximum. None if all joint actions have the same sum, as in a zero-sum game: then all play has
    the same team return.

    Args:
        payoffs: ``[n, A₁, …, A_n]``.
        rounds: The number of rounds of an episode.

    >>> table_returns(common_reward([[8, 0], [0, 2]]), 2)
    KnownReturns(optimum=16.0, random=5.0)
    """
    team = np.asarray(payoffs, np.float64).sum(0)
    if np.ptp(team) <= 1e-9 * np.abs(np.asarray(payoffs)).max(initial=0.0):
        return None
    return KnownReturns(float(rounds * team.max()), float(rounds * team.mean()))


def equilibria(payoffs: Any) -> list[tuple[int, ...]]:
    """Return the pure Nash equilibria: no agent gains by changing only its own action.

        a with uᵢ(a) ≥ uᵢ(b, a₋ᵢ) for every agent i and action b; found by enumeration.

    a is a joint action, a₋ᵢ the actions of all agents except i, and uᵢ the payoff of agent i.

    Args:
        payoffs: Each agent's payoff for every joint action, ``[n, A₁, …, A_n]``.

    >>> equilibria(common_reward([[8, -12, -12], [-12, 0, 0], [-12, 0, 0]]))
    [(0, 0), (1, 1), (1, 2), (2, 1), (2, 2)]
    """
    table = np.asarray(payoffs, np.float64)
    slack = 1e-9 * np.abs(table).max(initial=1.0)
    stable = np.ones(table.shape[1:], bool)
    for agent, payoff in enumerate(table):
        stable &= payoff >= payoff.max(axis=agent, keepdims=True) - slack
    return [tuple(int(a) for a in joint) for joint in np.argwhere(stable)]


def file(path: Path, *, common: bool = False, rounds: int = 1) -> Matrix:
    """Any game, from a payoff table in a file.

    Args:
        path: A .json or .npy file with one array for each agent, or one array for the team.
        common: Whether the table is the team's. Needed if the shape allows both: 2 × 2 × 2 is a table of a team of
            three agents, or a table for each of two agents.
        rounds: The number of rounds of an episode.

    Raises:
        RequestError: The file cannot be read, or it contains no payoff table.
    """
    table = _read(Path(path))
    if common or not (table.ndim and table.ndim == table.shape[0] + 1):
        require(table.ndim >= 1, f"{path} contains a single number; write a payoff table into it")
        return _of(path, np.broadcast_to(table / table.ndim, (table.ndim, *table.shape)), rounds)
    return _of(path, table, rounds)


def _of(path: Path, table: np.ndarray, rounds: int) -> Matrix:
    try:
        payoffs = tabulate(table)
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from None
    return Matrix(payoffs, rounds)


def _read(path: Path) -> np.ndarray:
    require(path.suffix in (".json", ".npy"), f"payoffs must be in a .json or .npy file, got {path}")
    try:
        table: Any = np.load(path) if path.suffix == ".npy" else np.asarray(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}".splitlines()[0]) from None
    except (ValueError, EOFError, RecursionError) as error:
        reason = "its rows have different lengths" if "inhomogeneous" in str(error) else str(error).splitlines()[0]
        raise RequestError(f"{path} contains no payoff table: {reason}") from None
    if not isinstance(table, np.ndarray) or table.dtype.kind not in "iuf":
        raise RequestError(f"{path} contains no payoff table: write nested lists of numbers, or an array of numbers")
    return table


def _misshapen(shape: tuple[int, ...]) -> str:
    return (
        f"payoffs of n agents must have n + 1 axes, and the first axis must have length n, for example 2 × 3 × 3 for "
        f"two agents with three actions each; got {_spoken(shape)}"
    )


def _spoken(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a single number"


def _nested(values: Any) -> Any:
    return tuple(_nested(value) for value in values) if isinstance(values, list) else values
