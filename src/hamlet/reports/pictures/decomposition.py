"""Which game each method of value decomposition solves, as tables in Markdown, from the record that was measured."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hamlet.experiments.decomposition import solved

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NAMES = {"iql": "IQL", "vdn": "VDN", "qmix": "QMIX", "qtran": "QTRAN", "qplex": "QPLEX", "q_dpp": "Q-DPP"}


def written(page: str, record: Mapping[str, Any]) -> str:
    """A page with its tables made anew of a record: what stands between two marks is exchanged.

    >>> written(f"a {BEGIN} old {END} b", {"result": {"games": []}}).startswith("a <!-- measured: begin -->")
    True
    """
    before, _, rest = page.partition(BEGIN)
    return before + "\n".join([BEGIN, "", *lines(record["result"]), END]) + rest.partition(END)[2]


def lines(result: Mapping[str, Any]) -> list[str]:
    """The tables of `hamlet.experiments.decomposition.measure`."""
    if not result["games"]:
        return []
    head = ["game", "best", *NAMES.values()]
    rows = [_row(head), "|---" * len(head) + "|"]
    rows += [
        _row([row["game"], f"{row['best']:g}", *(_cell(row, method) for method in NAMES)]) for row in result["games"]
    ]
    errors = [_row(["game", *NAMES.values()]), "|---" * (1 + len(NAMES)) + "|"]
    errors += [_row([row["game"], *(_error(row["methods"][method]) for method in NAMES)]) for row in result["games"]]
    steps, preset = result["steps"], result["preset"]
    why = f"After {steps:,} steps by `{preset}`: in how many seeds the agents end at the best payoff, and "
    why += "where in the others; *says*: what the best choices would earn by what the method can say of the payoffs."
    which = "The sum of squares between Q_tot and the payoffs, over all joint actions; the median over seeds:"
    return [why, "", *rows, "", which, "", *errors, ""]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(row: Mapping[str, Any], method: str) -> str:
    """How many seeds solve it and where the others end, and what was to be expected."""
    payoffs = row["methods"][method]["payoffs"]
    others = sorted({payoff for payoff in payoffs if abs(payoff - row["best"]) > 1e-6}, reverse=True)
    ended = f"{solved(row, method)} of {len(payoffs)}"
    if others:
        ended += f" ({_few(others)})"
    expected = row["can_say"][method]
    return f"{ended}<br>*says* {'—' if expected is None else _few(expected)}"


def _few(payoffs: list[float]) -> str:
    """Payoffs, or their range where there are many."""
    numbers = [f"{payoff:g}".replace("-", "−") for payoff in payoffs]
    return ", ".join(numbers) if len(numbers) <= 3 else f"{numbers[0]} … {numbers[-1]}"


def _error(entry: Mapping[str, Any]) -> str:
    if entry["squared_error"] is None:
        return "—"
    middle = float(np.median(entry["squared_error"]))
    return f"{middle:.3g}" if middle < 1000 else f"{middle:,.0f}"
