"""``hamlet report``: what runs earned, as one page, and as Markdown and CSV."""

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

# Remarks that are printed; the page has all of them.
_PRINTED = 8


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """Options of ``hamlet report``.

    Attributes:
        out: The directory for the report.
        steps: Report runs as they were after so many environment steps. Without it, with all that they have.
        pictures: Draw the curves as files besides, in these formats with commas between: svg, pdf, png.
        no_animation: Leave the agents in motion out, which takes a second or two for each environment.
        trust: Show also the agents of runs that name code that is not Hamlet's, though you did not begin them here.
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
    "Report one or more runs as a page that works offline: curves with intervals over seeds,\n"
    "scores, configurations, and the agents in motion. RUN is the directory of a run, or one\n"
    "that holds several, such as those of `hamlet train --seeds`. Writes report.html, report.md,\n"
    "curves.csv, table.csv and marl-eval.json, the evaluations in the field's format.\n\n"
    "examples:\n"
    "  hamlet report runs/happo runs/mappo --out runs/report\n"
    "  hamlet report runs/happo runs/mappo --pictures svg,pdf",
)


def read(argv: Sequence[str], command: Command = COMMAND) -> tuple[list[str], dict[str, object]]:
    """The runs, at least one, and the options.

    Raises:
        RequestError: If something is unknown, missing or of the wrong kind.
    """
    if any(word in HELP for word in argv):
        command.show_help()
    words = [word.text for word in command.split(argv)[0]]
    if not words:
        raise RequestError(f"RUN is missing: {command.prog} (see {command.usage} --help)")
    many = Command(command.usage, tuple(words), command.groups, command.description)
    return words, many.parse(argv)[1].values[command.groups[0].title]


def main(argv: Sequence[str]) -> int:
    """Write the report, and say on stderr what is missing in it."""
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
    print(f"wrote {page}: {len(document['runs'])} runs; beside it its numbers")
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
    """Write the report; where its page is, and what stands in it."""
    recorder = partial(film, trust=trust) if animation else None
    return out / PAGE, write(runs, out, film=recorder, steps=steps, pictures=pictures)


def film(readings: Sequence[RunData], *, trust: bool = False) -> Sequence[Mapping[str, Any]]:
    """The agents in motion: see `hamlet.reports.record_frames`, which is slow to import and not always needed."""
    from hamlet.reports.record_frames import film as record

    return record(readings, trust=trust)


def say(remarks: Sequence[dict[str, str]]) -> None:
    """Remarks on stderr, one line each."""
    for remark in remarks[:_PRINTED]:
        print(f"{remark['run']}: {remark['text']}" if remark["run"] else remark["text"], file=sys.stderr)
    if remarks[_PRINTED:]:
        print(f"and {len(remarks) - _PRINTED} more such lines, which stand in the report", file=sys.stderr)
