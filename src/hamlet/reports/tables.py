"""The numbers of a report as Markdown and CSV."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from typing import Any

from hamlet.reports.page import title

Document = dict[str, Any]
_MEASURES = ("iqm", "mean")
_OVERALL = (*_MEASURES, "median", "optimality_gap")


def markdown(document: Document) -> str:
    """Return the report as Markdown: remarks, scores by environment, runs, and the commands that train them again."""
    lines = [f"# {title(document)}", "", f"Created {document['made']} by hamlet {document['hamlet']}."]
    if document["remarks"]:
        lines += ["", "## Remarks on the data", ""]
        lines += [
            f"* {remark['run']}: {remark['text']}" if remark["run"] else f"* {remark['text']}"
            for remark in document["remarks"]
        ]
    if document["overall"]:
        lines += ["", "## All environments together", "", *_overall(document["overall"])]
    for number, task in enumerate(document["tasks"]):
        groups = [group for group in document["groups"] if group["task"] == number]
        lines += ["", f"## {_task(task)}", "", *_scores(task, groups)]
    lines += ["", "## The runs", "", *_runs(document["runs"])]
    commands = [run["command"] for run in document["runs"] if run["command"]]
    if commands:
        lines += ["", "To train these runs again:", "", *(f"    {command}" for command in commands)]
    return "\n".join(lines) + "\n"


def curves(document: Document) -> str:
    """Return the curves of every group as CSV, over steps and over seconds. Unknown interval limits are empty."""
    header = ["environment", "algorithm", "seeds", "over", "x", "iqm", "low", "high"]
    return _csv(header, _curve_rows(document))


def table(document: Document) -> str:
    """Return the scores of every group as CSV, with one row for each measure."""
    header = ["environment", "algorithm", "seeds", "source", "measure", "value", "low", "high"]
    return _csv(header, [*_score_rows(document), *_overall_rows(document["overall"])])


def _curve_rows(document: Document) -> Iterable[list[Any]]:
    for group in document["groups"]:
        named = [_task(document["tasks"][group["task"]]), group["algorithm"], len(group["counted"])]
        drawn = (
            [(named, group["curves"])]
            if not group["sides"]
            else [([named[0], f"{named[1]}: {side['agent']}", named[2]], side["curves"]) for side in group["sides"]]
        )
        for labels, curves in drawn:
            for over, curve in curves.items():
                if curve is not None:
                    for row in zip(curve["x"], curve["y"], curve["low"], curve["high"], strict=True):
                        yield [*labels, over, *row]


def _score_rows(document: Document) -> Iterable[list[Any]]:
    for group in document["groups"]:
        task = document["tasks"][group["task"]]
        named = [_task(task), group["algorithm"], len(group["counted"])]
        for source, estimates in ((task["source"], group["final"]), ("absolute metric", group["absolute"])):
            for measure in _MEASURES:
                if measure in estimates:
                    yield [*named, source, measure, *estimates[measure]]
        if group["gap"] is not None:
            yield [*named, task["source"], "optimality gap", *group["gap"]]
        for side in group["sides"]:
            for measure, estimates in (*side["return"].items(), *_wins(side)):
                if estimates is not None:
                    yield [*named, task["source"], f"{measure} of {side['agent']}", *estimates]
    for task in document["tasks"]:
        counted = {
            g["algorithm"]: len(g["counted"]) for g in document["groups"] if document["tasks"][g["task"]] is task
        }
        for pair in task["improvement"]:
            measure = f"probability of improvement on {pair['second']}"
            yield [_task(task), pair["first"], counted[pair["first"]], task["source"], measure, *pair["probability"]]


def _wins(side: Document) -> Iterable[tuple[str, Any]]:
    return (("wins", side["wins"]), ("wins against random", side["against_random"]))


def _overall_rows(overall: Document | None) -> Iterable[list[Any]]:
    if overall is None:
        return
    for row in overall["rows"]:
        for measure in _OVERALL:
            if row[measure] is not None:
                name = measure.replace("_", " ")
                yield ["all environments", row["algorithm"], "", overall["how"], name, *row[measure]]


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if value is None else value for value in row] for row in rows])
    return text.getvalue()


def _scores(task: Document, groups: Sequence[Document]) -> list[str]:
    if task["constant_sum"]:
        return _sides(task, groups)
    absolute, gap = (any(group[name] for group in groups) for name in ("absolute", "gap"))
    header = ["algorithm", "seeds", "steps", "IQM", "mean"]
    header += [*(["absolute metric"] if absolute else []), *(["optimality gap"] if gap else [])]
    rows = []
    for group in groups:
        cells = [_interval(group["final"].get(measure)) for measure in _MEASURES]
        cells += [_interval(group["absolute"].get("iqm"))] if absolute else []
        cells += [_interval(group["gap"])] if gap else []
        rows.append([group["algorithm"], str(len(group["counted"])), f"{group['steps']:,}", *cells])
    note = f"Team returns, from {task['source']}, with 95 % bootstrap intervals over seeds."
    note += "" if task["random"] is None else f" The mean return of random play is {_number(task['random'])}."
    note += "" if task["optimum"] is None else f" The optimum is {_number(task['optimum'])}."
    note += " The optimality gap is 0 at the optimum and 1 at random play." if gap else ""
    verdict = ["", task["verdict"]] if task["verdict"] else []
    return [note, "", *_table(header, rows), *verdict, *_improvement(task["improvement"])]


def _sides(task: Document, groups: Sequence[Document]) -> list[str]:
    """Return a table of each agent's returns and share of wins in a constant-sum game."""
    header = [
        "algorithm",
        "agent",
        "seeds",
        "steps",
        "return, IQM",
        "return, mean",
        "wins",
        "wins against random",
        "return at random",
    ]
    rows = [
        [
            group["algorithm"],
            side["agent"],
            str(len(group["counted"])),
            f"{group['steps']:,}",
            *(_interval(side["return"].get(measure)) for measure in _MEASURES),
            _interval(side["wins"]),
            _interval(side["against_random"]),
            "–" if side["random"] is None else _number(side["random"]),
        ]
        for group in groups
        for side in group["sides"]
    ]
    note = (
        "Return of each agent, and its wins: the share of episodes in which its return is higher than the return of "
        "every other agent. All numbers are from evaluations, "
    )
    return [task["verdict"], "", f"{note}with 95 % bootstrap intervals over seeds.", "", *_table(header, rows)]


def _overall(overall: Document) -> list[str]:
    names = [name for name in _OVERALL if any(row[name] is not None for row in overall["rows"])]
    rows = [[row["algorithm"], *(_interval(row[name]) for name in names)] for row in overall["rows"]]
    header = ["algorithm", *("IQM" if name == "iqm" else name.replace("_", " ") for name in names)]
    note = f"Scores: {overall['how']}. {overall['verdict']}"
    return [note, "", *_table(header, rows), *_improvement(overall["improvement"])]


def _improvement(pairs: Sequence[Document]) -> list[str]:
    """Return a table of the probabilities that a run of one algorithm scores above a run of another algorithm."""
    if not pairs:
        return []
    rows = [[pair["first"], pair["second"], _interval(pair["probability"])] for pair in pairs]
    return ["", *_table(["a run of", "scores above a run of", "probability"], rows)]


def _runs(runs: Sequence[Document]) -> list[str]:
    header = ["run", "algorithm", "environment", "seed", "state", "steps", "steps/s"]
    rows = [
        [
            str(run["path"]),
            run["algorithm"],
            run["environment"],
            "–" if run["seed"] is None else str(run["seed"]),
            run["state"],
            f"{run['done']:,}",
            "–" if run["rate"] is None else f"{run['rate']:,.0f}",
        ]
        for run in runs
    ]
    return _table(header, rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    cells = [header, ["---"] * len(header), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]


def _interval(packed: Sequence[float | None] | None) -> str:
    """Format a number with its interval.

    >>> _interval([-12.345, -13.0, -11.5]), _interval([2.0, None, None]), _interval(None)
    ('−12.3 [−13.0, −11.5]', '2.00 (one run)', '–')
    """
    value, low, high = packed or (None, None, None)
    if value is None:
        return "–"
    if low is None or high is None:
        return f"{_number(value)} (one run)"
    scale = max(abs(value), abs(low), abs(high))
    return f"{_number(value, scale)} [{_number(low, scale)}, {_number(high, scale)}]"


def _number(value: float, scale: float | None = None) -> str:
    size = abs(value) if scale is None else scale
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 or not math.isfinite(size) else 3
    return f"{value:,.{digits}f}".replace("-", "−")


def _task(task: Document) -> str:
    option_text = ", ".join(f"{name} {value}" for name, value in task["options"])
    return f"{task['name']} ({option_text})" if option_text else task["name"]
