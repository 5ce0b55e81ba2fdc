"""Write the pages that are generated from docstrings, tests and records: ``make docs``. A test compares them."""

import inspect
import json
import re
import sys
from pathlib import Path

import hamlet
from hamlet.estimation.counterfactual import CounterfactualValue
from hamlet.estimation.critic import StateValue
from hamlet.estimation.joint_value import JointActionValue
from hamlet.haml.drift import SumDrift
from hamlet.haml.meta_game import Forced, MetaGame, MetaStep
from hamlet.haml.neighbourhood import KlBall
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.scheme import Sequential, Simultaneous
from hamlet.haml.template import Haml
from hamlet.hyperparameters.docstrings import descriptions
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.base import IndependentMixer, Monotonic, Sum
from hamlet.networks.mixers.q_dpp import Determinantal
from hamlet.networks.mixers.qplex import Duplex
from hamlet.networks.mixers.qtran import Qtran
from hamlet.reports.pictures import decomposition

sys.path.insert(0, str(Path(__file__).parent))

import formulas
import gallery
import results
import status

PARTS = ("drift", "neighbourhood", "scheme", "surrogate", "sampling", "advantage", "mixer", "critic", "actor", "body")
PAGES = Path(__file__).parent / "algorithms"
RECORDS = Path(__file__).parents[1] / "benchmarks" / "records"
NOTE = "<!-- Written by `make docs` from src/hamlet/algorithms; do not edit. -->\n"
SCHEMES = {
    Sequential: "sequential, random order",
    Simultaneous: "simultaneous",
    MetaGame: "simultaneous, response to the equilibrium of the meta-game",
    MetaStep: "simultaneous, to the equilibrium of the meta-game",
}
# The team's value, by the mixer's inputs besides the agents' values.
MIXED = {
    IndependentMixer: "decentralised: own observation, no mixer",
    Sum: "centralised: sum of the agents' values",
    Monotonic: "centralised: mixer of the agents' values and the state",
    Qtran: "centralised: mixer of the agents' values, the state, features and actions",
    Duplex: "centralised: mixer of the agents' values, the state and actions",
    Determinantal: "centralised: mixer of the agents' values and vectors of actions",
}


def factories():
    """Return Hamlet's own algorithms by name, without the algorithms of other installed packages."""
    return {n: f for n, f in hamlet.algorithms.ALGORITHMS.items() if f.__module__.startswith("hamlet.algorithms.")}


def table(folder=""):
    """Return a table of all algorithms; its links lead to pages in ``folder``."""
    head = "| algorithm | drift 𝔇 | neighbourhood 𝒰 | updates | data | critic | reward |"
    rows = [head, "|---" * 7 + "|"]
    for name, factory in factories().items():
        made = factory()
        cells = (
            f"[`{name}`]({folder}{name}.md)",
            _drift(made),
            _neighbourhood(made),
            _scheme(made),
            "on-policy" if isinstance(made.sampling, OnPolicy) else "off-policy",
            _seen(made),
            "team sum" if made.critic.credits == "team" else "each agent's own",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _suited(made):
    """Return the option that lets an algorithm with discrete actions only act in spread."""
    return " --env.no-continuous" if made.actions == ("Discrete",) else ""


def _scheme(made):
    if isinstance(made, Decomposition):
        return "simultaneous, one loss"
    scheme = made.scheme
    if isinstance(scheme, MetaGame) and isinstance(scheme.solver, Forced):
        return "simultaneous, response to the predicted policies of all agents"
    return SCHEMES[type(scheme)]


def _drift(made):
    if not isinstance(made, Haml):
        return "none: value-based"
    parts = made.drift.parts if isinstance(made.drift, SumDrift) else (made.drift,)
    return " + ".join(f"`{type(part).__name__}`" for part in parts)


def _neighbourhood(made):
    if not isinstance(made, Haml):
        return "none: RMSprop or Adam" if isinstance(made, Decomposition) else "none: Adam"
    ball = isinstance(made.neighbourhood, KlBall)
    return f"`{type(made.neighbourhood).__name__}`: " + (
        "natural gradient, line search" if ball else {"adam": "Adam", "rmsprop": "RMSprop"}[made.neighbourhood.rule]
    )


def _seen(made):
    if isinstance(made, Decomposition):
        return MIXED.get(type(made.mixer), f"centralised: `{type(made.mixer).__name__}`")
    critic = made.critic
    if isinstance(critic, CounterfactualValue):
        return "centralised: state, own observation, actions of the other agents; one value per own action"
    if isinstance(critic, JointActionValue):
        return "centralised: state; one value per joint action"
    if not isinstance(critic, StateValue):
        return "centralised: state and actions"
    return "centralised: state" if critic.sees == "state" else "decentralised: own observation"


def page(name, factory):
    """Return the page of one algorithm: its module's docstring, declaration, hyperparameters, support and records."""
    title, _, text = inspect.cleandoc(inspect.getmodule(factory).__doc__).partition("\n")
    made, texts = factory(), descriptions(factory)
    rows = [
        f"| `{parameter}` | `{value.default!r}` | {texts[parameter].replace('|', chr(92) + '|')} |"
        for parameter, value in inspect.signature(factory).parameters.items()
    ]
    return "\n".join(
        [
            NOTE,
            f"# {title.rstrip('.')}\n",
            f"    hamlet train {name} mpe/simple_spread{_suited(made)}\n",
            formulas.drawn(text.strip()) + "\n",
            "## The declaration\n",
            "| part | default |",
            "|---|---|",
            *(f"| {part} | `{getattr(made, part)!r}` |" for part in PARTS if hasattr(made, part)),
            "\n## Hyperparameters\n",
            f"In Python they are keywords of `hamlet.algorithms.{name}(*, …)`. On the command line, write `--` and the",
            "name, with dashes instead of underscores. If the environment has a preset, `hamlet train` uses its values",
            "(`hamlet list presets`).\n",
            "| name | default | meaning |",
            "|---|---|---|",
            *rows,
            "\n## What it runs on\n",
            status.section(name),
            *records(name),
            f"\nSource: [src/hamlet/algorithms/{name}.py](../../src/hamlet/algorithms/{name}.py)",
            "",
        ]
    )


def records(name):
    """Return the section on the measurements of an algorithm: the records with a title that starts with its name."""
    rows = []
    for path in sorted(RECORDS.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        says, link = found.get("says", ""), f"[{path.stem}](../../benchmarks/records/{path.name})"
        if not re.match(rf"{name}\b", says, re.IGNORECASE):
            continue
        rows.append(f"| {_plain(says)} | {_measured(found['result'])} | {link} |")
    if not rows:
        return [
            "\n## What was measured\n",
            "This algorithm has no record yet. See [results](../results.md) for records of other algorithms.",
        ]
    table = ["| what | result | record |", "|---|---|---|", *rows]
    why = (
        "[Results](../results.md) and [speed](../speed.md) explain how returns and speeds were measured. m ± h is the\n"
    )
    why += "mean over seeds and half the width of its 95 % interval; one seed has no ±."
    return ["\n## What was measured\n", *table, "", why]


def _plain(says):
    return says.replace("|", chr(92) + "|")


def _measured(result):
    """Return the main numbers of a record as text."""
    if isinstance(result, list) and "mean" in result[0]:
        seeds = f"{len(result)} seed{'s' * (len(result) > 1)}"
        return f"mean return {results.interval([run['mean'] for run in result])}, {seeds}"
    if isinstance(result, dict) and "difference" in result:
        low, high = result["interval"]
        return f"difference {result['difference']:.1f}, 95 % interval [{low:.1f}, {high:.1f}]".replace("-", "−")
    if isinstance(result, dict) and "interval" in result:
        return _measured(result["runs"])
    if isinstance(result, dict) and {"stages", "random"} <= result.keys():
        ends = result["stages"][0]["policy"], result["stages"][-1]["policy"], result["random"]
        first, last, random = (" and ".join(f"{told['wins']:.0%}" for told in end.values()) for end in ends)
        players = " and ".join(result["random"])
        return f"games won by {players}: first policy {first}; last policy {last}; random play {random}"
    if isinstance(result, dict) and "env_steps_per_second" in result:
        return f"{result['env_steps_per_second']:,.0f} env steps/s"
    return "see the record"


def pages():
    """Return the text of every generated page, by its path."""
    others = ", ".join(f"`{name}`" for name, factory in factories().items() if not isinstance(factory(), Haml))
    index = "\n".join(
        [
            NOTE,
            "# Algorithms\n",
            "This table compares all algorithms. Each name links to a page with the algorithm's equations,",
            "hyperparameters, supported action spaces and measurements.\n",
            table(),
            "The columns have the following meaning:\n",
            "* **drift 𝔇**: the penalty for a change of the policy ([theory](../theory.md)).",
            "* **neighbourhood 𝒰**: the set of allowed new policies, and the optimiser.",
            "* **updates**: whether the agents are updated sequentially or simultaneously.",
            "* **data**: on-policy (new rollouts) or off-policy (a replay buffer).",
            "* **critic**: centralised (with information about all agents) or decentralised, and its inputs.",
            "* **reward**: whether agents maximise the team sum or each agent's own reward.\n",
            "Most algorithms are one template with different parts: [theory](../theory.md). These algorithms have",
            f"their own templates: {others}.\n",
        ]
    )
    side = {PAGES.parent / "status.md": status.page(factories())}
    solved = PAGES.parent / "value-decomposition.md"
    record = json.loads((RECORDS / "value-decomposition.json").read_text(encoding="utf-8"))
    reached = PAGES.parent / "results.md"
    side |= {reached: results.written(reached.read_text(encoding="utf-8"))}
    side |= {PAGES.parent / "gallery.md": gallery.page()}
    side |= {solved: decomposition.written(solved.read_text(encoding="utf-8"), record)}
    return side | {PAGES / "README.md": index} | {PAGES / f"{n}.md": page(n, f) for n, f in factories().items()}


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
