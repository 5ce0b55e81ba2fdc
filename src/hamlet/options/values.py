"""The types of option values: how many words a value has, how it is parsed, and how messages describe it."""

import inspect
import math
import re
import types
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

from tyro.constructors import PrimitiveConstructorSpec

from hamlet.haml.rates import Rates
from hamlet.nearest import closest

_UNITS = {"k": 1_000, "m": 1_000_000, "b": 1_000_000_000, "g": 1_000_000_000}
# The greatest whole number: up to it a float represents every whole number. The length of a run has a separate limit.
_MOST = 2**53
_PLAIN = (bool, int, float, str, Path)
_SPOKEN = {int: "a whole number", float: "a number", str: "a name", Path: "a path"}


def parse_steps(text: str) -> int:
    """Parse a number of environment steps, with an optional suffix k, M, B or G.

    Raises:
        ValueError: If it is not a whole number, or above 2⁵³.

    >>> [parse_steps(text) for text in ("10M", "2.5M", "500k", "1e6", "10_000_000", "1b")]
    [10000000, 2500000, 500000, 1000000, 10000000, 1000000000]
    """
    digits, unit = (text[:-1], _UNITS[text[-1].lower()]) if text[-1:].lower() in _UNITS else (text, 1)
    try:
        number = Decimal(digits) * unit
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number of steps: write for example 10M, 500k or 1e6") from None
    if not number.is_finite() or abs(number) > _MOST or number != int(number):
        raise ValueError(f"{text!r} is not a whole number up to {_MOST:,}")
    return int(number)


def format_steps(steps: int) -> str:
    """Return the shortest text that `parse_steps` parses to the same number.

    >>> [format_steps(steps) for steps in (10_000_000, 2_500_000, 4_000, 4_321)]
    ['10M', '2.5M', '4k', '4321']
    """
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        short = f"{steps / size:.6g}{unit}"
        if steps >= size and len(short) < len(str(steps)) and parse_steps(short) == steps:
            return short
    return str(steps)


def _count(metavar: str, shown: Callable[[int], str]) -> Any:
    """Return tyro's specification of a whole number: how it is parsed and shown."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: parse_steps(words[0]),
        is_instance=lambda value: isinstance(value, int),
        str_from_instance=lambda value: [shown(value)],
    )


Steps: TypeAlias = Annotated[int, _count("STEPS", format_steps)]
Whole: TypeAlias = Annotated[int, _count("INT", str)]


def parse_number(text: str) -> int | float:
    """Parse a number: an int if it is written as one, else a float.

    Raises:
        ValueError: If it is not a number.

    >>> parse_number("3"), parse_number("3.0"), parse_number("1e-2")
    (3, 3.0, 0.01)
    """
    if not re.match(r"[+-]?\.?[0-9]", text):  # inf and nan are not numbers here
        raise ValueError(f"{text!r} is not a number")
    try:
        return int(text)
    except ValueError:
        return float(text)


def parse_plain(text: str) -> bool | int | float | str:
    """Parse a value of unknown type: a number, true or false if it is written as one, else a string.

    >>> [parse_plain(text) for text in ("3", "-0.5", "true", "False", "vector", "inf")]
    [3, -0.5, True, False, 'vector', 'inf']
    """
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return parse_number(text)
    except ValueError:
        return text


Number: TypeAlias = Annotated[
    int | float,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="NUMBER",
        instance_from_str=lambda words: parse_number(words[0]),
        is_instance=lambda value: isinstance(value, int | float),
        str_from_instance=lambda value: [str(value)],
    ),
]
Plain: TypeAlias = Annotated[
    bool | int | float | str,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="VALUE",
        instance_from_str=lambda words: parse_plain(words[0]),
        is_instance=lambda value: isinstance(value, _PLAIN),
        str_from_instance=lambda value: [str(value)],
    ),
]


def parse_rates(text: str) -> Rates:
    """Parse one learning rate, or rates by agent name; a rate without a name is the default for all other agents.

    Raises:
        ValueError: If a rate is not a number, or there are two defaults.

    >>> parse_rates("5e-4"), parse_rates("speaker_0=1e-4,5e-4")
    (0.0005, (('speaker_0', 0.0001), ('', 0.0005)))
    """
    pairs = [item.rpartition("=") for item in text.split(",")]
    rates = tuple((name.strip(), float(number)) for name, _, number in pairs)
    if len({name for name, _ in rates}) < len(rates) or not all(math.isfinite(rate) for _, rate in rates):
        raise ValueError(f"{text!r} has an agent twice, two default rates, or a rate that is not a number")
    return rates[0][1] if len(rates) == 1 and not rates[0][0] else rates


def format_rates(rates: Rates) -> str:
    """Return rates as text for `parse_rates`.

    >>> format_rates(0.0005), format_rates((("a", 0.1), ("", 0.2)))
    ('0.0005', 'a=0.1,0.2')
    """
    pairs = rates if isinstance(rates, tuple) else (("", rates),)
    return ",".join(f"{name}={rate}" if name else str(rate) for name, rate in pairs)


LearningRate: TypeAlias = Annotated[
    float,
    PrimitiveConstructorSpec(
        nargs=1,
        metavar="RATE",
        instance_from_str=lambda words: parse_rates(words[0]),
        is_instance=lambda value: isinstance(value, int | float | tuple),
        str_from_instance=lambda value: [format_rates(value)],
    ),
]
_SPOKEN_SPECS = {
    "RATE": "a number, or agents' rates such as speaker_0=1e-4,5e-4",
    "STEPS": "a number of steps, such as 10M, 2.5M, 500k or 1e6",
    "INT": "a whole number",
    "NUMBER": "a number",
    "VALUE": "a number, true, false or a word",
}


def bare(annotation: Any) -> Any:
    """Return a type without `Annotated`, and without None if it is optional."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        others = [other for other in get_args(annotation) if other is not type(None)]
        return bare(others[0]) if len(others) == 1 else annotation
    return annotation


def supported(annotation: Any) -> bool:
    """Check whether values of a type can be written on the command line."""
    kind = bare(annotation)
    if _specs(annotation):
        return True
    if get_origin(kind) is tuple:
        return all(item is Ellipsis or supported(item) for item in get_args(kind))
    return kind in _PLAIN or get_origin(kind) is Literal


def arity(annotation: Any) -> int | None:
    """Return the number of words of a value: 0 for a switch, None for any number."""
    kind = bare(annotation)
    if get_origin(kind) is tuple:
        return None if Ellipsis in get_args(kind) else len(get_args(kind))
    return 0 if kind is bool else 1


def spoken(annotation: Any, default: Any) -> str:
    """Describe the values that an option takes."""
    kind = bare(annotation)
    for spec in _specs(annotation):
        return _SPOKEN_SPECS.get(spec.metavar, "a value")
    if get_origin(kind) is Literal:
        *others, last = (str(choice) for choice in get_args(kind))
        return f"{', '.join(others)} or {last}" if others else last
    if get_origin(kind) is tuple:
        example = f", such as {' '.join(map(str, default))}" if isinstance(default, tuple) and default else ""
        return f"{_SPOKEN.get(bare(get_args(kind)[0]), 'a value').removeprefix('a ')}s{example}"
    return _SPOKEN.get(kind, "a value")


def nearest(annotation: Any, text: str) -> str | None:
    """Return the valid value that was probably meant, as text; None if no valid value is near.

    >>> nearest(int, "2.7"), nearest(int, "0.3"), nearest(int, "-2.5"), nearest(float, "0,1"), nearest(float, "nan")
    ('3', '1', None, '0.1', None)
    """
    kind = bare(annotation)
    if get_origin(kind) is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        return next(iter(closest(text, choices)), None)
    try:
        number = float(text.replace(",", ".", 1))
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    if kind is float:
        return repr(number)
    # A count is at least 1. A negative or too large number has no near count.
    return str(max(1, round(number))) if kind is int and 0 < number <= _MOST else None


def required(default: Any) -> bool:
    """Check whether an option has no default."""
    return default is inspect.Parameter.empty


def _specs(annotation: Any) -> list[Any]:
    """Return tyro's specifications in a type's annotations, also inside an optional type."""
    if get_origin(annotation) is Annotated:
        return [part for part in get_args(annotation)[1:] if isinstance(part, PrimitiveConstructorSpec)]
    if get_origin(annotation) in (Union, types.UnionType):
        return [part for other in get_args(annotation) for part in _specs(other)]
    return []
