"""``hamlet crossplay``: let the policies of several runs play against each other, and rank the runs."""

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
        episodes: The number of games in each cell of the table.
        seed: The seed of the games. All cells start from the same initial states.
        deterministic: Use the most probable actions instead of sampled actions.
        max_episode_steps: Truncate a game after this many steps. Without it, the longest episode that the environment
            declares, or 10,000.
        best: Use each run's policy with the highest mean return in its evaluations, instead of its newest policy.
        trust: Execute code that the runs name and that is not part of Hamlet, although you did not start the runs on
            this machine.
        out: The directory for the figure and the numbers.
        json: Print one JSON object instead of the table.
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
    "Let the policies of several runs in one environment play against each other. In each cell of the\n"
    "table, the row's run controls the first agent and the column's run controls all other agents. So\n"
    "every pair of runs plays twice, with exchanged roles. The command prints the returns of both sides,\n"
    "the Nash average and the alpha-rank. It writes crossplay.png and crossplay.json. RUN/best is the\n"
    "best policy of RUN. A directory with runs of several seeds stands for all these runs.\n\n"
    "example:\n  hamlet crossplay runs/a runs/b runs/b/best --episodes 200 --out runs/crossplay",
)


def main(argv: Sequence[str]) -> int:
    """Play the games, print the tables, and save the figure and the numbers."""
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
    """Return the tables of returns and the rankings as text."""
    rest = played.agents[1] if len(played.agents) == 2 else "each other agent"
    how = "sampled" if played.mode == "stochastic" else "most probable"
    lines = [
        f"{played.environment}: {played.episodes} games per cell, {how} actions, seed {played.seed}; mean return ± "
        "standard error",
        f"row: the run that controls {played.agents[0]}; column: the run that controls "
        f"{played.agents[1] if len(played.agents) == 2 else 'all other agents'}",
        "",
        *_table(f"return of {played.agents[0]}", played, played.first, played.first_error),
    ]
    if played.opposed:
        lines += ["", f"the return of {rest} is the negative of the return of {played.agents[0]}"]
    elif played.alike:
        lines += [
            "",
            "all agents get the same return: the table shows which runs cooperate well, not which run is better",
        ]
    else:
        lines += ["", *_table(f"return of {rest}", played, played.others, played.others_error)]
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
            "Nash average and skill: from the difference of the two runs' returns, averaged over both roles "
            f"(regret {average.regret:.1e})",
            "alpha-rank: from a run's return against each other run, in units of the range of returns (alpha 100, "
            f"population 50, regret {rank.regret:.1e})",
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
