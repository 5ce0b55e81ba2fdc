"""Documents as tests see them: their blocks of code, and declarations cut short."""

import re
from pathlib import Path

import hamlet

ROOT = Path(__file__).parents[1]
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name, language):
    """The code blocks of a document in one language."""
    return [code for found, code in FENCE.findall((ROOT / name).read_text(encoding="utf-8")) if found == language]


def shrunk(algorithm):
    """The same declaration on small networks and a small batch, so that it compiles and runs in seconds."""
    sampling = hamlet.replace(algorithm.sampling, copies=2, steps=10)
    body = hamlet.replace(algorithm.body, hidden=(8,))
    return hamlet.replace(algorithm, sampling=sampling, body=body)
