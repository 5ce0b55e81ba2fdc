"""Configurations as JSON and back: the equal object, or a refusal that names what is wrong.

A dataclass is written as the place of its class and its fields, ``{"type": "package.module:Class", "clip": 0.1}``, a
tuple as a list, a number that JSON has not as ``{"float": "inf"}``. Numbers, strings, booleans and None are
themselves. Nothing is unpickled; reading imports the modules named, and calls dataclasses only.

A field that a file lacks has come since: it takes its default, which must be what was done before there was a choice.
"""

import dataclasses
import difflib
import importlib
import inspect
import math
from collections.abc import Iterable
from typing import Any, TypeAlias

from hamlet.errors import RequestError

Json: TypeAlias = Any

_NOT_IN_JSON = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}


def encode(value: Any) -> Json:
    """A configuration as JSON.

    Raises:
        RequestError: Some part could not be read back: a function, an array, a list, or a dataclass of ``__main__``,
            of a function's body, or whose constructor does not take its fields.

    >>> encode((1, 0.5, float("inf"), None))
    [1, 0.5, {'float': 'inf'}, None]
    """
    data = _encode(value, "the configuration")
    if _encode(decode(data), "the configuration") != data:
        raise RequestError("the configuration reads back as another: a dataclass in it changes its own fields")
    return data


def decode(data: Json) -> Any:
    """The configuration that `encode` wrote.

    Raises:
        RequestError: A class cannot be imported or is no dataclass; a field is unknown or missing; a constructor
            refuses its fields.

    >>> decode([1, {"float": "-inf"}])
    (1, -inf)
    """
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, list | tuple):
        return tuple(decode(item) for item in data)
    if isinstance(data, dict) and set(data) == {"float"} and data["float"] in list(_NOT_IN_JSON):
        return _NOT_IN_JSON[data["float"]]
    if isinstance(data, dict) and isinstance(data.get("type"), str):
        return _construct(data)
    raise RequestError(f'a configuration holds numbers, strings, lists and {{"type": "module:Class", …}}, not {data!r}')


def _encode(value: Any, where: str) -> Json:
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, tuple) and type(value) is tuple:
        return [_encode(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = _fields(type(value), where)
        encoded = {name: _encode(getattr(value, name), f"{type(value).__name__}.{name}") for name in names}
        return {"type": _place(type(value), where), **encoded}
    advice = {list: "write a tuple", dict: "write a frozen dataclass"}.get(type(value), "")
    if callable(value):
        advice = "write a frozen dataclass with a __call__ method"
    kind = "a function" if inspect.isroutine(value) else f"a {type(value).__name__}"
    raise RequestError(f"{where} is {kind}, which a configuration cannot hold{advice and ': '}{advice}")


def _place(kind: type, where: str) -> str:
    """Where a class can be imported from."""
    place = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        body = "__main__" if kind.__module__ == "__main__" else "the body of a function"
        raise RequestError(
            f"{where} is a {kind.__name__}, defined in {body}, where another process cannot find it: "
            "put the class in a module, at its top level"
        )
    if _find(place) is not kind:
        raise RequestError(f"{where} is a {kind.__name__}, but {place} is another class by now: import it anew")
    return place


def _find(place: str) -> type:
    """The dataclass at ``module:Class``."""
    module, _, name = place.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        raise RequestError(f"{place!r} names no class: write package.module:Class")
    try:
        found: Any = importlib.import_module(module)
    except Exception as error:
        raise RequestError(f"{place} cannot be imported: {type(error).__name__}: {error}".splitlines()[0]) from error
    for part in name.split("."):
        names = [name for name, value in vars(found).items() if isinstance(value, type) and not name.startswith("_")]
        found = vars(found).get(part)
        if found is None:
            raise RequestError(f"{module} has no class {part}{_nearest(part, names)}")
    if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
        raise RequestError(f"{place} is no dataclass: a configuration is made of dataclasses only")
    return found


def _fields(kind: type, where: str) -> list[str]:
    """The fields that the constructor takes; the others it derives."""
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    what = f"{where} is a {kind.__name__}"
    if "type" in names:
        raise RequestError(f"{what} with a field named 'type', which stands for its class: rename it")
    if set(inspect.signature(kind).parameters) != set(names):
        raise RequestError(f"{what}, whose constructor does not take its fields, {', '.join(names)}")
    return names


def _construct(data: dict[str, Json]) -> Any:
    kind = _find(data["type"])
    names = _fields(kind, data["type"])
    given = {name: value for name, value in data.items() if name != "type"}
    for name in given:
        if name not in names:
            left = [other for other in names if other not in given]
            raise RequestError(f"{data['type']} has no field {name!r}{_nearest(name, left or names)}")
    for name in names:
        if name not in given and not _has_default(kind, name):
            raise RequestError(f"{data['type']} lacks the field {name!r} (its fields are {', '.join(names)})")
    try:
        return kind(**{name: decode(value) for name, value in given.items()})
    except (TypeError, ValueError) as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"{data['type']} refuses its fields: {error}".splitlines()[0]) from error


def _has_default(kind: type, name: str) -> bool:
    return inspect.signature(kind).parameters[name].default is not inspect.Parameter.empty


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1, cutoff=0.0)
    return f"; the nearest is {near[0]!r}" if near else ""
