"""MATRL's table 1 in lines of text, and what it shows, said from its own numbers."""

from collections.abc import Mapping
from typing import Any

_NAME, _PAPER, _HERE = 22, 15, 23


def lines(measured: Mapping[str, Any]) -> list[str]:
    """The table of `hamlet.experiments.gradient_play.measure`, with what is to be learnt from it below."""
    classes = list(measured["rows"][0]["classes"])
    head = f"{measured['games_of_each_class']:,} games of each class, seed {measured['seed']}, "
    head += f"from {tuple(measured['start'])}: rate / mean steps (share that is still near an equilibrium after "
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
    """Where the meta-game restrains anybody."""
    text = ["the meta-game at a random point of every game: share in which both do as predicted"]
    for size, by_class in measured["meta_game_at_random_points"].items():
        shares = ", ".join(f"{name} {100 * figures['both as predicted']:.1f} %" for name, figures in by_class.items())
        text.append(f"  steps of {size}: {shares}")
    return text


def _findings(measured: Mapping[str, Any]) -> list[str]:
    """What the numbers say, in sentences."""
    rows = {row["name"]: row["classes"] for row in measured["rows"]}
    slow, same = rows["IGA β=.02"]["cyclic"], rows["IGA β=.03"]["cyclic"]
    matrl, il_pp = rows["MATRL β=.03 η=.02"]["cyclic"], rows["IL-PP β=.03 η=.02"]["cyclic"]
    bound, unbound = rows["MATRL β=η=1"], rows["IL-PP β=η=1"]
    lead, step = matrl["rate"] - slow["rate"], same["rate"] - slow["rate"]
    return [
        "what it shows",
        "  MATRL's lead over IGA is mostly its larger step, .03 for .02. In cyclic games the rate rises by "
        f"{lead:.3f},",
        f"  of which IGA with steps of .03 has {step:.3f}; of {slow['steps'] - matrl['steps']:.0f} steps fewer it has "
        f"{slow['steps'] - same['steps']:.0f}.",
        f"  The rest is looking ahead: IL-PP, without a meta-game, has the rate {il_pp['rate']:.3f} where MATRL has "
        f"{matrl['rate']:.3f}.",
        "  With small steps both players almost always do as predicted, and the trust stable region holds nobody back.",
        f"  With steps of 1 it does: MATRL meets an equilibrium in {bound['coordination']['rate']:.3f} of coordination "
        f"games, IL-PP in {unbound['coordination']['rate']:.3f},",
        f"  and at the end of cyclic games it is still near in {bound['cyclic']['stays']:.3f}, IL-PP in "
        f"{unbound['cyclic']['stays']:.3f}.",
    ]
