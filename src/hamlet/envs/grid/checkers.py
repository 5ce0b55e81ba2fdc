"""Checkers: one agent is paid well for apples and fined as much for lemons, the other little; lemons bar the way.

    r₀ = −c + pay · (apples − lemons that agent 0 eats),      r₁ = −c + (apples − lemons that agent 1 eats),

with the cost of a step c = 0.01. Apples and lemons alternate on six columns of a grid of 3 × 8, agents begin in the
first and the last row of the seventh. It is best that agent 1 eats the few lemons that bar the way, and agent 0 all
apples: 41.26 in sum with a pay of 5, in 37 steps (86.26 with 10). Rewards are each agent's own.

An agent sees its row / 3 and its column / 7, to two decimals, and the 3 × 3 cells around it: nothing of the rest of
the grid. A cell is seen as five flags, of lemon, apple, agent 0, agent 1 and wall, which is ma-gym 0.0.14
(``Checkers-v0``); there are no walls, and cells out of the grid have no flag. With ``coded`` it is one number instead,
1 lemon, 2 apple, 3 agent and 0 else, as ma-gym had it when it paid 5, which is what the paper's agents played. The
critic's state is the whole grid: both agents' cells, one-hot, and for every fruit whether it is there.

The episode terminates when all apples are eaten, and is truncated after ``max_steps``; ma-gym tells the two not apart.

References: Sunehag et al., 2017, arXiv:1706.05296, section 4.2; Wen et al., 2021, arXiv:2106.06828; the rules are those
of ma-gym (Koul, 2019), against whose transcripts the tests hold every step.
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
# Fruits lie on the columns left of the agents': an apple where row and column add up to an even number.
_COLUMNS = 6
_APPLE = np.indices((SHAPE[0], _COLUMNS)).sum(0) % 2 == 0
# Where an agent is, as it sees it: of three rows the last is seen as 2/3.
_ROWS = (0.0, 0.33, 0.67)
_ALONG = tuple(round(column / (SHAPE[1] - 1), 2) for column in range(SHAPE[1]))
# What a cell holds: nothing, a lemon, an apple, either agent.
_KINDS = 5
# Of the best play: the lemons that bar the way, and the steps. Held by an exhaustive search in the tests.
_BARRING, _STEPS = 3, 37


class CheckersState(eqx.Module):
    """Where the agents are, what is left to eat, and the steps so far."""

    position: Int[Array, "2 2"]
    food: Bool[Array, "3 6"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Checkers:
    """Apples for the one who is paid for them, lemons for the other.

    Attributes:
        pay: What agent 0 gets for an apple, and loses for a lemon; above 0. 5 in the paper, 10 in ma-gym since.
        coded: Whether a cell is seen as one number, rather than as five flags.
        max_steps: Steps of an episode; at least 1.
    """

    pay: float = 5.0
    coded: bool = False
    max_steps: int = 100

    def __post_init__(self):
        require(0 < self.pay < float("inf"), f"pay must be a number above 0, not {self.pay}; the paper's is 5")
        require(self.max_steps >= 1, f"max_steps must be at least 1, not {self.max_steps}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """Both agents."""
        high: float | tuple[float, ...] = (1.0, 1.0, *(3.0,) * 9) if self.coded else 1.0
        return (Group(("agent_0", "agent_1"), Box(0.0, high, (self._width,)), Discrete(len(board.MOVES))),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Each agent's cell, and the fruits."""
        return (2 * SHAPE[0] * SHAPE[1] + _APPLE.size,)

    @property
    def known_returns(self) -> KnownReturns | None:
        """Agent 0 eats all apples, agent 1 the three lemons that bar the way: 9 · pay − 3 − 2c · 37.

        With fewer lemons at least two apples are out of reach. None where episodes are too short for it, or where the
        pay is below 2: then it may be better that agent 1 eats apples, which saves steps.
        """
        if self.max_steps < _STEPS or self.pay < 2:
            return None
        return KnownReturns(float(_APPLE.sum() * self.pay - _BARRING - 2 * COST * _STEPS))

    def reset(self, key: Key) -> tuple[CheckersState, View]:
        """The same for every key."""
        del key
        state = CheckersState(jnp.asarray(_FIRST, jnp.int32), jnp.ones(_APPLE.shape, bool), jnp.int32(0))
        return state, self._view(state)

    def step(self, key: Key, state: CheckersState, actions: tuple[Array, ...]) -> tuple[CheckersState, View, Outcome]:
        """One move of agent 0, then one of agent 1."""
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
        """The grid with what its fruits are worth to agent 0, and the agents as discs."""
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
        # The fifth flag is that of a wall.
        return jax.nn.one_hot(near - 1, _KINDS).reshape(2, -1)


def _cells(place: board.Place) -> Bool[Array, "3 8"]:
    """True at one cell."""
    rows, columns = jnp.arange(SHAPE[0]) == place[0], jnp.arange(SHAPE[1]) == place[1]
    return rows[:, None] & columns[None]


def _at(place: board.Place) -> Bool[Array, "3 6"]:
    """True at one cell, of those that fruits lie on."""
    return _cells(place)[:, :_COLUMNS]
