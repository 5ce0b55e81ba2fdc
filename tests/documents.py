"""Documents as tests see them: their blocks of code, run as they stand with training cut short.

As a program, ``python tests/documents.py DOCUMENT``, it runs a document's Python blocks one after another in a process
of their own, as a reader would. A block that begins with ``# NAME.py`` becomes that file in the working directory.
"""

import re
import sys
from pathlib import Path

import hamlet

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name, language):
    """The code blocks of a document in one language."""
    return [code for found, code in FENCE.findall((ROOT / name).read_text(encoding="utf-8")) if found == language]


def shrunk(algorithm):
    """The same declaration on small networks and a small batch, so that it compiles and runs in seconds."""
    sampling = hamlet.replace(algorithm.sampling, copies=2, steps=10)
    body = hamlet.replace(algorithm.body, hidden=(8,))
    return hamlet.replace(algorithm, sampling=sampling, body=body)


def main(name):
    """Run the blocks, with `hamlet.train` for two rollouts and few trials of `check_drift`."""
    train, check_drift = hamlet.train, hamlet.testing.check_drift
    hamlet.train = lambda algorithm, env, *, steps, **rest: train(
        shrunk(algorithm), env, steps=40, evaluate_episodes=0, **rest
    )
    hamlet.testing.check_drift = lambda drift, **_: check_drift(drift, trials=1)
    sys.path.insert(0, str(Path.cwd()))
    names = {}
    for code in blocks(name, "python"):
        if file := re.match(r"# (\w+\.py)\n", code):
            Path(file[1]).write_text(code, encoding="utf-8")
        else:
            exec(compile(code, name, "exec"), names)


if __name__ == "__main__":
    main(sys.argv[1])
