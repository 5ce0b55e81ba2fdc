"""What of a run's files is of the kind that it must be: the rest is left out, and a remark says so.

Files may be damaged, of another version, or edited by hand: any value may stand in any place.
"""

import math
from collections.abc import Mapping
from typing import Any, Literal

# Of config.json, what reports read by name; whatever else stands there is only printed.
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
    r"""A value with None for numbers that are none, and with only such text as Unicode has.

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
    """A configuration without what is of another kind than it must be; a remark for each."""
    valid = {}
    for name, value in readable(config).items():
        kind = _KINDS.get(name)
        if value is None or kind is None or type(value) is kind:
            valid[name] = value
        else:
            remarks.append(f"config.json: {name} is no {_WORDS[kind]}")
    return valid


def mode(config: Mapping[str, Any]) -> Literal["deterministic", "stochastic"]:
    """How a run's policy was evaluated while it trained, where its configuration says."""
    evaluation = config.get("evaluation")
    stochastic = isinstance(evaluation, Mapping) and evaluation.get("mode") == "stochastic"
    return "stochastic" if stochastic else "deterministic"


def is_point(point: Mapping[str, Any]) -> bool:
    """Whether an evaluation has all that it must have, and nothing in it is of another kind."""
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
    """Whether a row of the metrics is one; SQLite keeps anything in any column."""
    return isinstance(name, str) and type(step) is int and (value is None or isinstance(value, float | int))


def _is_number(value: Any) -> bool:
    """Also of no number of digits that a float has not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300


def _are_numbers(values: Any) -> bool:
    return isinstance(values, list) and all(map(_is_number, values))
