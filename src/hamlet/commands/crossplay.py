"""``hamlet crossplay``: runs against one another, who earns what, and who is good."""

import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hamlet.errors import RequestError, RunError
from hamlet.extras import lacking
from hamlet.files.atomic_write import one_line
from hamlet.options.parsing import HELP, Command, OptionGroup
from hamlet.reports.crossplay import CrossPlay, play
from hamlet.runs.seeds import check_seed


@dataclass(frozen=True, kw_only=True)
class CrossPlayOptions:
    """Options of ``hamlet crossplay``.

    Attributes:
        episodes: Whole games of every cell.
        seed: From which they are drawn; the first states are the same in all cells.
        deterministic: Take the likeliest actions instead of sampling them.
        max_episode_steps: Steps after which a game is cut. Without it, the environment's own longest, or 10,000.
        best: Let every run's best policy play, of those evaluated while it trained, not its newest.
        trust: Run code that runs name and that is not Hamlet's, though they are not runs that you began here.
        out: The directory for the picture and the numbers.
        json: Print one JSON object.
    """

    episodes: int = 100
    seed: int = 1
    deterministic: bool = False
    max_episode_steps: int | None = None
    best: bool = False
    trust: bool = False
    out: Path = Path("crossplay")
    json: bool = False


COMMAND = Command(
    "hamlet crossplay",
    ("RUN…",),
    (OptionGroup("crossplay", CrossPlayOptions, pairs=False),),
    "Pit the policies of runs on one environment against one another. In each cell the first\n"
    "agent acts by the row's run and all others by the column's, so that every pair meets with\n"
    "either in the first seat. Prints what both sides earn, the Nash average and alpha-rank, and\n"
    "writes crossplay.png and crossplay.json. RUN/best is the best policy of RUN;\n"
    "a directory of several seeds stands for all of them.\n\n"
    "example: hamlet crossplay runs/a runs/b runs/b/best --episodes 200 --out runs/crossplay",
)


def main(argv: Sequence[str]) -> int:
    """Play, print, draw and keep."""
    if any(word in HELP for word in argv):
        COMMAND.show_help()
    words = [word.text for word in COMMAND.split(argv)[0]]
    many = Command(COMMAND.usage, tuple(words), COMMAND.groups, COMMAND.description)
    options = CrossPlayOptions(**many.parse(argv)[1].values["crossplay"])  # type: ignore[arg-type]
    check_seed(options.seed)
    if options.out.exists() and not options.out.is_dir():
        raise RequestError(f"--out {options.out} is a file; the nearest is {options.out}.crossplay, a directory")
    mode = "deterministic" if options.deterministic else "stochastic"
    cross_play = play(
        words,
        episodes=options.episodes,
        seed=options.seed,
        mode=mode,
        best=options.best,
        trust=options.trust,
        max_episode_steps=options.max_episode_steps,
    )
    document = cross_play.document()
    print(json.dumps(document) if options.json else summary(cross_play))
    for line in cross_play.remarks:
        print(line, file=sys.stderr)
    sys.stdout.flush()
    try:
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "crossplay.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{options.out} cannot be written: {one_line(error)}") from error
    drawn = _drawn(cross_play, options.out / "crossplay.png")
    if not options.json:
        print(f"wrote {options.out}/crossplay.json" + (" and crossplay.png" if drawn else ""))
    return 0


def _drawn(played: CrossPlay, path: Path) -> bool:
    if line := lacking("matplotlib.figure", "crossplay.png is left out: a picture"):
        warnings.warn(line, stacklevel=2)
        return False
    from hamlet.reports.pictures.crossplay import draw

    draw(played, path)
    return True


def summary(played: CrossPlay) -> str:
    """The matrices and the rankings as lines."""
    rest = played.agents[1] if len(played.agents) == 2 else "each of the others"
    how = "sampled" if played.mode == "stochastic" else "likeliest"
    lines = [
        f"{played.environment}: {played.episodes} games a cell, {how} actions, seed {played.seed}; mean ± "
        "standard error",
        f"row: the run that acts for {played.agents[0]}; column: the run that acts for "
        f"{played.agents[1] if len(played.agents) == 2 else 'all others'}",
        "",
        *_table(f"{played.agents[0]} earns", played, played.first, played.first_error),
    ]
    if played.opposed:
        lines += ["", f"{rest} loses what {played.agents[0]} earns"]
    elif played.alike:
        lines += ["", "all agents earn the same: who is better than whom is not asked here, only who fits whom"]
    else:
        lines += ["", *_table(f"{rest} earns", played, played.others, played.others_error)]
    average, rank = played.nash_average, played.alpha_rank
    heads = ["run", "Nash average", "skill", "alpha-rank"]
    rows = [
        [player.label, f"{weight:.3f}", f"{skill:.3g}", f"{mass:.3f}"]
        for player, weight, skill, mass in zip(
            played.players, average.mixture, average.skills + 0.0, rank.masses, strict=True
        )
    ]
    return "\n".join(
        [
            *lines,
            "",
            *_columns([heads, *rows]),
            "Nash average and skill: of what each earns more than the other, over both seatings",
            f"alpha-rank: of what each earns from the other, in units of their span (alpha 100, population 50); "
            f"regrets {average.regret:.1e} and {rank.regret:.1e}",
        ]
    )


def _table(title: str, played: CrossPlay, means: np.ndarray, errors: np.ndarray) -> list[str]:
    labels = [player.label for player in played.players]
    cells = [
        [f"{mean + 0.0:.2f} ± {error:.2f}" for mean, error in zip(*row, strict=True)]
        for row in zip(means, errors, strict=True)
    ]
    return _columns([[title, *labels], *([label, *row] for label, row in zip(labels, cells, strict=True))])


def _columns(rows: list[list[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [row[0].ljust(widths[0]), *(text.rjust(width) for text, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    ]
