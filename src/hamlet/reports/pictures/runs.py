"""The curves of a report as pictures for papers and slides.

For every environment there is one picture of the returns, and one picture of the losses and policies. They use the
colours of the report's page. In SVG and PDF files, text is stored as text, so that you can search and edit it. The
pictures need the extra ``plots``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError, RunError, unknown
from hamlet.extras import bring
from hamlet.files import atomic_write
from hamlet.reports.pictures.curve import blank_figure, short

FORMATS = ("svg", "pdf", "png")
# The colours of the page. If there are more algorithms than colours, the line styles distinguish them.
_COLOURS = ("#0069b4", "#c8500a", "#00805c", "#a8467f", "#8a6a00", "#2b8fc9", "#5b5f66", "#6a3fb5")
_STROKES = ("-", (0, (7, 3)), (0, (2, 2)), (0, (7, 2, 2, 2)))
# Text is stored as text: SVG files refer to the reader's fonts, PDF files contain TrueType fonts.
_LETTERS = {"svg.fonttype": "none", "pdf.fonttype": 42, "font.family": "sans-serif"}
_WIDTH, _HEIGHT, _SMALL = 6.4, 4.0, (3.2, 2.3)


def check_formats(words: str) -> tuple[str, ...]:
    """Return the formats in a comma-separated text.

    Raises:
        RequestError: If a format is unknown, if there is no format, or if matplotlib is missing.
    """
    names = tuple(dict.fromkeys(word.strip().lower().lstrip(".") for word in words.split(",") if word.strip()))
    for name in names:
        if name not in FORMATS:
            raise unknown("format of pictures", name, FORMATS)
    if not names:
        raise RequestError(f"--pictures must contain at least one format of {', '.join(FORMATS)}, for example svg,pdf")
    bring("matplotlib", "--pictures")
    return names


def draw(document: Mapping[str, Any], out: Path, formats: Sequence[str]) -> list[Path]:
    """Draw the curves of a report's document.

    Args:
        document: The document that `hamlet.reports.document.gather` returns.
        out: The directory for the pictures, which must exist.
        formats: The formats to write, from `FORMATS`.

    Returns:
        The paths of the pictures.

    Raises:
        RequestError: If matplotlib is missing.
        RunError: If a picture cannot be written.
    """
    matplotlib = bring("matplotlib", "--pictures")
    paths = []
    with matplotlib.rc_context(_LETTERS):
        for name, figure in _figures(document):
            for kind in formats:
                path = out / f"{name}.{kind}"
                try:
                    # The date is left out, so that the same numbers always give the same file.
                    metadata: Any = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(kind)
                    figure.savefig(path, metadata=metadata, facecolor="white")
                except OSError as error:
                    raise RunError(f"{path} cannot be written: {atomic_write.one_line(error)}") from error
                paths.append(path)
    return paths


def _figures(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield every picture with the name of its file."""
    names: list[str] = []
    for number, task in enumerate(document["tasks"]):
        groups = [group for group in document["groups"] if group["task"] == number]
        stem = re.sub(r"[^A-Za-z0-9.]+", "-", task["name"]).strip("-")
        names.append(stem)
        stem += f"-{names.count(stem)}" if names.count(stem) > 1 else ""
        returns = [group for group in groups if group["curves"]["steps"] and not task["constant_sum"]]
        if returns:
            yield f"returns-{stem}", _returns(task, returns)
        measured = [
            entry for entry in document["diagnostics"] if any(entry["key"] in group["learning"] for group in groups)
        ]
        if measured:
            yield f"learning-{stem}", _learning(task, groups, measured)


def _returns(task: Mapping[str, Any], groups: Sequence[Mapping[str, Any]]) -> Any:
    figure = blank_figure(_WIDTH, _HEIGHT)
    axes = figure.subplots()
    for group in groups:
        _line(axes, group, group["curves"]["steps"])
    levels = [("random play", task["random"]), ("optimum", task["optimum"])]
    for name, level in levels:
        if level is not None:
            axes.axhline(level, color="#57606a", linewidth=1.0, linestyle=(0, (2, 3)), label=name)
    _dress(axes, task["curve"])
    axes.set_title(_title(task), loc="left", fontsize=12, fontweight="bold")
    axes.set_ylabel("team return", fontsize=10)
    axes.legend(frameon=False, fontsize=9)
    return figure


def _learning(task: Mapping[str, Any], groups: Sequence[Mapping[str, Any]], measured: Sequence[Any]) -> Any:
    columns = min(2, len(measured))
    rows = -(-len(measured) // columns)
    figure = blank_figure(_SMALL[0] * columns, _SMALL[1] * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    for axes, entry in zip(grid, measured, strict=False):
        for group in groups:
            if entry["key"] in group["learning"]:
                _line(axes, group, group["learning"][entry["key"]]["steps"])
        _dress(axes, "")
        axes.set_title(entry["title"] + (f", {entry['unit']}" if entry["unit"] else ""), loc="left", fontsize=10)
    for axes in grid:  # the unused panels of the last row
        axes.set_axis_off()
    figure.suptitle(_title(task), x=0.01, ha="left", fontsize=12, fontweight="bold")
    drawn = {label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(drawn.values(), drawn.keys(), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _line(axes: Any, group: Mapping[str, Any], curve: Mapping[str, Any] | None) -> None:
    """Draw a group's curve with its interval."""
    if curve is None:
        return
    colour = _COLOURS[group["colour"] % len(_COLOURS)]
    stroke = _STROKES[group["colour"] // len(_COLOURS) % len(_STROKES)]
    x, y, low, high = ([float("nan") if v is None else v for v in curve[name]] for name in ("x", "y", "low", "high"))
    seeds = len(group["counted"])
    label = f"{group['algorithm']} ({seeds} seed{'s' if seeds > 1 else ''})"
    axes.plot(x, y, color=colour, linestyle=stroke, linewidth=1.8, label=label, marker="o" if len(x) == 1 else None)
    axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)


def _dress(axes: Any, note: str) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.set_xlabel("environment steps" + (f"; {note}: IQM over seeds and 95 % interval" if note else ""), fontsize=9)
    axes.set_xlim(left=0)
    axes.tick_params(labelsize=9, length=0)
    axes.grid(axis="y", color="#e1e3e0", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def _title(task: Mapping[str, Any]) -> str:
    options = ", ".join(f"{name} {value}" for name, value in task["options"])
    return f"{task['name']} ({options})" if options else task["name"]
