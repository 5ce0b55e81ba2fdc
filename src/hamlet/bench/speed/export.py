"""Measure the time of one action of an exported policy in NumPy and onnxruntime, compared with Hamlet's policy.

The networks are untrained, because the weights do not affect the time.
"""

import importlib.util
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hamlet import algorithms, envs
from hamlet.backends.iteration import roster_of
from hamlet.backends.select import backend_of
from hamlet.envs.agent_spaces import outside
from hamlet.exporting import check
from hamlet.exporting.directory import write
from hamlet.exporting.team import policies
from hamlet.policy import Policy

# The rounds are short, so that in the best rounds no other program used the core.
_ROUNDS, _CALLS = 400, 20
CASES: dict[str, dict[str, Any]] = {
    "discrete, 128-128": {"continuous": False},
    "continuous, 128-128": {"continuous": True},
    "discrete, 128-128, memory 128": {"continuous": False, "rnn_size": 128, "sequence_length": 10},
}


def measure() -> dict[str, Any]:
    """Measure the microseconds of an action of HAPPO's agents on spread: best and median of the rounds, per case."""
    return {"rounds": _ROUNDS, "calls": _CALLS, "microseconds": {name: _case(**case) for name, case in CASES.items()}}


def _case(*, continuous: bool, **options: Any) -> dict[str, Any]:
    algorithm = algorithms.happo(hidden=(128, 128), **options)
    env = envs.make("mpe/simple_spread", continuous=continuous)
    roster = roster_of(algorithm, env)
    actors = backend_of(env).begin(algorithm)(0).learner.team.actors
    document = {"run": "", "algorithm": "happo", "environment": "", "seed": 0, "step": 0, "versions": {"hamlet": ""}}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder)
        formats = ["numpy", *(["onnx"] if importlib.util.find_spec("onnxruntime") else [])]
        write(out, policies(roster, actors, algorithm.body, outside(env)), document, formats, None)
        files = json.loads((out / "manifest.json").read_text(encoding="utf-8"))["agents"]["agent_0"]["files"]
        observation = np.random.default_rng(0).standard_normal(18)
        acts: dict[str, Callable[[], Any]] = {}
        alone = check.module_of(out / files["numpy"]).Policy()
        acts["numpy"] = lambda: alone.act(observation)
        if "onnx" in files:
            acts["onnx"] = _session(out / files["onnx"], observation)
        policy = Policy(roster, actors, algorithm.body)
        everyone = dict.fromkeys(roster.names, observation)
        acts["hamlet.load_policy, three agents"] = lambda: policy.act(everyone)
        jax.block_until_ready(policy.act(everyone))
        return {name: _timed(act) for name, act in acts.items()}


def _session(path: Path, seen: np.ndarray) -> Callable[[], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    given = {"observation": seen.astype(np.float32)[None]}
    return lambda: session.run(None, given)


def _timed(act: Callable[[], Any]) -> dict[str, float]:
    rows = []
    for _ in range(_ROUNDS):
        start = time.perf_counter()
        for _ in range(_CALLS):
            act()
        rows.append(1e6 * (time.perf_counter() - start) / _CALLS)
    return {"best": round(min(rows), 1), "median": round(statistics.median(rows), 1)}
