"""What works with what: docs/status.md, made from what tests are given to run and from what the code refuses."""

import re
import sys
from functools import cache
from pathlib import Path

import hamlet
from hamlet.errors import RequestError
from hamlet.training.check import check

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import combinations  # noqa: E402  (tests/combinations.py: the lists that parametrise the tests)

YES, SLOW, NO, UNTRIED = "●", "○", "–", "?"
KINDS = ("Discrete", "MultiDiscrete", "Box")
# A game whose agents act in one kind of space, to ask the code whether it takes it.
ASKED = {"Discrete": "spread", "MultiDiscrete": "levers", "Box": "continuous_spread"}
FURTHER = ("masks, deaths", "shared parameters", "host = compiled", "killed and resumed", "learns", "exported")
NOTE = "<!-- Written by `make docs` from tests/combinations.py; do not edit. -->\n"
LEGEND = (
    f"{YES} run by the tests of every change, {SLOW} by `make test-slow`, {NO} refused by the code,\n"
    f"{UNTRIED} taken by the code and run by no test."
)


def tested(marks):
    """The mark of some tests, each of which is left to `make test-slow` or not."""
    marks = list(marks)
    return UNTRIED if not marks else SLOW if all(marks) else YES


@cache
def _played(name):
    """The games that tests give to an algorithm, and whether that is left to `make test-slow`."""
    return [(game, slow) for played, game, slow in combinations.played() if played == name]


@cache
def refusal(name, kind, memory):
    """What the code says to an algorithm that is to act in a kind of space, or to remember; "" where it takes it."""
    try:
        check(hamlet.algorithms.make(name), combinations.GAMES[ASKED[kind]].env, steps=1)
        hamlet.algorithms.make(name, **({"rnn_size": 8} if memory else {}))
    except RequestError as error:
        return re.sub(r"^\w+_0 ", "AGENT ", re.split("[;:] ", str(error))[0].replace(f" of {name}", ""))
    return ""


def cell(name, kind, memory, unlike):
    """A mark, and the reason where it is refused."""
    if reason := refusal(name, kind, memory):
        return NO, reason
    games = combinations.GAMES
    suited = (
        slow
        for game, slow in _played(name)
        if kind in games[game].kinds and combinations.remembers(name, game) == memory and games[game].unlike == unlike
    )
    return tested(suited), ""


def further(name):
    """The marks of what else is asked of an algorithm."""
    pairs = _played(name)
    actor = type(hamlet.algorithms.make(name).actor).__name__
    marks = (
        [slow for game, slow in pairs if game == "masked_recurrent"],
        [slow for game, slow in pairs if combinations.GAMES[game].sharing],
        [combinations.PLAYED_ALIKE[name]],
        [combinations.KILLED[name]] if name in combinations.KILLED else [],
        [combinations.LEARNT[name]] if name in combinations.LEARNT else [],
        [combinations.EXPORTED[actor]] if actor in combinations.EXPORTED else [],
    )
    return [tested(found) for found in marks]


def row(cells):
    """A row of a table."""
    return "| " + " | ".join(cells) + " |"


def section(name):
    """What one algorithm runs on, for its page."""
    lines = [row(["agents", *KINDS]), "|---|" + ":-:|" * len(KINDS)]
    reasons = []
    for unlike in (False, True):
        for memory in (False, True):
            marks = [cell(name, kind, memory, unlike) for kind in KINDS]
            label = ("of unlike spaces" if unlike else "alike") + (", with memory" if memory else "")
            lines.append(row([label, *(mark for mark, _ in marks)]))
            reasons += [reason for _, reason in marks if reason]
    lines += ["", row(FURTHER), "|" + ":-:|" * len(FURTHER), row(further(name)), "", LEGEND]
    told = "; ".join(dict.fromkeys(reasons))
    lines += ["", f"Refused: {told}.", ""] if told else [""]
    return "\n".join([*lines, "All algorithms side by side: [what works with what](../status.md)."])


def _page(names):
    reasons, tables = [], []
    for unlike in (False, True):
        heads = [f"{kind}{extra}" for kind in KINDS for extra in ("", ", memory")]
        lines = [row(["algorithm", *heads]), "|---|" + ":-:|" * len(heads)]
        for name in names:
            cells = []
            for kind in KINDS:
                for memory in (False, True):
                    mark, reason = cell(name, kind, memory, unlike)
                    if reason and reason not in reasons:
                        reasons.append(reason)
                    cells.append(mark + (f" {reasons.index(reason) + 1}" if reason else ""))
            lines.append(row([f"[`{name}`](algorithms/{name}.md)", *cells]))
        tables.append("\n".join(lines))
    lines = [row(["algorithm", *FURTHER]), "|---|" + ":-:|" * len(FURTHER)]
    lines += [row([f"[`{name}`](algorithms/{name}.md)", *further(name)]) for name in names]
    told = "\n".join(f"{number}. {reason}" for number, reason in enumerate(reasons, 1))
    return TEXT.format(note=NOTE, legend=LEGEND, alike=tables[0], unlike=tables[1], told=told, rest="\n".join(lines))


TEXT = """{note}
# What works with what

Made from the lists that parametrise the tests, so that nothing is claimed which no test runs.

{legend}

## Agents alike

A combination is trained for some iterations: everything stays finite, the same seed gives the same bits, a restored
checkpoint goes on to the same bits, nothing is compiled twice ([the test](../tests/contract/test_every_algorithm.py)).

{alike}

## Agents of unlike spaces

{unlike}

Refused, before anything is begun, with these words:

{told}

## Besides

{rest}

* **Masks, deaths**: a game with choices that are not available, agents that die, and both kinds of ends, by the same
  test.
* **Shared parameters**: `sharing="group"`, by the same test.
* **Host = compiled**: a game without chance is played the same, step for step, through Python objects, compiled and by
  halves of the copies. happo (and in `make test-slow` hatd3, mappo and qmix) also learns the same from it.
* **Killed and resumed**: killed at any moment, twice in the tests of every change and twenty times in `make test-slow`,
  a run ends in the bits of one that never was.
* **Learns**: small games with a known optimum, and no control does ([learning](learning.md)).
* **Exported**: its kind of policy acts as the original in NumPy and ONNX, with unlike observations and actions;
  `make test-slow` has every format with every observation, action and body.
"""


def page(names):
    """The page docs/status.md for some algorithms."""
    return _page(list(names))
