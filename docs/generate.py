"""Write the pages that are made from docstrings, tests and records: ``make docs``. A test holds them to the code."""

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
    Sequential: "one after another, random order",
    Simultaneous: "all at once",
    MetaGame: "all at once, in answer to the meta-game's equilibrium",
    MetaStep: "all at once, to the meta-game's equilibrium",
}
# What a mixer sees beside the agents' values.
MIXED = {
    IndependentMixer: "nothing is mixed",
    Sum: "nothing: values are added",
    Monotonic: "the state",
    Qtran: "the state, features and actions",
    Duplex: "the state and actions",
    Determinantal: "vectors of choices",
}


def factories():
    """Hamlet's own algorithms, not those of other packages that are installed here."""
    return {n: f for n, f in hamlet.algorithms.ALGORITHMS.items() if f.__module__.startswith("hamlet.algorithms.")}


def table(folder=""):
    """The algorithms side by side; links go to pages in ``folder``."""
    head = "| algorithm | drift 𝔇 | neighbourhood 𝒰 | scheme | learns from | critic sees | trained on |"
    rows = [head, "|---" * 7 + "|"]
    for name, factory in factories().items():
        made = factory()
        cells = (
            f"[`{name}`]({folder}{name}.md)",
            _drift(made),
            _neighbourhood(made),
            _scheme(made),
            "fresh rollouts" if isinstance(made.sampling, OnPolicy) else "a replay buffer",
            _seen(made),
            "the sum of rewards" if made.critic.credits == "team" else "each agent's own reward",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def _suited(made):
    """The option under which an algorithm that acts by choices alone can act in spread."""
    return " --env.no-continuous" if made.actions == ("Discrete",) else ""


def _scheme(made):
    if isinstance(made, Decomposition):
        return "all at once, one loss"
    scheme = made.scheme
    if isinstance(scheme, MetaGame) and isinstance(scheme.solver, Forced):
        return "all at once, in answer to everyone's prediction"
    return SCHEMES[type(scheme)]


def _drift(made):
    if not isinstance(made, Haml):
        return "none: no mirror step"
    parts = made.drift.parts if isinstance(made.drift, SumDrift) else (made.drift,)
    return " + ".join(f"`{type(part).__name__}`" for part in parts)


def _neighbourhood(made):
    if not isinstance(made, Haml):
        return "none: values, RMSprop or Adam" if isinstance(made, Decomposition) else "none: values, Adam"
    ball = isinstance(made.neighbourhood, KlBall)
    return f"`{type(made.neighbourhood).__name__}`: " + (
        "natural gradient, line search" if ball else {"adam": "Adam", "rmsprop": "RMSprop"}[made.neighbourhood.rule]
    )


def _seen(made):
    if isinstance(made, Decomposition):
        return MIXED.get(type(made.mixer), f"`{type(made.mixer).__name__}`")
    critic = made.critic
    if isinstance(critic, CounterfactualValue):
        return "state, observation, the others' actions; one value a choice"
    if not isinstance(critic, StateValue):
        return "the state; one value a joint action" if isinstance(critic, JointActionValue) else "state and actions"
    return "the state" if critic.sees == "state" else "its agent's observation"


def page(name, factory):
    """One algorithm: what its module says, its declaration, its hyperparameters."""
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
            "| part | by default |",
            "|---|---|",
            *(f"| {part} | `{getattr(made, part)!r}` |" for part in PARTS if hasattr(made, part)),
            "\n## Hyperparameters\n",
            f"`hamlet.algorithms.{name}(*, …)`; on the command line `--` and the name, with dashes.",
            "Where the paper has values for an environment, `hamlet train` takes those: `hamlet list presets`.\n",
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
    """What was measured of an algorithm: the records that begin with its name, as their files have it."""
    rows = []
    for path in sorted(RECORDS.glob("*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        says, link = found.get("says", ""), f"[{path.stem}](../../benchmarks/records/{path.name})"
        if not re.match(rf"{name}\b", says, re.IGNORECASE):
            continue
        rows.append(f"| {_plain(says)} | {_measured(found['result'])} | {link} |")
    if not rows:
        return ["\n## What was measured\n", "Nothing is recorded of it yet: [results](../results.md) has others."]
    table = ["| what | measured | record |", "|---|---|---|", *rows]
    why = "How it was measured, and what the returns are of: [results](../results.md), [speed](../speed.md)."
    return ["\n## What was measured\n", *table, "", why]


def _plain(says):
    return says.replace("|", chr(92) + "|")


def _measured(result):
    """The numbers of a record in a few words."""
    if isinstance(result, list) and "mean" in result[0]:
        means = [f"{one['mean']:.1f} ± {one['standard_error']:.1f}".replace("-", "−") for one in result]
        return "mean return " + ", ".join(means)
    if isinstance(result, dict) and "difference" in result:
        low, high = result["interval"]
        return f"difference {result['difference']:.1f}, 95 % interval [{low:.1f}, {high:.1f}]".replace("-", "−")
    if isinstance(result, dict) and "interval" in result and result["interval"] is None:
        return _measured(result["runs"])
    if isinstance(result, dict) and "interval" in result:
        low, high = result["interval"]
        said = f"mean return {result['mean']:.1f}, 95 % interval over seeds [{low:.1f}, {high:.1f}]"
        return f"{said}, {len(result['runs'])} seeds".replace("-", "−")
    if isinstance(result, dict) and {"stages", "random"} <= result.keys():
        ends = result["stages"][0]["policy"], result["stages"][-1]["policy"], result["random"]
        first, last, random = (" and ".join(f"{told['wins']:.0%}" for told in end.values()) for end in ends)
        return f"games won by {' and '.join(result['random'])}: {first} at first, {last} at last; {random} at random"
    if isinstance(result, dict) and "env_steps_per_second" in result:
        return f"{result['env_steps_per_second']:,.0f} env steps/s"
    return "see the record"


def pages():
    """Every page by its path."""
    others = ", ".join(f"`{name}`" for name, factory in factories().items() if not isinstance(factory(), Haml))
    text = f"All but {others} are one template with different parts: [theory](../theory.md)."
    index = f"{NOTE}\n# Algorithms\n\n{table()}\n{text}\n"
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
