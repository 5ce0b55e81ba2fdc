"""Table 1 of the MATRL paper as lines of text, with findings that are computed from its numbers."""

from collections.abc import Mapping
from typing import Any

_NAME, _PAPER, _HERE = 22, 15, 23


def lines(measured: Mapping[str, Any]) -> list[str]:
    """Return the table of `hamlet.experiments.gradient_play.measure`, followed by its findings."""
    classes = list(measured["rows"][0]["classes"])
    head = f"{measured['games_of_each_class']:,} games of each class, seed {measured['seed']}, "
    head += f"from {tuple(measured['start'])}: rate / mean steps (share that is near an equilibrium after "
    text = [head + f"{measured['most_steps']:,} steps)", ""]
    text.append(" " * _NAME + "".join(f"{name:<{_PAPER + _HERE}}" for name in classes).rstrip())
    text.append(" " * _NAME + (f"{'paper':<{_PAPER}}{'here':<{_HERE}}" * len(classes)).rstrip())
    section = None
    for row in measured["rows"]:
        if row["section"] != section:
            section = row["section"]
            text.append(section)
        text.append(_row(row))
    return [*text, "", *_meta_games(measured), "", *_findings(measured)]


def _row(row: Mapping[str, Any]) -> str:
    cells = []
    for name, figures in row["classes"].items():
        rate, steps = row["paper"][name] if row["paper"] else (None, None)
        cells.append(f"{'' if rate is None else f'{rate:g} / {steps:.1f}':<{_PAPER}}")
        steps = "–" if figures["steps"] is None else f"{figures['steps']:.1f}"
        ours = f"{figures['rate']:.3f} / {steps} ({figures['stays']:.3f})"
        cells.append(f"{ours:<{_HERE}}")
    return (f"  {row['name']:<{_NAME - 2}}" + "".join(cells)).rstrip()


def _meta_games(measured: Mapping[str, Any]) -> list[str]:
    """Return lines on how often both players follow their predictions in the meta-game."""
    text = ["the meta-game at a random point of every game: share in which both players follow their predictions"]
    for size, by_class in measured["meta_game_at_random_points"].items():
        shares = ", ".join(f"{name} {100 * figures['both as predicted']:.1f} %" for name, figures in by_class.items())
        text.append(f"  steps of {size}: {shares}")
    return text


def _findings(measured: Mapping[str, Any]) -> list[str]:
    """Return the findings as sentences."""
    rows = {row["name"]: row["classes"] for row in measured["rows"]}
    slow, same = rows["IGA β=.02"]["cyclic"], rows["IGA β=.03"]["cyclic"]
    matrl, il_pp = rows["MATRL β=.03 η=.02"]["cyclic"], rows["IL-PP β=.03 η=.02"]["cyclic"]
    bound, unbound = rows["MATRL β=η=1"], rows["IL-PP β=η=1"]
    lead, step = matrl["rate"] - slow["rate"], same["rate"] - slow["rate"]
    return [
        "findings",
        "  MATRL is better than IGA β=.02 mostly because its step is larger, .03 instead of .02. In cyclic games:",
        f"    the rate increases by {lead:.3f} with MATRL, and by {step:.3f} with IGA β=.03;",
        f"    the number of steps decreases by {slow['steps'] - matrl['steps']:.0f} with MATRL, and by "
        f"{slow['steps'] - same['steps']:.0f} with IGA β=.03.",
        f"  The remaining gain comes from prediction: IL-PP, which has no meta-game, has the rate {il_pp['rate']:.3f}, "
        f"and MATRL {matrl['rate']:.3f}.",
        "  With small steps, both players almost always follow their predictions. The trust stable region does not "
        "restrict them.",
        f"  With steps of 1, it does. MATRL reaches an equilibrium in {bound['coordination']['rate']:.3f} of "
        f"coordination games, IL-PP in {unbound['coordination']['rate']:.3f}.",
        f"  After the last step, MATRL is near an equilibrium in {bound['cyclic']['stays']:.3f} of cyclic games, "
        f"IL-PP in {unbound['cyclic']['stays']:.3f}.",
    ]
