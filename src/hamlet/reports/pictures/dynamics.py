"""The picture of gradient play in a 2 × 2 game: the gradients, the paths, and the trust stable region.

It corresponds to figures 4, 9 a and 9 b of the MATRL paper (ICLR 2021 submission; later arXiv:2106.06828).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from hamlet.errors import RunError
from hamlet.experiments.gradient_play import Walk, equilibria
from hamlet.games import gradient
from hamlet.reports.pictures.curve import blank_figure

_PATHS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_REGION, _FIELD, _STAR = "#9ecae1", "#b0b0b0", "#d62728"
_GRID = 17
# The approximate distance between the arrows along a path, as a share of the side of the square.
_APART = 0.12


def draw(title: str, payoffs: Float[np.ndarray, "2 2 2"], walks: Mapping[str, Walk], out: Path) -> Path:
    """Draw the paths of several update rules in one game.

    The axes are the players' probabilities of their first action: p of the row player, q of the column player.

    Args:
        title: The title of the picture: the name of the game.
        payoffs: The payoffs ``[player, row, column]``.
        walks: The path of each rule, by the name of the rule.
        out: The path of the picture.

    Raises:
        RequestError: If matplotlib is missing.
        RunError: If the picture cannot be written.
    """
    figure = blank_figure(5.4, 5.9)
    axes = figure.subplots()
    _field(axes, payoffs)
    for walk in walks.values():
        _regions(axes, walk)
    for (name, walk), colour in zip(walks.items(), _PATHS, strict=False):
        axes.plot(*walk.points.T, color=colour, linewidth=1.6, label=name, zorder=3)
        _arrows(axes, walk.points, colour)
    first = next(iter(walks.values())).points[0]
    axes.plot(*first, "o", color="white", markeredgecolor="black", markersize=7, label="start", zorder=5, clip_on=False)
    places = equilibria(payoffs)
    axes.plot(*places.T, "*", color=_STAR, markersize=15, label="equilibrium", zorder=6, clip_on=False, linestyle="")
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.set(xlabel="p, row player's probability of its first action")
    axes.set(ylabel="q, column player's probability of its first action")
    axes.set_title(title, loc="left", fontsize=12)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return _save(figure, out)


def _field(axes: Any, payoffs: Float[np.ndarray, "2 2 2"]) -> None:
    """Draw both players' gradients on a grid.

    The length of an arrow is proportional to the square root of the norm of the gradient. This makes small gradients
    visible.
    """
    ticks = np.linspace(0, 1, _GRID)
    points = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), -1).reshape(-1, 2)
    slopes = np.asarray(jax.vmap(gradient.slope, (None, 0))(jnp.asarray(payoffs), jnp.asarray(points)))
    length = np.linalg.norm(slopes, axis=1, keepdims=True)
    shown = slopes / np.sqrt(np.maximum(length, 1e-12)) / np.sqrt(max(length.max(), 1e-12))
    axes.quiver(*points.T, *shown.T, color=_FIELD, angles="xy", scale=_GRID * 1.1, width=0.0022, pivot="mid", zorder=1)


def _regions(axes: Any, walk: Walk) -> None:
    """Draw the trust stable region: the box between every point of the path and the point in ``walk.stable``."""
    if walk.stable is None:
        return
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    low = np.minimum(walk.points, walk.stable)
    width = np.abs(walk.points - walk.stable)
    boxes = [Rectangle((x, y), w, h) for (x, y), (w, h) in zip(low, width, strict=True)]
    axes.add_collection(
        PatchCollection(boxes, facecolor=_REGION, edgecolor=_REGION, linewidth=0.8, alpha=0.5, zorder=2)
    )
    axes.fill([], [], color=_REGION, alpha=0.6, label="trust stable region")


def _arrows(axes: Any, points: Float[np.ndarray, "T 2"], colour: str) -> None:
    """Draw arrows at regular distances along a path, in its direction."""
    distance = np.concatenate(([0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))))
    marks = np.searchsorted(distance, np.arange(_APART / 2, min(distance[-1], 40 * _APART), _APART))
    for step in marks[(marks > 0) & (marks < len(points))]:
        before, after = points[step - 1], points[step]
        axes.annotate("", after, before, arrowprops={"arrowstyle": "-|>", "color": colour, "linewidth": 0}, zorder=4)


def _save(figure: Any, out: Path) -> Path:
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, facecolor="white")
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error
    return out
