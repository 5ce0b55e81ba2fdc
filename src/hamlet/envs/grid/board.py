"""Shared rules of the grid games: five moves of at most one cell; the agents move sequentially.

A move out of the grid, into a wall or onto an agent has no effect. The agents move in the order of their numbers, so an
agent can enter a cell that another agent left in the same step.

Reference: Koul, 2019, ma-gym (github.com/koulanurag/ma-gym); the moves have the same numbers as there.
"""

from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from hamlet.envs.scene import Cell, Circle

MOVES = ("down", "left", "up", "right", "stay")
# The radius of an agent in a drawing.
_RADIUS = 0.32

# The row and the column of a cell.
Place: TypeAlias = Int[Array, " 2"]


def beside(place: Place, move: Int[Array, ""]) -> Place:
    """Return the cell that a move leads to; it may be outside the grid."""
    down = (move == 0).astype(jnp.int32) - (move == 2).astype(jnp.int32)
    right = (move == 3).astype(jnp.int32) - (move == 1).astype(jnp.int32)
    return place + jnp.stack((down, right))


def free(place: Place, others: Int[Array, "N 2"], shape: tuple[int, int]) -> Bool[Array, ""]:
    """Return whether a cell is on the grid and holds none of the other agents."""
    inside = (place >= 0).all() & (place < jnp.asarray(shape)).all()
    return inside & ~(others == place[None]).all(-1).any()


def cell(row: int, column: int, text: str = "", marked: bool = False) -> Cell:
    """Return the drawing of a cell; the first row is at the top."""
    return Cell(column, -row, text, marked)


def discs(position: np.ndarray) -> list[Circle]:
    """Return the drawing of the agents at positions ``[N, 2]``."""
    return [Circle(float(column), -float(row), _RADIUS, agent) for agent, (row, column) in enumerate(position)]


def room(shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the visible area for a whole grid."""
    rows, columns = shape
    return (-0.7, 0.3 - rows, columns - 0.3, 0.7)


def spoken(time: int, actions: tuple[np.ndarray, ...] | None) -> str:
    """Return a caption with the step and each agent's move.

    >>> spoken(3, (np.array([1, 4]),))
    'step 3: agent_0 left, agent_1 stay'
    """
    if actions is None:
        return ""
    moves = ", ".join(f"agent_{agent} {MOVES[int(move)]}" for agent, move in enumerate(actions[0]))
    return f"step {time}: {moves}"
