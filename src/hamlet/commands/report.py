"""``hamlet report``: write a report of one or more runs as an HTML page, Markdown and CSV."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError
from hamlet.options.parsing import HELP, Command, OptionGroup
from hamlet.options.values import Steps
from hamlet.reports.data.run_data import RunData
from hamlet.reports.pictures.runs import check_formats
from hamlet.reports.report import PAGE, write

# The command prints at most this many remarks. The page contains all of them.
_PRINTED = 8


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of ``hamlet report``.

    Attributes:
        out: The directory of the report.
        steps: Show each run as it was after this number of environment steps. Without it, all data are shown.
        pictures: Also write the curves as figures in these formats, separated by commas: svg, pdf, png.
        no_animation: Leave out the animations of the agents. An animation takes one or two seconds per environment.
        trust: Execute code that the runs name and that is not part of Hamlet, although you did not start the runs on
            this machine. Without it, the report has no animations of such runs.
    """

    out: Path = Path("report")
    steps: Steps | None = None
    pictures: str | None = None
    no_animation: bool = False
    trust: bool = False


COMMAND = Command(
    "hamlet report",
    ("RUN…",),
    (OptionGroup("report", ReportOptions, pairs=False),),
    "Write a report of one or more runs: an HTML page that works offline, with learning curves and their\n"
    "intervals over seeds, scores, configurations, and animations of the agents. RUN is the directory of\n"
    "a run, or a directory that contains several runs, such as the runs of `hamlet train --seeds`. The\n"
    "command writes report.html, report.md, curves.csv, table.csv, and marl-eval.json with the evaluations\n"
    "in the format of the package marl-eval.\n\n"
    "examples:\n"
    "  hamlet report runs/happo runs/mappo --out runs/report\n"
    "  hamlet report runs/happo runs/mappo --pictures svg,pdf",
)


def read(argv: Sequence[str], command: Command = COMMAND) -> tuple[list[str], dict[str, object]]:
    """Return the runs, at least one, and the options.

    Raises:
        RequestError: An option is unknown or has a value of the wrong type, or no run is given.
    """
    if any(word in HELP for word in argv):
        command.show_help()
    words = [word.text for word in command.split(argv)[0]]
    if not words:
        raise RequestError(f"RUN is missing: {command.prog} (see {command.usage} --help)")
    many = Command(command.usage, tuple(words), command.groups, command.description)
    return words, many.parse(argv)[1].values[command.groups[0].title]


def main(argv: Sequence[str]) -> int:
    """Write the report, and print on stderr what is missing in it."""
    runs, values = read(argv)
    options = ReportOptions(**values)  # type: ignore[arg-type]
    formats = () if options.pictures is None else check_formats(options.pictures)
    page, document = written(
        runs,
        options.out,
        steps=options.steps,
        animation=not options.no_animation,
        trust=options.trust,
        pictures=formats,
    )
    say(document["remarks"])
    print(f"wrote {page} with {len(document['runs'])} runs, and its numbers as files in the same directory")
    return 0


def written(
    runs: Sequence[str],
    out: Path,
    *,
    steps: int | None,
    animation: bool,
    trust: bool,
    pictures: Sequence[str] = (),
) -> tuple[Path, dict[str, Any]]:
    """Write the report, and return the path of its page and its content."""
    recorder = partial(film, trust=trust) if animation else None
    return out / PAGE, write(runs, out, film=recorder, steps=steps, pictures=pictures)


def film(readings: Sequence[RunData], *, trust: bool = False) -> Sequence[Mapping[str, Any]]:
    """Record animations of the agents with `hamlet.reports.record_frames`.

    The module is imported here, because its import is slow and not every report needs it.
    """
    from hamlet.reports.record_frames import film as record

    return record(readings, trust=trust)


def say(remarks: Sequence[dict[str, str]]) -> None:
    """Print remarks on stderr, one line each."""
    for remark in remarks[:_PRINTED]:
        print(f"{remark['run']}: {remark['text']}" if remark["run"] else remark["text"], file=sys.stderr)
    if remarks[_PRINTED:]:
        print(f"and {len(remarks) - _PRINTED} more remarks; the report contains all of them", file=sys.stderr)
