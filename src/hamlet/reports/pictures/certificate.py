"""The picture of certificates: the objective J after each iteration, and the Nash gaps after the last iteration."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from hamlet.reports.pictures.curve import blank_figure
from hamlet.tabular.certificate import NO_FALL, Certificate

# The colours of Okabe and Ito that are dark enough for lines on white, and then darker colours of Tol.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_COLOURS += ("#332288", "#882255", "#117733", "#999933", "#661100", "#000000")


def draw(certificates: Mapping[str, Certificate], path: Path) -> Path:
    """Draw the certificates of several algorithms.

    The left panel shows (J − J₀) / (J* − J₀) after each iteration: the median and quartiles over games. J is the
    objective, J₀ its value at the start, and J* its optimum. The right panel shows the share of games whose Nash gap is
    below each value.

    Raises:
        RequestError: If matplotlib is missing.
    """
    figure = blank_figure(11.0, 4.8)
    climb, rest = figure.subplots(1, 2)
    for number, (name, certificate) in enumerate(certificates.items()):
        colour, style = _COLOURS[number % len(_COLOURS)], "-" if certificate.holds else (0, (4, 2))
        fell = int(((certificate.fall > NO_FALL) | (certificate.state_fall > NO_FALL)).sum())
        objective = "" if certificate.temperature is None else "J_α "
        label = name if certificate.holds else f"{name}: {objective}fell in {fell} of {len(certificate.games)} games"
        way = certificate.earned - certificate.earned[:, :1]
        way = way / np.maximum(certificate.best[:, None] - certificate.earned[:, :1], 1e-12)
        low, middle, high = np.quantile(way, (0.25, 0.5, 0.75), axis=0)
        sweeps = np.arange(way.shape[1])
        climb.plot(sweeps, middle, color=colour, linestyle=style, linewidth=2, label=label)
        climb.fill_between(sweeps, low, high, color=colour, alpha=0.12, linewidth=0)
        gaps = np.sort(np.maximum(certificate.gap, 1e-12))
        rest.step(
            gaps, np.arange(1, len(gaps) + 1) / len(gaps), color=colour, linestyle=style, linewidth=2, where="post"
        )
    climb.set(xlabel="iterations", ylabel="(J − J₀) / (J* − J₀)", xscale="symlog", ylim=(None, 1.02))
    climb.set_title("The return: median and quartiles over games", loc="left", fontsize=12)
    climb.xaxis.set_major_formatter("{x:g}")
    climb.legend(frameon=False, fontsize=9, loc="lower right")
    rest.set(
        xlabel="largest unilateral gain / range of payoffs", ylabel="share of games with a smaller gap", xscale="log"
    )
    rest.set_ylim(0, 1.02)
    rest.set_title("The Nash gap after the last iteration", loc="left", fontsize=12)
    for axes in (climb, rest):
        axes.grid(color="#dddddd", linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, facecolor="white")
    return path
