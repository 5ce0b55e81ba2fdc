"""Drawings of a game for reports: each time step is a few simple shapes, which a page draws on its canvas.

An environment that can be animated has a method ``scene`` in addition to its interface (`Drawn`). All scenes of an
episode have the same shapes in the same order; only the fields of the shapes change.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np

# An agent's number in the order of the agents' names, which the page maps to a colour; or "ink", "faint" or "ground".
Colour: TypeAlias = int | str
# The colours of agents, in the order of their names, repeated if there are more agents. The report's page has the same.
AGENT_COLOURS = ("#0069b4", "#c8500a", "#00805c", "#a8467f", "#8a6a00", "#2b8fc9", "#5b5f66", "#6a3fb5")


@dataclass(frozen=True)
class Circle:
    """A disc, or with ``hollow`` a ring, with text above it."""

    x: float
    y: float
    radius: float
    colour: Colour = "ink"
    text: str = ""
    hollow: bool = False


@dataclass(frozen=True)
class Segment:
    """A line with a width and round ends."""

    x: float
    y: float
    x2: float
    y2: float
    width: float = 0.0
    colour: Colour = "ink"


@dataclass(frozen=True)
class Cell:
    """A square with side one around a point, with text in it; a marked cell has a frame."""

    x: float
    y: float
    text: str = ""
    marked: bool = False


@dataclass(frozen=True)
class Label:
    """Text around a point."""

    x: float
    y: float
    text: str
    colour: Colour = "ink"


Shape: TypeAlias = Circle | Segment | Cell | Label


@dataclass(frozen=True)
class Scene:
    """The drawing of one time step.

    Attributes:
        shapes: The shapes; later shapes are drawn over earlier ones.
        view: Left, bottom, right and top of the visible area, in the game's units.
        seconds: How many seconds it is shown.
        centre: The position along x of a view that follows a body over the ground; None for a fixed view.
        caption: A few words about this time step.
    """

    shapes: tuple[Shape, ...]
    view: tuple[float, float, float, float]
    seconds: float = 0.15
    centre: float | None = None
    caption: str = ""


class Drawn(Protocol):
    """An environment that can be drawn."""

    def scene(self, state: Any, actions: tuple[np.ndarray, ...] | None) -> Scene:
        """Draw a state.

        Args:
            state: The environment's own state of one copy, as numpy arrays; for a host environment, a snapshot of one
                copy.
            actions: For every group, the actions ``[N, …]`` that led to this state; None at the start.
        """
        ...


def disc(place: Any, radius: float, colour: Colour, text: str = "", *, hollow: bool = False) -> Circle:
    """Return a circle around a point, ``[2]``."""
    return Circle(float(place[0]), float(place[1]), radius, colour, text, hollow)


def line(here: Any, there: Any, width: float, colour: Colour) -> Segment:
    """Return a segment between two points, ``[2]`` each."""
    return Segment(float(here[0]), float(here[1]), float(there[0]), float(there[1]), width, colour)


def payoff_table(payoffs: np.ndarray, chosen: Sequence[int] | None, *, caption: str) -> Scene:
    """Draw the payoff table of two agents with the chosen joint action marked; for more agents, draw `choices`.

    Args:
        payoffs: ``[n, A₁, …, A_n]``, with n agents and Aᵢ actions of agent i.
        chosen: Every agent's action.
        caption: The caption of the scene.
    """
    counts = payoffs.shape[1:]
    if len(counts) != 2 or max(counts) > _WIDEST:
        return choices(counts, chosen, caption=caption)
    rows, columns = counts
    common = np.allclose(payoffs[0], payoffs[1])
    shapes: list[Shape] = [
        Cell(column, -row, _payoff(payoffs[:, row, column], common), (row, column) == tuple(chosen or ()))
        for row, column in itertools.product(range(rows), range(columns))
    ]
    shapes += [Label(-0.85, -row, str(row), 0) for row in range(rows)]
    shapes += [Label(column, 0.75, str(column), 1) for column in range(columns)]
    return Scene(tuple(shapes), (-1.3, 0.4 - rows, columns - 0.2, 1.2), 1.2, caption=caption)


# The largest number of cells of a row that can still be read.
_WIDEST = 9


def choices(counts: Sequence[int], chosen: Sequence[int] | None, *, caption: str) -> Scene:
    """Draw each agent's discrete actions in a row, with the chosen one marked; long rows show only a part."""
    shapes: list[Shape] = []
    for agent, count in enumerate(counts):
        agent_choice = None if chosen is None else chosen[agent]
        first = max(0, min(count - _WIDEST, (agent_choice or 0) - _WIDEST // 2))
        shown = range(first, min(count, first + _WIDEST))
        shapes += [Cell(place, -agent, str(choice), choice == agent_choice) for place, choice in enumerate(shown)]
        shapes.append(Label(-0.85, -agent, f"{agent}", agent))
    width = min(max(counts), _WIDEST)
    return Scene(tuple(shapes), (-1.3, 0.4 - len(counts), width - 0.2, 0.8), 1.2, caption=caption)


def whole_view(scenes: Sequence[Scene]) -> tuple[float, float, float, float]:
    """Return the visible area of an episode: the first view, extended to contain all shapes, up to twice its size."""
    left, bottom, right, top = scenes[0].view
    points = [(shape.x, shape.y, getattr(shape, "radius", 0.0)) for scene in scenes for shape in scene.shapes]
    across, along, radius = (np.array(column, float) for column in zip(*points, strict=True))
    room = (right - left) / 2, (top - bottom) / 2
    return (
        max(left - room[0], min(left, float((across - radius).min()))),
        max(bottom - room[1], min(bottom, float((along - radius).min()))),
        min(right + room[0], max(right, float((across + radius).max()))),
        min(top + room[1], max(top, float((along + radius).max()))),
    )


def choices_line(values: Iterable[tuple[str, Any]]) -> str:
    """Return names with their actions as text.

    >>> choices_line([("agent_0", 2), ("agent_1", 0)])
    'agent_0 plays 2, agent_1 plays 0'
    """
    return ", ".join(f"{name} plays {value}" for name, value in values)


def _payoff(payoffs: np.ndarray, common: bool) -> str:
    """Return the team's sum if all agents have the same share, else each agent's payoff."""
    words = f"{payoffs.sum():g}" if common else ", ".join(f"{payoff:g}" for payoff in payoffs)
    return words.replace("-", "−")
