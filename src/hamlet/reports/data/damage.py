"""Check the values in a run's files, and leave out each value of a wrong type.

A file may be damaged, written by another version, or edited by hand. Any entry may therefore hold any value. Each
configuration entry that is left out gives a remark in the report.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

# The types of the entries of config.json that reports read by name. Reports only print the other entries.
_KINDS: Mapping[str, type] = {
    "algorithm_name": str,
    "environment_name": str,
    "preset": str,
    "init_from": str,
    "revision": str,
    "platform": str,
    "seed": int,
    "steps": int,
    "algorithm": dict,
    "environment": dict,
    "evaluation": dict,
    "versions": dict,
    "hardware": dict,
}
_WORDS = {str: "text", int: "whole number", dict: "object"}


def readable(value: Any) -> Any:
    r"""Return the value with None for each infinite or NaN number, and with only valid Unicode text.

    >>> readable({"mean": float("inf"), "mode": ["\ud800", 1]})
    {'mean': None, 'mode': ['?', 1]}
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {readable(name): readable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [readable(each) for each in value]
    return value


def sound(config: Mapping[str, Any], remarks: list[str]) -> dict[str, Any]:
    """Return the configuration without the entries of a wrong type, and append a remark for each of them."""
    valid = {}
    for name, value in readable(config).items():
        kind = _KINDS.get(name)
        if value is None or kind is None or type(value) is kind:
            valid[name] = value
        else:
            remarks.append(f"config.json: {name} is ignored, because its value is not of type {_WORDS[kind]}")
    return valid


def mode(config: Mapping[str, Any]) -> Literal["deterministic", "stochastic"]:
    """Return the evaluation mode of a run during training; it is "deterministic" where its configuration has none."""
    evaluation = config.get("evaluation")
    stochastic = isinstance(evaluation, Mapping) and evaluation.get("mode") == "stochastic"
    return "stochastic" if stochastic else "deterministic"


def is_point(point: Mapping[str, Any]) -> bool:
    """Return whether an evaluation has all required entries, and each known entry has the right type."""
    return (
        all(_is_number(point.get(name)) for name in ("mean", "step"))
        and isinstance(point.get("mode"), str)
        and all(
            _is_number(point[name]) for name in ("standard_error", "episodes", "seed", "run_steps") if name in point
        )
        and isinstance(point.get("metric", ""), str)
        and all(_are_numbers(point[name]) for name in ("returns", "lengths") if name in point)
        and isinstance(point.get("agent_returns", {}), dict)
        and _are_numbers(list(point.get("agent_returns", {}).values()))
    )


def is_measurement(name: Any, step: Any, value: Any) -> bool:
    """Return whether a row of the metrics has the right types; SQLite stores values of any type in any column."""
    return isinstance(name, str) and type(step) is int and (value is None or isinstance(value, float | int))


def _is_number(value: Any) -> bool:
    """Return whether the value is a number below 1e300 in absolute value, so that a float can hold it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(map(_is_number, values))
