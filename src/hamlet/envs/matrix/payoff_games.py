"""Games given by tables of payoffs, played for one round or several.

    rᵢ = uᵢ(a₁, …, a_n),      u the payoffs, ``[n, A₁, …, A_n]``.

Where the reward is common, each agent's share is u/n, so that the sum over agents, which cooperative algorithms train
on and which is printed as the return, is the payoff of the table. Agents always see the same two numbers, (1, 0): two,
because a network that normalises its input would see nothing of one. The last round terminates the episode.
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

# Entries of a table at most: it is kept, number by number, in a run's config.json.
LARGEST = 100_000
SIGHT = (1.0, 0.0)
"""What every agent, and the critic, sees in every round."""


class RoundState(eqx.Module):
    """Rounds played so far."""

    time: Int[Array, ""]


def group(names: tuple[str, ...], action: Space) -> Group:
    """Agents who see nothing that changes."""
    return Group(names, Box(0.0, 1.0, (len(SIGHT),)), action)


def begin(groups: tuple[Group, ...]) -> tuple[RoundState, View]:
    """Before the first round."""
    return RoundState(jnp.int32(0)), _view(groups)


def after(
    groups: tuple[Group, ...], state: RoundState, reward: Float[Array, " n"], rounds: int
) -> tuple[RoundState, View, Outcome]:
    """A round later; the last one terminates."""
    state = RoundState(state.time + 1)
    return state, _view(groups), Outcome(reward, state.time >= rounds, jnp.zeros((), bool))


def _view(groups: tuple[Group, ...]) -> View:
    sight = jnp.asarray(SIGHT, jnp.float32)
    observation = tuple(jnp.broadcast_to(sight[None], (len(group.names), len(SIGHT))) for group in groups)
    return View(observation, sight, (None,) * len(groups), None)


@dataclass(frozen=True)
class Matrix:
    """A game given by a table of payoffs.

    Attributes:
        payoffs: ``[n, A₁, …, A_n]`` as nested tuples: each agent's payoff for every joint action. See `tabulate`.
        rounds: Rounds of an episode; at least 1.
    """

    payoffs: tuple[Any, ...]
    rounds: int = 1

    def __post_init__(self):
        require(self.rounds >= 1, f"rounds must be at least 1, not {self.rounds}")
        require(np.ndim(self.payoffs) == len(self.payoffs) + 1, _misshapen(np.shape(self.payoffs)))

    @property
    def groups(self) -> tuple[Group, ...]:
        """Agents of equally many actions, in the order in which the first of them comes."""
        return tuple(
            group(tuple(f"agent_{i}" for i in agents), Discrete(count))
            for count, agents in itertools.groupby(self._order, lambda i: self._counts[i])
        )

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of the constant that is seen."""
        return (len(SIGHT),)

    @property
    def known_returns(self) -> KnownReturns | None:
        """Those of the table."""
        return table_returns(self.payoffs, self.rounds)

    @property
    def constant_sum(self) -> bool:
        """Whether the payoffs of all agents sum to the same for every joint action, although an agent's own vary."""
        table = np.asarray(self.payoffs)
        rounding = 1e-9 * np.abs(table).max(initial=1.0)
        return bool(np.ptp(table.sum(0)) <= rounding < np.ptp(table, axis=tuple(range(1, table.ndim))).max())

    def reset(self, key: Key) -> tuple[RoundState, View]:
        """The same for every key."""
        del key
        return begin(self.groups)

    def step(self, key: Key, state: RoundState, actions: tuple[Array, ...]) -> tuple[RoundState, View, Outcome]:
        """One round."""
        del key
        chosen = jnp.concatenate(actions)
        joint_action = tuple(chosen[self._order.index(agent)] for agent in range(len(self._order)))
        payoff = jnp.asarray(self.payoffs, jnp.float32)[(slice(None), *joint_action)]
        return after(self.groups, state, payoff[jnp.asarray(self._order)], self.rounds)

    def scene(self, state: RoundState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """The payoffs, those of the joint action marked."""
        del state
        table = np.asarray(self.payoffs)
        chosen, words = _played(self._order, actions)
        return payoff_table(table, chosen, caption=words)

    @cached_property
    def _counts(self) -> tuple[int, ...]:
        return np.shape(self.payoffs)[1:]

    @cached_property
    def _order(self) -> tuple[int, ...]:
        """The agents, group by group."""
        return tuple(sorted(range(len(self._counts)), key=lambda i: self._counts.index(self._counts[i])))


def _played(order: tuple[int, ...], actions: tuple[np.ndarray, ...] | None) -> tuple[list[int] | None, str]:
    """Every agent's choice in the order of the agents, and in words."""
    if actions is None:
        return None, ""
    chosen = np.concatenate(actions)
    joint_action = [int(chosen[order.index(agent)]) for agent in range(len(order))]
    return joint_action, choices_line([(f"agent_{agent}", choice) for agent, choice in enumerate(joint_action)])


def tabulate(payoffs: Any) -> tuple[Any, ...]:
    """An array of payoffs ``[n, A₁, …, A_n]`` as the nested tuples of a `Matrix`.

    Raises:
        RequestError: If it has another shape, or too many entries, or one that is not finite.

    >>> tabulate([[[1, 2], [3, 4]], [[0, 0], [0, 0]]])
    (((1.0, 2.0), (3.0, 4.0)), ((0.0, 0.0), (0.0, 0.0)))
    """
    table = np.asarray(payoffs, np.float64)
    require(table.ndim == table.shape[0] + 1 if table.ndim else False, _misshapen(table.shape))
    require(table.size > 0, f"there are no payoffs in a table of shape {_spoken(table.shape)}")
    require(table.size <= LARGEST, f"a table of {table.size:,} payoffs is too large: at most {LARGEST:,} are taken")
    require(bool(np.isfinite(table).all()), "payoffs must be finite, and one is not")
    return _nested(table.tolist())


def common_reward(payoff: Any) -> tuple[Any, ...]:
    """A team's payoff ``[A₁, …, A_n]`` as a `Matrix` takes it: each of n agents gets an equal share.

    >>> common_reward([[8, 0], [0, 2]])
    (((4.0, 0.0), (0.0, 1.0)), ((4.0, 0.0), (0.0, 1.0)))
    """
    table = np.asarray(payoff, np.float64)
    agents = table.ndim
    return tabulate(np.broadcast_to(table / max(agents, 1), (agents, *table.shape)))


def table_returns(payoffs: Any, rounds: int) -> KnownReturns | None:
    """The best return and that of random play: rounds · max over a of Σᵢ uᵢ(a), and the mean over a in its place.

    None where the sum is the same for every joint action, as in a zero-sum game: then no play is better than another.

    Args:
        payoffs: ``[n, A₁, …, A_n]``.
        rounds: Rounds of an episode.

    >>> table_returns(common_reward([[8, 0], [0, 2]]), 2)
    KnownReturns(optimum=16.0, random=5.0)
    """
    team = np.asarray(payoffs, np.float64).sum(0)
    if np.ptp(team) <= 1e-9 * np.abs(np.asarray(payoffs)).max(initial=0.0):
        return None
    return KnownReturns(float(rounds * team.max()), float(rounds * team.mean()))


def equilibria(payoffs: Any) -> list[tuple[int, ...]]:
    """The pure Nash equilibria: joint actions from which no agent gains by a change of its own action alone.

        a with uᵢ(a) ≥ uᵢ(b, a₋ᵢ) for every agent i and action b; found by enumeration.

    Args:
        payoffs: ``[n, A₁, …, A_n]``, each agent's payoff for every joint action.

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
    """Any game, by a table of payoffs in a file.

    Args:
        path: A .json or .npy file with one array for each agent, or a single one for the team.
        common: Whether it is the team's, where its shape allows both: three agents of two actions, or two of two.
        rounds: Rounds of an episode.

    Raises:
        RequestError: If the file cannot be read, or holds no table of payoffs.
    """
    table = _read(Path(path))
    if common or not (table.ndim and table.ndim == table.shape[0] + 1):
        require(table.ndim >= 1, f"{path} holds a single number, no table of payoffs")
        return _of(path, np.broadcast_to(table / table.ndim, (table.ndim, *table.shape)), rounds)
    return _of(path, table, rounds)


def _of(path: Path, table: np.ndarray, rounds: int) -> Matrix:
    try:
        payoffs = tabulate(table)
    except RequestError as error:
        raise RequestError(f"{path}: {error}") from None
    return Matrix(payoffs, rounds)


def _read(path: Path) -> np.ndarray:
    require(path.suffix in (".json", ".npy"), f"payoffs are read from a .json or .npy file, not from {path}")
    try:
        table: Any = np.load(path) if path.suffix == ".npy" else np.asarray(json.loads(path.read_text("utf-8")))
    except OSError as error:
        raise RequestError(f"{path} cannot be read: {error.strerror or error}".splitlines()[0]) from None
    except (ValueError, EOFError, RecursionError) as error:
        reason = "its rows have unequal lengths" if "inhomogeneous" in str(error) else str(error).splitlines()[0]
        raise RequestError(f"{path} holds no table of payoffs: {reason}") from None
    if not isinstance(table, np.ndarray) or table.dtype.kind not in "iuf":
        raise RequestError(f"{path} holds no table of payoffs: write nested lists of numbers, or an array of them")
    return table


def _misshapen(shape: tuple[int, ...]) -> str:
    return (
        f"payoffs of n agents have n + 1 axes, the first of them n long, as 2 × 3 × 3 for two of three actions; "
        f"not {_spoken(shape)}"
    )


def _spoken(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape)) or "a single number"


def _nested(values: Any) -> Any:
    return tuple(_nested(value) for value in values) if isinstance(values, list) else values
