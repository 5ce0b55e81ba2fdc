"""The variance of gradient estimates, as lines of text and as a picture."""

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
    """Return the table of `hamlet.experiments.gradient_variance.measure`, with findings computed from its numbers."""
    head = f"{measured['games']} random team games for each number of agents, {measured['choices']} actions per agent, "
    text = [head + f"seed {measured['seed']}: mean total variance of one agent's gradient estimate", ""]
    names = [*METHODS, "V − dec.", "identity", "bound"]
    text.append(f"{'agents':>6}" + "".join(f"{name:>16}" for name in names))
    for row in measured["rows"]:
        means = {name: float(np.mean(row[name])) for name in (*METHODS, "identity", "bound")}
        cells = [*(means[name] for name in METHODS), means["V"] - means["decentralised"]]
        cells += [means["identity"], means["bound"]]
        text.append(f"{row['agents']:>6}" + "".join(f"{cell:>16.4g}" for cell in cells))
    text += ["", *_counted(measured)]
    text.append("V − dec.: the variance with V minus the variance of the decentralised estimate")
    text.append("identity: E[(Q − Qⁱ)² ‖∇ log πⁱ‖²], which is exactly equal to V − dec.")
    text.append("bound: (n − 1) (ε B)², an upper bound of V − dec.")
    text.append("n: number of agents; Qⁱ: Q averaged over the other agents' actions; πⁱ: policy of agent i;")
    text.append("ε = maxⱼ max|Aʲ|, with the advantages Aʲ; B = max‖∇ log πⁱ‖")
    return text


def _counted(measured: Mapping[str, Any]) -> list[str]:
    """Return lines on how often a baseline gives a larger variance than another baseline."""
    text, count = [], measured["games"]
    for row in measured["rows"]:
        table = {name: np.asarray(row[name]) for name in METHODS}
        slack = 1e-9 * np.maximum(table["V"], 1.0)
        worse = [int((table["optimal"] > table[name] + slack).sum()) for name in ("none", "V", "counterfactual")]
        coma = [int((table["counterfactual"] > table[name] + slack).sum()) for name in ("none", "V")]
        text.append(
            f"{row['agents']} agents, games (of {count}) with a larger variance: OB than no baseline {worse[0]}, "
            f"OB than V {worse[1]}, OB than COMA {worse[2]}, COMA than no baseline {coma[0]}, COMA than V {coma[1]}"
        )
    return text


def draw(measured: Mapping[str, Any], out: Path) -> Path:
    """Draw the mean variance of every method over the number of agents, with the 25 % to 75 % range over games.

    Args:
        measured: The result of `hamlet.experiments.gradient_variance.measure`.
        out: The path of the picture.

    Raises:
        RequestError: If matplotlib is missing.
        RunError: If the picture cannot be written.
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
    axes.set_title(f"{measured['games']} random team games per number of agents, exact values", loc="left", fontsize=11)
    axes.legend(frameon=False, fontsize=9)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out, facecolor="white")
    except OSError as error:
        raise RunError(f"{out} cannot be written: {error.strerror}") from error
    return out
