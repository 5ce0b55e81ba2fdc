"""The report page: one HTML file that contains its style, scripts and data, and loads nothing from the network."""

import json
from importlib import resources
from string import Template
from typing import Any

from hamlet.reports.data import damage

_SCRIPTS = ("shared.js", "chart.js", "motion.js", "tables.js", "main.js")


def render(document: dict[str, Any]) -> str:
    """Return the page of a report document as HTML.

    >>> "<script src" in render({"algorithms": [], "tasks": [], "runs": []})
    False
    """
    dark = _file("dark.css")
    query = f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme='light']) {{\n{dark}}} }}"
    style = Template(_file("style.css")).substitute(dark=f"{query}\n:root[data-theme='dark'] {{\n{dark}}}")
    return Template(_file("page.html")).substitute(
        title=_escaped(title(document)),
        style=style,
        document=as_json(document).replace("<", "\\u003c"),
        scripts="\n".join(_file(name) for name in _SCRIPTS),
    )


def as_json(document: dict[str, Any]) -> str:
    """Return the document as compact JSON. NaN and infinity become null; invalid Unicode characters become "?".

    >>> as_json({"mean": float("nan"), "seed": 3})
    '{"mean":null,"seed":3}'
    """
    return json.dumps(damage.readable(document), separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def title(document: dict[str, Any]) -> str:
    """Return the title of the page.

    >>> title({"algorithms": ["happo"], "tasks": [{"name": "mpe/simple_spread"}], "runs": [1]})
    'happo on mpe/simple_spread'
    """
    algorithms, tasks = ", ".join(document["algorithms"]), document["tasks"]
    if not tasks:
        return f"{len(document['runs'])} runs"
    return f"{algorithms} on {tasks[0]['name'] if len(tasks) == 1 else f'{len(tasks)} environments'}"


def _file(name: str) -> str:
    return resources.files("hamlet.reports").joinpath("page", name).read_text(encoding="utf-8")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")
