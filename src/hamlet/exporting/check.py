"""Comparison of exported files with the policy, before the export is put in its place."""

import importlib.util
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hamlet import extras
from hamlet.errors import RunError
from hamlet.exporting.decision import ExportedAgent, Port
from hamlet.exporting.team import Exported
from hamlet.spaces import MultiDiscrete

COUNT = 8
# Sums in another order give small differences. A larger difference than this means that the file is another policy.
_TOLERANCE = 1e-4
Inputs = tuple[np.ndarray, ...]
# A function that runs an exported file: from several inputs to the outputs for each of them.
Run = Callable[[Sequence[Inputs]], Sequence[Sequence[Any]]]


def differences(exported: Exported, files: dict[str, Path]) -> dict[str, float]:
    """Return, for each format, the largest difference from the policy on random observations, masks and memories.

    Args:
        exported: The policy.
        files: The file of each format.

    Raises:
        RunError: The outputs of a file differ from the policy's outputs by more than 10⁻⁴.
    """
    drawn = [_draw(exported.agent, seed) for seed in range(COUNT)]
    wanted = [tuple(np.asarray(x) for x in exported(*inputs)) for inputs in drawn]
    largest = {}
    for kind, path in files.items():
        run = _LOADERS[kind](path, exported)
        if run is not None:
            largest[kind] = _largest(run(drawn), wanted)
            if largest[kind] > _TOLERANCE:
                raise RunError(
                    f"the exported file {path.name} differs from the policy of {exported.agent.name} by "
                    f"{largest[kind]:.2g}; this is a bug in Hamlet: please report it with the network's code"
                )
    return largest


def _largest(outputs: Sequence[Sequence[Any]], wanted: Sequence[Sequence[np.ndarray]]) -> float:
    """Return the largest difference; it is relative for numbers above 1.

    Discrete actions must be equal. One unequal array is allowed, because two actions may be equally probable.
    """
    largest, unequal = 0.0, 0
    for ours, expected in zip(outputs, wanted, strict=True):
        for actual, other in zip(ours, expected, strict=True):
            if other.dtype.kind == "f":
                apart = np.abs(actual - other) / np.maximum(np.abs(other), 1.0)
                largest = max(largest, float(np.max(apart, initial=0.0)))
            else:
                unequal += not np.array_equal(actual, other)
    return largest if unequal <= 1 else float("inf")


def _draw(agent: ExportedAgent, seed: int) -> Inputs:
    random = np.random.default_rng(seed)
    return tuple(_one(agent, port, random) for port in agent.inputs)


def _one(agent: ExportedAgent, port: Port, random: np.random.Generator) -> np.ndarray:
    if port.name == "available":
        sizes = agent.action.sizes if isinstance(agent.action, MultiDiscrete) else (agent.action.width,)
        rows = [random.random(size) < 0.7 for size in sizes]
        for row in rows:
            row[random.integers(len(row))] = True
        return np.concatenate(rows)
    if port.name == "memory":
        return random.uniform(-1, 1, port.shape).astype(np.float32)
    (kind,) = (kind for _, observed_port, kind in agent.observed if observed_port.name == port.name)
    if kind.sizes:
        starts = np.reshape(kind.start or 0, kind.shape if kind.start else ())
        return np.asarray(random.integers(np.reshape(kind.sizes, kind.shape)) + starts, np.int32)
    low, high = kind.bounds
    bounded = np.isfinite(low) & np.isfinite(high)
    start, span = np.where(bounded, low, 0.0), np.where(bounded, high, 1.0) - np.where(bounded, low, 0.0)
    even = start + span * random.random(port.shape)
    return np.asarray(np.where(bounded, even, random.normal(size=port.shape)), port.dtype)


def module_of(path: Path) -> Any:
    """Import an exported file."""
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _numpy(path: Path, exported: Exported) -> Run:
    module = module_of(path)
    weights = module.Policy()._weights
    return lambda drawn: [module.compute(weights, *inputs) for inputs in drawn]


def _onnx(path: Path, exported: Exported) -> Run | None:
    if line := extras.lacking("onnxruntime", "ONNX files are written but not checked: the check"):
        warnings.warn(line, stacklevel=2)
        return None
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # onnxruntime warns about inputs with default values
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names, outputs = ([port.name for port in ports] for ports in (exported.agent.inputs, exported.outputs))

    def run(drawn: Sequence[Inputs]) -> list[Any]:
        batch = dict(zip(names, map(np.stack, zip(*drawn, strict=True)), strict=True))
        return list(zip(*session.run(outputs, batch), strict=True))

    return run


def _stablehlo(path: Path, exported: Exported) -> Run:
    policy = jax.export.deserialize(bytearray(path.read_bytes()))
    call = jax.jit(policy.call)
    return lambda drawn: [call(*inputs) for inputs in drawn]


_LOADERS: dict[str, Callable[[Path, Exported], Run | None]] = {
    "numpy": _numpy,
    "onnx": _onnx,
    "stablehlo": _stablehlo,
}
