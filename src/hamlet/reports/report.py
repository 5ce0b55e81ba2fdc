"""Reports of runs: a web page, and files with the same numbers as Markdown, CSV and JSON for marl-eval."""

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
# A function that records the episodes that the page plays, from the data of the runs.
Film = Callable[[Sequence[RunData]], Sequence[Mapping[str, Any]]]


def write(
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    film: Film | None = None,
    steps: int | None = None,
    pictures: Sequence[str] = (),
) -> Document:
    """Write a report of runs: ``report.html``, ``report.md``, ``curves.csv``, ``table.csv`` and ``marl-eval.json``.

    Args:
        paths: Directories of runs, or directories that contain the runs of several seeds.
        out: Directory of the report. The files of an earlier report are replaced.
        film: A function that records the agents for the animations; None for a page without animations.
        steps: Number of environment steps after which the runs are reported; None for all steps of each run.
        pictures: Formats of additional files with the curves: "svg", "pdf" and "png".

    Raises:
        RequestError: A path contains no run, no run has ``steps`` environment steps, or ``out`` is a run.
        RunError: The files cannot be written.
    """
    readings, out = read_all(paths, steps=steps), Path(out)
    if (out / "config.json").exists():
        free = atomic_write.named(out).with_name("report")
        raise RequestError(f"--out {out} is a run; choose another directory, for example {free}")
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
    """Return the evaluations of the runs in the format of marl-eval.

    If runs are left out, add a remark to the document with their number and the reason.
    """
    paths = [reading.path for reading in readings]
    labels = {paths[number]: group["algorithm"] for group in document["groups"] for number in group["runs"]}
    by_agent = {reading.path for reading in readings if reading.constant_sum}
    merged = marl_eval.merged(paths, labels, by_agent=by_agent, steps=steps)
    if merged.remarks:
        why = merged.remarks[0].partition(": ")[2]
        left_out = f"{len(merged.remarks)} of {len(paths)} runs are not in {EVALUATIONS}"
        text = f"{left_out}; the first run is left out because {why}"
        document["remarks"].append({"run": "", "text": text})
    return merged.document
