"""Reports of runs: the page, and the same numbers as Markdown and CSV beside it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hamlet.errors import RequestError, RunError
from hamlet.reports import page, tables
from hamlet.reports.document import Document, gather
from hamlet.reports.reading import Reading, read_all
from hamlet.training import durable

PAGE = "report.html"
# What records the episodes that a page plays, from the runs.
Film = Callable[[Sequence[Reading]], Sequence[Mapping[str, Any]]]


def write(paths: Sequence[str | Path], out: str | Path, *, film: Film | None = None) -> Document:
    """Report runs into a directory: ``report.html``, ``report.md``, ``curves.csv``, ``table.csv``.

    Args:
        paths: Directories of runs, or of runs of several seeds.
        out: Where to; files of an earlier report are replaced.
        film: What records the agents in motion; None for a page without them.

    Raises:
        RequestError: A path holds no run, or ``out`` is one.
        RunError: The files cannot be written.
    """
    readings, out = read_all(paths), Path(out)
    if (out / "config.json").exists():
        raise RequestError(f"--out {out} is a run itself: choose another directory, such as {out.with_name('report')}")
    document = gather(readings, film(readings) if film is not None else ())
    files = {
        PAGE: page.render(document),
        "report.md": tables.markdown(document),
        "curves.csv": tables.curves(document),
        "table.csv": tables.table(document),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            durable.write(out / name, text)
    except OSError as error:
        raise RunError(f"the report cannot be written to {out}: {durable.one_line(error)}") from error
    return document
