"""The learning curve of a run as a picture: ``python -m hamlet.reports.pictures.curve RUN [--out PNG]``.

* A faint line shows the mean team return of the episodes that ended in each rollout.
* A solid line shows the moving mean of these returns.
* Dots show the evaluations during training, with bars of one standard error.
* If the run was evaluated after training, labelled horizontal lines show the mean returns of its policy, of its best
  policy (the "absolute metric" of Gorsane et al.) and of random play.

The picture needs the extra ``plots``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hamlet.errors import RequestError, RunError
from hamlet.extras import bring
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Metrics, Points
from hamlet.training import final_evaluation

# Blue, orange and grey (Okabe and Ito). Colour-blind readers can distinguish them, also in a greyscale print.
_LEARNT, _JUDGED, _RANDOM = "#0072B2", "#D55E00", "#666666"
# The window of the moving mean, as a share of the rollouts: wide enough for a smooth line, and narrow enough to show a
# sudden drop of the return.
_SMOOTHING = 0.02
# The height of a label, as a share of the height of the picture.
_LABEL = 0.11


def draw(run_directory: str | Path, out: str | Path | None = None) -> Path:
    """Draw a run's learning curve.

    Args:
        run_directory: The directory of a run.
        out: The path of the picture, in a format that matplotlib writes (.png, .svg, .pdf); None for ``curve.png`` in
            the run's directory.

    Returns:
        The path of the picture.

    Raises:
        RequestError: If matplotlib is missing, if it cannot write the format of ``out``, if there is no run, or if no
            episode of the run has ended yet.
        RunError: If the picture cannot be written.
    """
    run = RunDirectory.open(run_directory)
    out = Path(out) if out is not None else run.path / "curve.png"
    steps, returns, evaluations = _returns(run)
    figure = blank_figure(9.0, 5.4)
    axes = figure.subplots()
    _curve(axes, steps, returns)
    _dots(axes, evaluations)
    points = _latest(final_evaluation.points(run))
    _levels(axes, points)
    _dress(axes, run.config(), len(steps), evaluations, levels=bool(points))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, facecolor="white")
    except ValueError as error:
        raise RequestError(
            f"{out} cannot be written, because matplotlib does not know this file format; use .png, .svg or .pdf"
        ) from error
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error
    return out


def smooth(values: np.ndarray, window: int) -> np.ndarray:
    """Return the centred moving mean; near both ends, it is the mean over the values that the window contains.

    >>> smooth(np.array([0.0, 3.0, 6.0, 0.0]), 3).tolist()
    [1.5, 3.0, 3.0, 3.0]
    """
    ones = np.ones(min(window, len(values)))
    return np.convolve(values, ones, "same") / np.convolve(np.ones_like(values), ones, "same")


def _returns(run: RunDirectory) -> tuple[np.ndarray, np.ndarray, Points]:
    if not run.metrics.exists():
        raise RequestError(f"{run.path} has no metrics yet: continue the run with `hamlet resume {run.path}`")
    with Metrics(run.metrics, write=False) as metrics:
        steps, returns = metrics.read("return")
        evaluations = metrics.evaluations()
    if not len(steps):
        raise RequestError(f"no episode of {run.path} has ended yet: continue the run with `hamlet resume {run.path}`")
    return steps, returns, evaluations


def _latest(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the last evaluation of every mode, and the final evaluation of the best policy."""
    return list({_named(point): point for point in points}.values())


def _named(point: dict[str, Any]) -> str:
    if point.get("metric") == "absolute":
        return "best policy"
    return "random play" if point["mode"] == "random" else f"evaluation, {point['mode']}"


def blank_figure(width: float, height: float) -> Any:
    """Return an empty figure of the given size in inches.

    Raises:
        RequestError: If matplotlib cannot be imported.
    """
    # pyplot is not used, because it looks for a screen and keeps every figure in memory.
    return bring("matplotlib.figure", "a picture").Figure(figsize=(width, height), dpi=150, layout="constrained")


def _curve(axes: Any, steps: np.ndarray, returns: np.ndarray) -> None:
    axes.plot(steps, returns, color=_LEARNT, alpha=0.25, linewidth=0.8)
    smoothed = smooth(returns, _window(len(steps)))
    axes.plot(steps, smoothed, color=_LEARNT, linewidth=2.2)
    axes.set_xlim(0, steps[-1])


def _dots(axes: Any, evaluations: Points) -> None:
    """Draw the mean of each evaluation, with an error bar of one standard error in both directions."""
    if not len(evaluations.steps):
        return
    team = evaluations.team
    bars = team.std(1, ddof=1) / np.sqrt(team.shape[1]) if team.shape[1] > 1 else None
    style = {"fmt": "o", "markersize": 4, "elinewidth": 1.2, "color": _JUDGED}
    axes.errorbar(evaluations.steps, team.mean(1), bars, **style)
    axes.set_xlim(0, max(axes.get_xlim()[1], evaluations.steps[-1]))


def _window(count: int) -> int:
    """Return an odd window, so that it can be centred; at least 5, but at most ``count``."""
    return min(max(5, round(_SMOOTHING * count) | 1), count)


def _levels(axes: Any, points: list[dict[str, Any]]) -> None:
    """Draw a line at the mean of each evaluation, with a band of one standard error and a label at the right end."""
    for point in points:
        mean, error, color = float(point["mean"]), float(point["standard_error"]), _color(point)
        axes.axhline(mean, color=color, linewidth=1.4, linestyle=(0, (5, 3)), zorder=1.5)
        axes.axhspan(mean - error, mean + error, color=color, alpha=0.15, linewidth=0, zorder=1)
    low, high = axes.get_ylim()
    places = spread([float(point["mean"]) for point in points], apart=_LABEL * (high - low))
    for point, place in zip(points, places, strict=True):
        axes.annotate(
            f"{_named(point)}\n{point['mean']:,.1f} ± {point['standard_error']:,.1f}".replace("-", "−"),
            xy=(1.0, place),
            xycoords=("axes fraction", "data"),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=11,
            color=_color(point),
        )


def _color(point: dict[str, Any]) -> str:
    return _RANDOM if point["mode"] == "random" else _JUDGED


def spread(values: Sequence[float], *, apart: float) -> list[float]:
    """Return positions near the values and in the same order, with a distance of at least ``apart`` between any two.

    >>> spread([0.0, 1.0, 9.0], apart=2.0)
    [-0.5, 1.5, 9.0]
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    # A block contains neighbouring values and their mean position. Blocks that overlap are merged.
    blocks: list[tuple[list[int], float]] = []
    for index in order:
        block, centre = [index], values[index]
        while blocks and centre - blocks[-1][1] < apart * (len(block) + len(blocks[-1][0])) / 2:
            block = blocks.pop()[0] + block
            centre = sum(values[i] for i in block) / len(block)
        blocks.append((block, centre))
    places = {i: centre + apart * (k - (len(block) - 1) / 2) for block, centre in blocks for k, i in enumerate(block)}
    return [places[index] for index in range(len(values))]


def _dress(axes: Any, config: dict[str, Any], rollouts: int, evaluations: Points, *, levels: bool) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    name = f"{config['algorithm_name'].upper()} on {config['environment_name']}, seed {config['seed']}"
    axes.set_title(name, loc="left", fontsize=15, fontweight="bold", pad=24)
    note = f"episodes that ended in each rollout; line: moving mean of {_window(rollouts)} rollouts"
    if len(evaluations.steps):
        note += f"; dots: {evaluations.team.shape[1]} {evaluations.mode} episodes"
    note += "; ± one standard error" if levels or len(evaluations.steps) else ""
    axes.text(0, 1.02, note, transform=axes.transAxes, fontsize=10, color="#444444", va="bottom")
    axes.set_xlabel("environment steps, summed over environment copies", fontsize=12)
    axes.set_ylabel("team return of an episode\n(rewards summed over agents and steps)", fontsize=12)
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axes.tick_params(labelsize=11, length=0)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)


def short(count: float) -> str:
    """Return a count as a short text for an axis.

    >>> short(2_000_000), short(500)
    ('2M', '500')
    """
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:g}{unit}"
    return f"{count:g}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw one run, and return the exit status: 0, or 2 for a wrong request, or 1 for another failure."""
    parser = argparse.ArgumentParser(
        prog="python -m hamlet.reports.pictures.curve", description="Draw a run's learning curve."
    )
    parser.add_argument("run", metavar="RUN", help="the directory of a run")
    parser.add_argument(
        "--out", metavar="PNG", help="the path of the picture (default: curve.png in the run's directory)"
    )
    given = parser.parse_args(arguments)
    try:
        print(f"wrote {draw(given.run, given.out)}")
    except (RequestError, RunError) as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, RequestError) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
