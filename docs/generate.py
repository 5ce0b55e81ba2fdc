"""Write the pages that are made from docstrings and signatures: ``make docs``. A test holds them to the code."""

import inspect
from pathlib import Path

import hamlet
from hamlet.commands.options import descriptions
from hamlet.haml.neighbourhood import KlBall
from hamlet.haml.scheme import Sequential

PAGES = Path(__file__).parent / "algorithms"
NOTE = "<!-- Written by `make docs` from src/hamlet/algorithms; do not edit. -->\n"


def factories():
    """Hamlet's own algorithms, not those of other packages that are installed here."""
    return {n: f for n, f in hamlet.algorithms.ALGORITHMS.items() if f.__module__.startswith("hamlet.algorithms.")}


def table(folder=""):
    """The algorithms side by side; links go to pages in ``folder``."""
    head = "| algorithm | drift 𝔇 | neighbourhood 𝒰 | scheme | critic sees | trained on |"
    rows = [head, "|---" * 6 + "|"]
    for name, factory in factories().items():
        made = factory()
        ball = isinstance(made.neighbourhood, KlBall)
        sequential = isinstance(made.scheme, Sequential)
        cells = (
            f"[`{name}`]({folder}{name}.md)",
            f"`{type(made.drift).__name__}`",
            f"`{type(made.neighbourhood).__name__}`: " + ("natural gradient, line search" if ball else "Adam"),
            "one after another, random order" if sequential else "all at once",
            "the state" if made.critic.sees == "state" else "its agent's observation",
            "the sum of rewards" if made.critic.credits == "team" else "each agent's own reward",
        )
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


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
            f"    hamlet train {name} mpe/simple_spread\n",
            text.strip() + "\n",
            "## The declaration\n",
            "| part | by default |",
            "|---|---|",
            *(f"| {part} | `{getattr(made, part)!r}` |" for part in ("drift", "neighbourhood", "scheme", "surrogate")),
            *(f"| {part} | `{getattr(made, part)!r}` |" for part in ("sampling", "advantage", "critic", "body")),
            "\n## Hyperparameters\n",
            f"`hamlet.algorithms.{name}(*, …)`; on the command line `--` and the name, with dashes.",
            "Where the paper has values for an environment, `hamlet train` takes those: `hamlet list presets`.\n",
            "| name | default | meaning |",
            "|---|---|---|",
            *rows,
            f"\nSource: [src/hamlet/algorithms/{name}.py](../../src/hamlet/algorithms/{name}.py)",
            "",
        ]
    )


def pages():
    """Every page by its path."""
    index = f"{NOTE}\n# Algorithms\n\n{table()}\nAll are one template with different parts: [theory](../theory.md).\n"
    return {PAGES / "README.md": index} | {PAGES / f"{n}.md": page(n, f) for n, f in factories().items()}


if __name__ == "__main__":
    PAGES.mkdir(exist_ok=True)
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")
