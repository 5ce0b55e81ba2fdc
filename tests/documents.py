"""Documents as tests see them: their blocks of code, run as they stand with training cut short.

As a program, ``python tests/documents.py DOCUMENT…``, it runs the documents' blocks one after another in one process,
as a reader would who has gone through all of them: Python blocks, the cells of the notebook, and the ``hamlet`` lines
of those that say ``sh`` in the documents of ``WALKED`` and ``EARLIER``. A block that begins with ``# NAME.py`` becomes
that file in the working directory.
"""

import gc
import json
import re
import shlex
import sys
from pathlib import Path

import hamlet
import reuse
from hamlet import cli

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WALKED = ("docs/quickstart.md",)
NOTEBOOK = "docs/tutorial.ipynb"
# Whose commands run as well: those from before.
EARLIER = ("docs/migration.md",)
# What makes a command short, and which words are replaced for it.
SMALL = ("--num-envs", "2", "--rollout-length", "10", "--hidden", "8", "--evaluate-episodes", "2", "--quiet")
SHORTER = {"--steps": {"1M": "40", "2M": "80"}, "--episodes": {"320": "2"}, "--seeds": {"3": "2"}}


def blocks(name, language):
    """The code blocks of a document in one language."""
    return [code for found, code in FENCE.findall((ROOT / name).read_text(encoding="utf-8")) if found == language]


FEW = {"num_envs": 2, "rollout_length": 25, "hidden": (8,), "evaluate_episodes": 1}


def parts(name):
    """The language and the code of each block of a document, or of each cell of a notebook, in order."""
    text = (ROOT / name).read_text(encoding="utf-8")
    if not name.endswith(".ipynb"):
        return FENCE.findall(text)
    cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
    return [("python", re.sub(r"^%%writefile ", "# ", "".join(cell["source"]))) for cell in cells]


def shrunk(algorithm):
    """The same declaration on small networks and a small batch, so that it compiles and runs in seconds."""
    sampling = hamlet.replace(algorithm.sampling, copies=2, steps=10)
    body = hamlet.replace(algorithm.body, hidden=(8,))
    return hamlet.replace(algorithm, sampling=sampling, body=body)


def shortened(words):
    """The words of a command, with less to do."""
    changed = [SHORTER.get(before, {}).get(word, word) for before, word in zip(["", *words], words, strict=False)]
    return [*changed, *SMALL] if words[0] == "train" else changed


def make_short():
    """Everything that takes time takes less from here on, in this process."""
    train, evaluate = hamlet.train, hamlet.evaluate
    check_drift, check_algorithm = hamlet.testing.check_drift, hamlet.testing.check_algorithm
    from_pettingzoo = hamlet.envs.from_pettingzoo
    hamlet.train = lambda algorithm, env, *, steps, **rest: train(
        algorithm if isinstance(algorithm, str) else shrunk(algorithm),
        env,
        steps=100,
        **rest
        | (FEW if isinstance(algorithm, str) else {"evaluate_episodes": 0})
        | ({"seeds": 1} if "seeds" in rest else {}),
    )
    hamlet.evaluate = lambda run, *, episodes, **rest: evaluate(run, episodes=2, **rest)
    hamlet.testing.check_drift = lambda drift, **_: check_drift(drift, trials=1)
    hamlet.testing.check_algorithm = lambda algorithm, **_: check_algorithm(algorithm, games=1, sweeps=2)
    hamlet.envs.from_pettingzoo = lambda factory, *, copies, **rest: from_pettingzoo(
        factory, copies=2, processes=1, **rest
    )


def run_document(name):
    """Its blocks in the order in which they stand; what one defines the next ones know."""
    names = {}
    for language, code in parts(name):
        if language == "sh" and name in WALKED + EARLIER:
            for line in code.splitlines():
                words = shlex.split(line, comments=True)[1:]
                assert cli.main(shortened(words)) == 0, line
        elif language == "python" and (file := re.match(r"# (\w+\.py)\n", code)):
            Path(file[1]).write_text(code, encoding="utf-8")
        elif language == "python":
            exec(compile(code, name, "exec"), names)


def main(names):
    """Run the documents."""
    gc.set_threshold(100_000, 20, 50)  # as in conftest
    make_short()
    sys.path.insert(0, str(Path.cwd()))
    with reuse.programs():
        for name in names:
            try:
                run_document(name)
            except BaseException as error:
                error.add_note(f"in {name}")
                raise


if __name__ == "__main__":
    main(sys.argv[1:])
