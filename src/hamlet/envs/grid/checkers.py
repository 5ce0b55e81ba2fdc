"""Checkers: agent 0 earns much for apples and loses as much for lemons, agent 1 only little; lemons block the way.

    r₀ = −c + pay · (apples − lemons that agent 0 eats),      r₁ = −c + (apples − lemons that agent 1 eats),

with the cost of a step c = 0.01. rᵢ is agent i's own reward. Apples and lemons alternate on six columns of a grid of
3 × 8 cells. The agents start in the first and the last row of the seventh column. In the best play, agent 1 eats the
few lemons that block the way, and agent 0 eats all apples. The team return is then 41.26 with a pay of 5, in 37 steps
(86.26 with a pay of 10).

An agent observes its row / 3 and its column / 7, rounded to two decimals, and the 3 × 3 cells around it. It does not
observe other cells. There are two codings of a cell:

* five flags, for lemon, apple, agent 0, agent 1 and wall, as in ma-gym 0.0.14 (``Checkers-v0``). There are no walls,
  and cells outside the grid have no flag.
* with ``coded`` one number: 1 lemon, 2 apple, 3 agent, 0 otherwise. Older versions of ma-gym had this coding, together
  with a pay of 5; the paper's agents played this version.

The critic's state is the whole grid: the cells of both agents, one-hot, and one flag for each remaining fruit.

The episode terminates when all apples are eaten, and is truncated after ``max_steps``. ma-gym does not distinguish
termination and truncation.

References: Sunehag et al., 2017, arXiv:1706.05296, section 4.2; Wen et al., 2021, arXiv:2106.06828. The rules come from
ma-gym (Koul, 2019); the tests compare every step with transcripts of ma-gym.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hamlet.envs.base import Group, KnownReturns, Outcome, View
from hamlet.envs.grid import board
from hamlet.envs.scene import Scene
from hamlet.errors import require
from hamlet.spaces import Box, Discrete
from hamlet.types import Key

SHAPE = (3, 8)
COST = 0.01
_FIRST = ((0, 6), (2, 6))
# Fruits are on the columns left of the agents: an apple if row plus column is even, else a lemon.
_COLUMNS = 6
_APPLE = np.indices((SHAPE[0], _COLUMNS)).sum(0) % 2 == 0
# The coordinates in an agent's observation: the last of three rows is 2/3.
_ROWS = (0.0, 0.33, 0.67)
_ALONG = tuple(round(column / (SHAPE[1] - 1), 2) for column in range(SHAPE[1]))
# The contents of a cell: nothing, a lemon, an apple, agent 0 or agent 1.
_KINDS = 5
# The best play: the number of lemons that block the way, and the steps. An exhaustive search in the tests checks both.
_BARRING, _STEPS = 3, 37


class CheckersState(eqx.Module):
    """The positions of the agents, the remaining fruits, and the steps so far."""

    position: Int[Array, "2 2"]
    food: Bool[Array, "3 6"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Checkers:
    """Apples earn agent 0 much and agent 1 little; lemons cost each agent as much, and block the way.

    Attributes:
        pay: The reward of agent 0 for an apple, and its loss for a lemon; above 0. The paper has 5, ma-gym now 10.
        coded: Whether an observation has one number for each cell, instead of five flags.
        max_steps: The number of steps of an episode; at least 1.
    """

    pay: float = 5.0
    coded: bool = False
    max_steps: int = 100

    def __post_init__(self):
        require(0 < self.pay < float("inf"), f"pay must be a finite number above 0, got {self.pay}; the paper has 5")
        require(self.max_steps >= 1, f"max_steps must be at least 1, got {self.max_steps}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with both agents."""
        high: float | tuple[float, ...] = (1.0, 1.0, *(3.0,) * 9) if self.coded else 1.0
        return (Group(("agent_0", "agent_1"), Box(0.0, high, (self._width,)), Discrete(len(board.MOVES))),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The size of each agent's cell as one-hot, and the flags of the fruits."""
        return (2 * SHAPE[0] * SHAPE[1] + _APPLE.size,)

    @property
    def known_returns(self) -> KnownReturns | None:
        """The best return: 9 · pay − 3 − 2c · 37, with c the cost of a step.

        Agent 0 eats all nine apples, and agent 1 the three lemons that block the way. With fewer lemons eaten, at least
        two apples cannot be reached. None if episodes are too short for this play, or if the pay is below 2: then it
        may be better that agent 1 eats apples, which saves steps.
        """
        if self.max_steps < _STEPS or self.pay < 2:
            return None
        return KnownReturns(float(_APPLE.sum() * self.pay - _BARRING - 2 * COST * _STEPS))

    def reset(self, key: Key) -> tuple[CheckersState, View]:
        """Start an episode; the start is the same for every key."""
        del key
        state = CheckersState(jnp.asarray(_FIRST, jnp.int32), jnp.ones(_APPLE.shape, bool), jnp.int32(0))
        return state, self._view(state)

    def step(self, key: Key, state: CheckersState, actions: tuple[Array, ...]) -> tuple[CheckersState, View, Outcome]:
        """Move agent 0, then agent 1."""
        del key
        position, food, rewards = state.position, state.food, []
        for agent, pay in enumerate((self.pay, 1.0)):
            there = board.beside(position[agent], actions[0][agent])
            moves = board.free(there, position[1 - agent, None], SHAPE)
            eaten = food & _at(there) & moves
            apples, lemons = (eaten & _APPLE).any(), (eaten & ~_APPLE).any()
            rewards.append(pay * (apples.astype(jnp.float32) - lemons.astype(jnp.float32)) - COST)
            position = position.at[agent].set(jnp.where(moves, there, position[agent]))
            food = food & ~eaten
        state = CheckersState(position, food, state.time + 1)
        over = ~(food & _APPLE).any()
        return state, self._view(state), Outcome(jnp.stack(rewards), over, ~over & (state.time >= self.max_steps))

    def scene(self, state: CheckersState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw the grid with the reward of each fruit for agent 0, and the agents as discs."""
        fruits = np.full(SHAPE, "", object)
        fruits[:, :_COLUMNS] = np.where(state.food, np.where(_APPLE, f"+{self.pay:g}", f"−{self.pay:g}"), "")
        cells = [board.cell(row, column, str(fruits[row, column])) for row, column in np.ndindex(*SHAPE)]
        words = board.spoken(int(state.time), actions)
        return Scene((*cells, *board.discs(np.asarray(state.position))), board.room(SHAPE), 0.3, caption=words)

    @property
    def _width(self) -> int:
        return 2 + 9 * (1 if self.coded else _KINDS)

    def _view(self, state: CheckersState) -> View:
        where = jax.vmap(lambda place: _cells(place).ravel())(state.position)
        kinds = jnp.where(state.food, jnp.where(jnp.asarray(_APPLE), 2, 1), 0)
        kinds = jnp.pad(kinds, ((0, 0), (0, SHAPE[1] - _COLUMNS))).ravel()
        kinds = kinds + 3 * where[0].astype(jnp.int32) + 4 * where[1].astype(jnp.int32)
        ringed = jnp.pad(kinds.reshape(SHAPE), 1).ravel()
        wide = SHAPE[1] + 2
        around = (np.arange(3)[:, None] * wide + np.arange(3)[None]).ravel()
        near = ringed[(state.position @ jnp.asarray((wide, 1), jnp.int32))[:, None] + around[None]]
        rows, along = (jnp.asarray(table, jnp.float32) for table in (_ROWS, _ALONG))
        place = jnp.stack((rows[state.position[:, 0]], along[state.position[:, 1]]), -1)
        observation = jnp.concatenate((place, self._seen(near)), -1)
        global_state = jnp.concatenate((where.ravel(), state.food.ravel())).astype(jnp.float32)
        return View((observation,), global_state, (None,), None)

    def _seen(self, near: Int[Array, "2 9"]) -> Float[Array, "2 _W"]:
        if self.coded:
            return jnp.minimum(near, 3).astype(jnp.float32)
        # The fifth flag is the flag of a wall.
        return jax.nn.one_hot(near - 1, _KINDS).reshape(2, -1)


def _cells(place: board.Place) -> Bool[Array, "3 8"]:
    """Return a grid that is True at one cell."""
    rows, columns = jnp.arange(SHAPE[0]) == place[0], jnp.arange(SHAPE[1]) == place[1]
    return rows[:, None] & columns[None]


def _at(place: board.Place) -> Bool[Array, "3 6"]:
    """Return the part of the grid that can hold fruits; it is True at one cell."""
    return _cells(place)[:, :_COLUMNS]
