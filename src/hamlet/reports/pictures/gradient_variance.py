"""How much gradient estimates vary, in lines of text and as a picture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hamlet.errors import RunError
from hamlet.experiments.gradient_variance import METHODS
from hamlet.reports.pictures.curve import blank_figure

_COLOURS = {
    "none": "#999999",
    "V": "#0072B2",
    "counterfactual": "#E69F00",
    "optimal": "#D55E00",
    "decentralised": "#009E73",
}
_SPOKEN = {"none": "no baseline", "counterfactual": "counterfactual (COMA)", "optimal": "optimal (OB)"}


def lines(measured: Mapping[str, Any]) -> list[str]:
    """The table of `hamlet.experiments.gradient_variance.measure`, and what it shows, said from its own numbers."""
    head = f"{measured['games']} random team games for each number of agents, {measured['choices']} choices each, "
    text = [head + f"seed {measured['seed']}: mean total variance of one agent's gradient estimate", ""]
    names = [*METHODS, "V − dec.", "identity", "bound"]
    text.append(f"{'agents':>6}" + "".join(f"{name:>16}" for name in names))
    for row in measured["rows"]:
        means = {name: float(np.mean(row[name])) for name in (*METHODS, "identity", "bound")}
        cells = [*(means[name] for name in METHODS), means["V"] - means["decentralised"]]
        cells += [means["identity"], means["bound"]]
        text.append(f"{row['agents']:>6}" + "".join(f"{cell:>16.4g}" for cell in cells))
    text += ["", *_counted(measured)]
    text.append("identity: E[(Q − Qⁱ)² ‖∇ log πⁱ‖²], which is what V has over the decentralised estimate, exactly;")
    text.append("bound: (n − 1) (ε B)², what that can be at most")
    return text


def _counted(measured: Mapping[str, Any]) -> list[str]:
    """How often each baseline is beaten."""
    text, count = [], measured["games"]
    for row in measured["rows"]:
        table = {name: np.asarray(row[name]) for name in METHODS}
        slack = 1e-9 * np.maximum(table["V"], 1.0)
        worse = [int((table["optimal"] > table[name] + slack).sum()) for name in ("none", "V", "counterfactual")]
        coma = [int((table["counterfactual"] > table[name] + slack).sum()) for name in ("none", "V")]
        text.append(
            f"{row['agents']} agents: OB varies more than no baseline, V, COMA's in {worse[0]}, {worse[1]}, {worse[2]} "
            f"of {count} games; COMA's more than no baseline, V in {coma[0]}, {coma[1]}"
        )
    return text


def draw(measured: Mapping[str, Any], out: Path) -> Path:
    """Draw the mean of every method over the number of agents, with the middle half of the games.

    Raises:
        RequestError: If matplotlib is missing.
        RunError: If it cannot be written.
    """
    figure = blank_figure(6.4, 4.4)
    axes, numbers = figure.subplots(), [row["agents"] for row in measured["rows"]]
    for name in METHODS:
        games = np.array([row[name] for row in measured["rows"]])
        low, high = np.percentile(games, (25, 75), axis=1)
        axes.plot(numbers, games.mean(1), "o-", color=_COLOURS[name], label=_SPOKEN.get(name, name), markersize=4)
        axes.fill_between(numbers, low, high, color=_COLOURS[name], alpha=0.12, linewidth=0)
    axes.set(xlabel="agents", ylabel="total variance of one agent's gradient estimate", xticks=numbers)
    axes.set_ylim(bottom=0)
    axes.set_title(f"{measured['games']} random team games each, exact", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, facecolor="white")
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error
    return out
