"""What the games on a grid share: five moves of one cell, made by one agent after another.

A move out of the grid, into a wall or onto an agent is none. Agents move in the order of their numbers, so that one may
enter the cell that another has just left.

Reference: Koul, 2019, ma-gym (github.com/koulanurag/ma-gym), whose numbers of the moves these are.
"""

from typing import TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int

from hamlet.envs.scene import Cell, Circle

MOVES = ("down", "left", "up", "right", "stay")
# Of what is drawn.
_RADIUS = 0.32

# A row and a column.
Place: TypeAlias = Int[Array, " 2"]


def beside(place: Place, move: Int[Array, ""]) -> Place:
    """The cell that a move leads to, be it on the grid or not."""
    down = (move == 0).astype(jnp.int32) - (move == 2).astype(jnp.int32)
    right = (move == 3).astype(jnp.int32) - (move == 1).astype(jnp.int32)
    return place + jnp.stack((down, right))


def free(place: Place, others: Int[Array, "N 2"], shape: tuple[int, int]) -> Bool[Array, ""]:
    """Whether a cell is on the grid, and none of some agents on it."""
    inside = (place >= 0).all() & (place < jnp.asarray(shape)).all()
    return inside & ~(others == place[None]).all(-1).any()


def cell(row: int, column: int, text: str = "", marked: bool = False) -> Cell:
    """A cell as it is drawn, the first row on top."""
    return Cell(column, -row, text, marked)


def discs(position: np.ndarray) -> list[Circle]:
    """The agents, at ``[N, 2]``, as they are drawn."""
    return [Circle(float(column), -float(row), _RADIUS, agent) for agent, (row, column) in enumerate(position)]


def room(shape: tuple[int, int]) -> tuple[float, float, float, float]:
    """The view of a whole grid."""
    rows, columns = shape
    return (-0.7, 0.3 - rows, columns - 0.3, 0.7)


def spoken(time: int, actions: tuple[np.ndarray, ...] | None) -> str:
    """A step, and what each agent did in it.

    >>> spoken(3, (np.array([1, 4]),))
    'step 3: agent_0 left, agent_1 stay'
    """
    if actions is None:
        return ""
    moves = ", ".join(f"agent_{agent} {MOVES[int(move)]}" for agent, move in enumerate(actions[0]))
    return f"step {time}: {moves}"
