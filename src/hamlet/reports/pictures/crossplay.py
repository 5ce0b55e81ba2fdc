"""The picture of a cross-play: the matrix of each side's mean return, and the two rankings of the policies."""

from pathlib import Path
from typing import Any

import numpy as np

from hamlet.errors import RequestError, RunError
from hamlet.reports.crossplay import CrossPlay
from hamlet.reports.pictures.curve import blank_figure

_BLUE, _ORANGE = "#0072B2", "#D55E00"
_INK = "#222222"
# The maximum number of rows with numbers in the cells; in a larger matrix, the cells are too small.
_WRITTEN = 12
_LONGEST = 24


def draw(crossplay: CrossPlay, path: Path) -> Path:
    """Draw the mean returns of a cross-play as matrices, and its rankings as bars.

    There is one matrix if the game is zero-sum between two agents or both sides always have the same return. Otherwise
    there is one matrix for each side.

    Args:
        crossplay: The results of the cross-play.
        path: The path of the picture.

    Raises:
        RequestError: If matplotlib is missing, or cannot write the format of ``path``.
        RunError: If the picture cannot be written.
    """
    count = len(crossplay.players)
    sides = _sides(crossplay)
    cell = float(np.clip(1.15 - 0.05 * count, 0.35, 1.0))
    size = max(3.2, count * cell + 1.6)
    figure = blank_figure(size * len(sides) + 3.6, size + 0.9)
    panels = figure.subplots(1, len(sides) + 1, width_ratios=[size] * len(sides) + [3.0])
    for axes, (title, values, errors) in zip(panels[:-1], sides, strict=True):
        image = axes.imshow(values, **_colours(values))
        _dress(axes, crossplay, title)
        if count <= _WRITTEN:
            _write(axes, values, errors, image)
        figure.colorbar(image, ax=axes, shrink=0.7, pad=0.02).outline.set_visible(False)
    _rankings(panels[-1], crossplay)
    figure.suptitle(f"Cross-play on {crossplay.environment}", x=0.01, ha="left", fontsize=14, fontweight="bold")
    how = "sampled actions" if crossplay.mode == "stochastic" else "most probable actions"
    games = f"{crossplay.episodes} game{'s' if crossplay.episodes > 1 else ''} per cell, {how}; ± one standard error"
    figure.supxlabel(games, x=0.01, ha="left", fontsize=9, color="#444444")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, facecolor="white")
    except ValueError as error:
        raise RequestError(
            f"{path} cannot be written, because matplotlib does not know this file format; use .png, .svg or .pdf"
        ) from error
    except OSError as error:
        raise RunError(f"{path} cannot be written: {error.strerror}") from error
    return path


def _sides(crossplay: CrossPlay) -> list[tuple[str, np.ndarray, np.ndarray]]:
    row = (f"mean return of {crossplay.agents[0]}", crossplay.first, crossplay.first_error)
    if crossplay.opposed:
        return [(f"{row[0]} (= loss of {crossplay.agents[1]})", *row[1:])]
    if crossplay.alike:
        return [("mean return of every agent", *row[1:])]
    other = crossplay.agents[1] if len(crossplay.agents) == 2 else "each other agent"
    return [row, (f"mean return of {other}", crossplay.others, crossplay.others_error)]


def _colours(values: np.ndarray) -> dict[str, Any]:
    """Return the colour map: white is 0 if values have both signs; otherwise the largest values are the darkest."""
    low, high = float(values.min()), float(values.max())
    limit = max(-low, high)
    if low < 0 < high:
        return {"cmap": "RdBu", "vmin": -limit, "vmax": limit}
    return {"cmap": "Blues", "vmin": low, "vmax": high if high > low else low + 1.0}


def _dress(axes: Any, crossplay: CrossPlay, title: str) -> None:
    names = [_short(player.label) for player in crossplay.players]
    places = np.arange(len(names))
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xticks(places, names, rotation=35, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(places, names, fontsize=9)
    rest = crossplay.agents[1] if len(crossplay.agents) == 2 else "all other agents"
    axes.set(xlabel=f"policy of {rest}", ylabel=f"policy of {crossplay.agents[0]}")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _write(axes: Any, values: np.ndarray, errors: np.ndarray, image: Any) -> None:
    digits = 2 if np.abs(values).max() < 10 else 1 if np.abs(values).max() < 1000 else 0
    for (row, column), value in np.ndenumerate(values):
        red, green, blue, _ = image.cmap(image.norm(value))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        text = f"{value:,.{digits}f}\n± {errors[row, column]:,.{digits}f}".replace("-", "−")
        axes.text(column, row, text, ha="center", va="center", fontsize=8, color="white" if dark else _INK)


def _rankings(axes: Any, crossplay: CrossPlay) -> None:
    places = np.arange(len(crossplay.players))
    axes.barh(places - 0.2, crossplay.nash_average.mixture, 0.36, color=_BLUE, label="Nash average")
    axes.barh(places + 0.2, crossplay.alpha_rank.masses, 0.36, color=_ORANGE, label="α-rank")
    axes.set_yticks(places, [_short(player.label) for player in crossplay.players], fontsize=9)
    axes.set_ylim(len(places) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_title("weights", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=2)
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _short(label: str) -> str:
    return label if len(label) <= _LONGEST else "…" + label[1 - _LONGEST :]
