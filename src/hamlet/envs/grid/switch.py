"""Switch: the agents of two rooms change places through a corridor that only one agent can pass at a time.

    rᵢ = 5 in the step in which agent i arrives,  −0.1 in every earlier step,  0 in every later step.

rᵢ is agent i's own reward. The grid of 3 × 7 cells has a room of two columns at each side and one row between them.
Agents 0 and 2 start on the left, agents 1 and 3 on the right. Each agent's goal is the opposite corner, where it stays.
The best team return is 8.3 with two agents, 12.4 with three and 16.1 with four.

An agent observes only its own row / 2 and column / 6, rounded to two decimals. It does not observe the other agents or
the time. ma-gym 0.0.14 (``Switch2-v0``, ``Switch4-v0``) and the paper have the same observation. A LayerNorm over two
numbers keeps only the sign of their difference, so networks must have no LayerNorm on the input here. The critic's
state is every agent's cell, one-hot.

An agent that has arrived does not act any more and is inactive. The episode terminates when all agents have arrived,
and is truncated after ``max_steps``. ma-gym does not distinguish termination and truncation.

References: Sunehag et al., 2017, arXiv:1706.05296, section 4.2; Wen et al., 2021, arXiv:2106.06828. The rules come from
ma-gym (Koul, 2019); the tests compare every step with transcripts of ma-gym.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from hamlet.envs.base import Group, KnownReturns, Outcome, View
from hamlet.envs.grid import board
from hamlet.envs.scene import Circle, Scene
from hamlet.errors import require
from hamlet.spaces import Box, Discrete
from hamlet.types import Key

SHAPE = (3, 7)
COST = 0.1
PRIZE = 5.0
_FIRST = ((0, 1), (0, 5), (2, 1), (2, 5))
_GOALS = ((0, 6), (0, 0), (2, 6), (2, 0))
# In the columns between the rooms, agents can only walk on the middle row.
_BETWEEN = (2, 4)
_MOST = len(_FIRST)
# By the number of agents: the best return, and the steps of a plan that earns it. Value iteration in tests checks it.
_BEST = {2: (8.3, 12), 3: (12.4, 14), 4: (16.1, 15)}


class SwitchState(eqx.Module):
    """The positions of the agents, and the steps so far."""

    position: Int[Array, "N 2"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Switch:
    """The agents of two rooms change places through a narrow corridor.

    Attributes:
        agents: The number of agents, 2 to 4.
        max_steps: The number of steps of an episode; at least 1.
    """

    agents: int = 4
    max_steps: int = 50

    def __post_init__(self):
        near = min(max(self.agents, 2), _MOST)
        require(2 <= self.agents <= _MOST, f"agents must be 2 to {_MOST}, got {self.agents}; the nearest is {near}")
        require(self.max_steps >= 1, f"max_steps must be at least 1, got {self.max_steps}")

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group with all agents."""
        names = tuple(f"agent_{i}" for i in range(self.agents))
        return (Group(names, Box(0.0, 1.0, (2,)), Discrete(len(board.MOVES))),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The size of all agents' cells, one-hot."""
        return (self.agents * SHAPE[0] * SHAPE[1],)

    @property
    def known_returns(self) -> KnownReturns | None:
        """The best return; None if episodes are too short for it."""
        best, steps = _BEST[self.agents]
        return KnownReturns(best) if self.max_steps >= steps else None

    def reset(self, key: Key) -> tuple[SwitchState, View]:
        """Start an episode; the start is the same for every key."""
        del key
        state = SwitchState(jnp.asarray(_FIRST[: self.agents], jnp.int32), jnp.int32(0))
        return state, self._view(state)

    def step(self, key: Key, state: SwitchState, actions: tuple[Array, ...]) -> tuple[SwitchState, View, Outcome]:
        """Move each agent that has not arrived, in the order of the agents' numbers."""
        del key
        position, before = state.position, self._arrived(state.position)
        for agent in range(self.agents):
            there = board.beside(position[agent], actions[0][agent])
            others = jnp.concatenate((position[:agent], position[agent + 1 :]))
            moves = board.free(there, others, SHAPE) & ~_walled(there) & ~before[agent]
            position = position.at[agent].set(jnp.where(moves, there, position[agent]))
        arrived = self._arrived(position)
        reward = jnp.where(before, 0.0, jnp.where(arrived, jnp.float32(PRIZE), -COST))
        state, over = SwitchState(position, state.time + 1), arrived.all()
        return state, self._view(state), Outcome(reward, over, ~over & (state.time >= self.max_steps))

    def scene(self, state: SwitchState, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw the rooms and the corridor, each agent's goal as a ring, and the agents as discs."""
        cells = [board.cell(row, column) for row, column in np.ndindex(*SHAPE) if not _is_wall(row, column)]
        goals = [Circle(c, -r, 0.42, agent, hollow=True) for agent, (r, c) in enumerate(_GOALS[: self.agents])]
        words = board.spoken(int(state.time), actions)
        return Scene((*cells, *goals, *board.discs(np.asarray(state.position))), board.room(SHAPE), 0.3, caption=words)

    def _arrived(self, position: Int[Array, "N 2"]) -> Bool[Array, " N"]:
        return (position == jnp.asarray(_GOALS[: self.agents])).all(-1)

    def _view(self, state: SwitchState) -> View:
        row, column = state.position[:, 0], state.position[:, 1]
        tables = [jnp.asarray([round(i / (side - 1), 2) for i in range(side)], jnp.float32) for side in SHAPE]
        observation = jnp.stack((tables[0][row], tables[1][column]), -1)
        cells = jax.nn.one_hot(row * SHAPE[1] + column, SHAPE[0] * SHAPE[1]).ravel()
        return View((observation,), cells, (None,), ~self._arrived(state.position))


def _walled(place: board.Place) -> Bool[Array, ""]:
    return (place[0] != 1) & (place[1] >= _BETWEEN[0]) & (place[1] <= _BETWEEN[1])


def _is_wall(row: int, column: int) -> bool:
    return row != 1 and _BETWEEN[0] <= column <= _BETWEEN[1]
