"""Reports of runs: the page, and the same numbers as Markdown, CSV and the field's JSON beside it."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError, RunError
from hamlet.files import atomic_write
from hamlet.reports import page, tables
from hamlet.reports.data import marl_eval
from hamlet.reports.data.run_data import RunData, read_all
from hamlet.reports.document import Document, gather
from hamlet.reports.pictures import runs

PAGE, EVALUATIONS = "report.html", "marl-eval.json"
# What records the episodes that a page plays, from the runs.
Film = Callable[[Sequence[RunData]], Sequence[Mapping[str, Any]]]


def write(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    film: Film | None = None,
    steps: int | None = None,
    pictures: Sequence[str] = (),
) -> Document:
    """Report runs into a directory: ``report.html``, ``report.md``, ``curves.csv``, ``table.csv``, ``marl-eval.json``.

    Args:
        paths: Directories of runs, or of runs of several seeds.
        out: Where to; files of an earlier report are replaced.
        film: What records the agents in motion; None for a page without them.
        steps: After how many environment steps runs are reported; None for all that they have.
        pictures: Formats in which the curves are drawn as files besides, of "svg", "pdf" and "png".

    Raises:
        RequestError: A path holds no run, no run has so many steps, or ``out`` is a run.
        RunError: The files cannot be written.
    """
    readings, out = read_all(paths, steps=steps), Path(out)
    if (out / "config.json").exists():
        free = atomic_write.named(out).with_name("report")
        raise RequestError(f"--out {out} is a run itself: choose another directory, such as {free}")
    document = gather(readings, film(readings) if film is not None else ())
    evaluations = _evaluations(document, readings, steps)
    files = {
        PAGE: page.render(document),
        "report.md": tables.markdown(document),
        "curves.csv": tables.curves(document),
        "table.csv": tables.table(document),
        EVALUATIONS: json.dumps(evaluations, indent=1) + "\n",
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            atomic_write.write(out / name, text)
        if pictures:
            runs.draw(document, out, pictures)
    except OSError as error:
        raise RunError(f"the report cannot be written to {out}: {atomic_write.one_line(error)}") from error
    return document


def _evaluations(document: Document, readings: Sequence[RunData], steps: int | None) -> dict[str, Any]:
    """The runs' evaluations as marl-eval reads them; the document says how many are not among them, and why."""
    paths = [reading.path for reading in readings]
    labels = {paths[number]: group["algorithm"] for group in document["groups"] for number in group["runs"]}
    by_agent = {reading.path for reading in readings if reading.constant_sum}
    merged = marl_eval.merged(paths, labels, by_agent=by_agent, steps=steps)
    if merged.remarks:
        why = merged.remarks[0].partition(": ")[2]
        text = f"{len(merged.remarks)} of {len(paths)} runs are not in {EVALUATIONS}, the first because {why}"
        document["remarks"].append({"run": "", "text": text})
    return merged.document
