"""Write docs/status.md, which algorithm supports what, from the lists of the tests and from what the code refuses."""

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
# For each kind of action space, a game with this kind, to check whether the code accepts it.
ASKED = {"Discrete": "spread", "MultiDiscrete": "levers", "Box": "continuous_spread"}
FURTHER = ("masks, inactive agents", "shared parameters", "host = compiled", "killed and resumed", "learns", "exported")
NOTE = "<!-- Written by `make docs` from tests/combinations.py; do not edit. -->\n"
LEGEND = (
    f"{YES}: tested with every change. {SLOW}: tested by `make test-slow`. {NO}: refused by the code.\n"
    f"{UNTRIED}: accepted by the code, but not tested."
)


def tested(marks):
    """Return the mark for some tests; each entry is whether only `make test-slow` runs the test."""
    marks = list(marks)
    return UNTRIED if not marks else SLOW if all(marks) else YES


@cache
def _played(name):
    """Return the games that the tests run an algorithm on, and whether only `make test-slow` runs them."""
    return [(game, slow) for played, game, slow in combinations.played() if played == name]


@cache
def refusal(name, kind, memory):
    """Return the error for an algorithm with a kind of action space, or with memory; "" if it is supported."""
    try:
        check(hamlet.algorithms.make(name), combinations.GAMES[ASKED[kind]].env, steps=1)
        hamlet.algorithms.make(name, **({"rnn_size": 8} if memory else {}))
    except RequestError as error:
        return re.sub(r"^\w+_0 ", "AGENT ", re.split("[;:] ", str(error))[0].replace(f" of {name}", ""))
    return ""


def cell(name, kind, memory, unlike):
    """Return a mark, and the reason if the combination is refused."""
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
    """Return the marks of the further properties of an algorithm."""
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
    """Return a row of a table."""
    return "| " + " | ".join(cells) + " |"


def section(name):
    """Return the section about supported spaces on the page of one algorithm."""
    lines = [row(["agents with", *KINDS]), "|---|" + ":-:|" * len(KINDS)]
    reasons = []
    for unlike in (False, True):
        for memory in (False, True):
            marks = [cell(name, kind, memory, unlike) for kind in KINDS]
            label = ("different spaces" if unlike else "equal spaces") + (", recurrent" if memory else "")
            lines.append(row([label, *(mark for mark, _ in marks)]))
            reasons += [reason for _, reason in marks if reason]
    lines += ["", row(FURTHER), "|" + ":-:|" * len(FURTHER), row(further(name)), "", LEGEND]
    told = "; ".join(dict.fromkeys(reasons))
    lines += ["", f"Reasons for refusals: {told}.", ""] if told else [""]
    return "\n".join(
        [*lines, "[What works with what](../status.md) has this table for all algorithms, and explains the columns."]
    )


def _page(names):
    reasons, tables = [], []
    for unlike in (False, True):
        heads = [f"{kind}{extra}" for kind in KINDS for extra in ("", ", recurrent")]
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

With this page you can check whether an algorithm supports your action spaces, recurrent networks and heterogeneous
agents. The tables are generated from the lists that parametrise the tests, so every ● and ○ has a test.

{legend}

The columns are the kinds of action space (Gymnasium's `Discrete`, `MultiDiscrete` and `Box`). "Recurrent" means that
the networks have memory (`--rnn-size`). The numbers refer to the reasons below.

## Agents with equal spaces

[The test](../tests/contract/test_every_algorithm.py) trains a combination for some iterations. It checks that all
numbers stay finite, that the same seed gives bitwise identical results, that a run from a restored checkpoint continues
bitwise identically, and that nothing is compiled twice.

{alike}

## Heterogeneous agents

These agents have different observation or action spaces.

{unlike}

The code refuses these combinations before a run starts, for these reasons:

{told}

## Further properties

{rest}

* **Masks, inactive agents**: the same test with a game that has unavailable actions, agents that terminate before the
  end of the episode, and both terminated and truncated episodes.
* **Shared parameters**: the same test with `sharing="group"`.
* **Host = compiled**: a deterministic game gives the same steps as Python objects, as a compiled environment, and when
  the halves of the copies are stepped in turn. For happo (and in `make test-slow` for hatd3, mappo and qmix), learning
  from these steps also gives the same result.
* **Killed and resumed**: a run is killed at arbitrary moments, twice in the tests of every change and twenty times in
  `make test-slow`. Its results are bitwise identical to the results of a run that was never killed.
* **Learns**: the algorithm learns small games with a known optimum, and no control does ([learning](learning.md)).
* **Exported**: an exported policy of this kind acts like the original in NumPy and ONNX, with heterogeneous
  observations and actions. `make test-slow` tests every format with every observation, action and network body.
"""


def page(names):
    """Return the text of docs/status.md for some algorithms."""
    return _page(list(names))
