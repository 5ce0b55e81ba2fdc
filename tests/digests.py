"""Digests of every algorithm's parameters after three iterations, so that a change of form is seen to change no bit.

Each learns on three environments: compiled, on the host, and with memory (where it has none, with masks and deaths,
or with unlike agents).
tests/digests.json holds for each a digest of its networks' numbers, and what they amount to: on a machine that computes
in other steps (vector units, cores, JAX's version), whose last bits differ, that alone is compared.

``make digests REASON='…'`` records all of them anew. The file keeps the reason, and the changelog must repeat it.
"""

import hashlib
import json
import os
from functools import cache
from pathlib import Path

import jax
import jaxlib
import numpy as np

import combinations
from documents import ROOT

FILE = ROOT / "tests" / "digests.json"
HOSTED = "hosted"
# After three iterations other last bits have grown to this at most.
TOLERANCE = 1e-3
# What was checked in this process, and whether it is recorded rather than compared.
CHECKED = {}
RECORDING = []


def arithmetic():
    """What decides in which steps a sum is taken."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    flags = next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), [])
    vector = sorted(flag for flag in flags if flag.startswith(("avx", "fma", "amx")))
    return " ".join([jax.__version__, jaxlib.__version__, jax.default_backend(), str(os.cpu_count()), *vector])


@cache
def played():
    """What tests/contract plays, by algorithm."""
    games = {}
    for name, game, _ in combinations.played():
        games.setdefault(name, []).append(game)
    return games


def games(name):
    """The compiled environment of an algorithm and the one with memory, by their names in `combinations.GAMES`."""
    able = played()[name]
    compiled = next(game for game in able if not combinations.GAMES[game].memory)
    remembered = [game for game in able if combinations.remembers(name, game)]
    others = [game for game in able if game != compiled]
    return compiled, (remembered or [game for game in others if game == "masked_recurrent"] or others)[0]


def numbers(learner):
    """All parameters of its networks, in an order that does not depend on how they are held."""
    arrays = [np.asarray(leaf) for leaf in jax.tree.leaves((learner.team.actors, learner.critic.networks))]
    return sorted(arrays, key=lambda array: (array.shape, str(array.dtype), array.tobytes()))


def digest(learner):
    """A digest of the parameters' bits, and the root of their mean square."""
    code, arrays = hashlib.sha256(), numbers(learner)
    for array in arrays:
        code.update(repr((array.shape, str(array.dtype))).encode() + array.tobytes())
    squares = [np.square(array.astype(np.float64)).sum() for array in arrays]
    return code.hexdigest()[:16], float(np.sqrt(sum(squares) / max(1, sum(array.size for array in arrays))))


def check(name, game, learner):
    """Hold a learner after three iterations to what is recorded of it.

    Raises:
        AssertionError: Its parameters are others.
    """
    label = f"{name} {game}"
    CHECKED[label] = bits, size = digest(learner)
    if RECORDING:
        return
    file = json.loads(FILE.read_text(encoding="utf-8"))
    assert label in file["parameters"], f"make digests REASON='…' records {label}"
    recorded_bits, recorded_size = file["parameters"][label]
    assert abs(size / recorded_size - 1) <= TOLERANCE, f"{label} learns otherwise: {size} for {recorded_size}"
    if file["arithmetic"] == arithmetic():
        assert bits == recorded_bits, f"{label} has other bits: if that is meant, make digests REASON='…' records them"


def record(reason):
    """Write what was checked, in place of what was recorded; the rest stays only where the machine is the same."""
    document = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {}
    kept = document.get("parameters", {}) if document.get("arithmetic") == arithmetic() else {}
    parameters = dict(sorted((kept | CHECKED).items()))
    document = {"reason": reason, "arithmetic": arithmetic(), "parameters": parameters}
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
