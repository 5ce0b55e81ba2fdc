"""Markdown tables of the games that each value-decomposition method solves, from the measured record."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hamlet.experiments.decomposition import solved

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
NAMES = {"iql": "IQL", "vdn": "VDN", "qmix": "QMIX", "qtran": "QTRAN", "qplex": "QPLEX", "q_dpp": "Q-DPP"}


def written(page: str, record: Mapping[str, Any]) -> str:
    """Return a page with the text between its two marks replaced by the tables of a record.

    >>> written(f"a {BEGIN} old {END} b", {"result": {"games": []}}).startswith("a <!-- measured: begin -->")
    True
    """
    before, _, rest = page.partition(BEGIN)
    return before + "\n".join([BEGIN, "", *lines(record["result"]), END]) + rest.partition(END)[2]


def lines(result: Mapping[str, Any]) -> list[str]:
    """Return the tables of `hamlet.experiments.decomposition.measure`, as lines of Markdown."""
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
    why = f"After {steps:,} steps with `{preset}`: the number of seeds whose greedy actions reach the best payoff, and "
    why += "in brackets the other payoffs that occur. *Theory*: the payoff of the agents' best actions if the method "
    why += "represents the payoffs as well as it can; — if it is not known."
    which = "The sum of squared differences between Q_tot and the payoffs over all joint actions, as median over seeds:"
    return [why, "", *rows, "", which, "", *errors, ""]


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(row: Mapping[str, Any], method: str) -> str:
    """Return a cell: the number of seeds that solve the game, the other payoffs reached, and the theoretical payoff."""
    payoffs = row["methods"][method]["payoffs"]
    others = sorted({payoff for payoff in payoffs if abs(payoff - row["best"]) > 1e-6}, reverse=True)
    ended = f"{solved(row, method)} of {len(payoffs)}"
    if others:
        ended += f" ({_few(others)})"
    expected = row["can_say"][method]
    return f"{ended}<br>*Theory:* {'—' if expected is None else _few(expected)}"


def _few(payoffs: list[float]) -> str:
    """Return up to three payoffs as text, or the range of more than three payoffs."""
    numbers = [f"{payoff:g}".replace("-", "−") for payoff in payoffs]
    return ", ".join(numbers) if len(numbers) <= 3 else f"{numbers[0]} … {numbers[-1]}"


def _error(entry: Mapping[str, Any]) -> str:
    if entry["squared_error"] is None:
        return "—"
    middle = float(np.median(entry["squared_error"]))
    return f"{middle:.3g}" if middle < 1000 else f"{middle:,.0f}"
