"""Convert configurations to JSON and back. Reading gives an equal object, or an error that names the problem.

* A part of Hamlet is written as its name and its fields, ``{"type": "clip_drift", "epsilon": 0.2}``. The names are in
  `hamlet.runs.parts`.
* A user's dataclass is written with its import path, ``{"import": "package.module:Class", …}``, and so is a function
  that a field names. Reading imports such code only if the caller states that the file is trusted
  (`hamlet.runs.trust`).
* A tuple is written as a list. A number that JSON does not have is written as ``{"float": "inf"}``.
* Numbers, strings, booleans and None are written unchanged. Nothing is unpickled.

If a file lacks a field, the field was added after the file was written. It takes its default value. So the default of a
new field must be the behaviour from before the field existed.
"""

import dataclasses
import functools
import inspect
import math
import re
import typing
from collections.abc import Iterator
from typing import Any, TypeAlias

from hamlet import field_types
from hamlet.envs.factories import user_modules
from hamlet.envs.factories.known import CODE
from hamlet.errors import RequestError
from hamlet.nearest import suggestion
from hamlet.runs import parts, version_0
from hamlet.runs.parts import shown

Json: TypeAlias = Any

VERSION = 1
_NOT_IN_JSON = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_PLACE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def encode(value: Any) -> Json:
    """Return a configuration as JSON.

    Raises:
        RequestError: A part could not be read back: a function, an array, a list, a dataclass that is defined in
            ``__main__`` or in a function's body, or a dataclass whose constructor does not take its fields.

    >>> encode((1, 0.5, float("inf"), None))
    [1, 0.5, {'float': 'inf'}, None]
    """
    data = _encode(value, "the configuration")
    if _encode(decode(data, trusted=True), "the configuration") != data:
        raise RequestError("the configuration changes when it is read back: a dataclass in it changes its own fields")
    return data


def decode(data: Json, *, trusted: bool = False) -> Any:
    """Return the configuration that `encode` wrote.

    Args:
        data: JSON of the current version.
        trusted: Whether user code that the file names may be imported.

    Raises:
        RequestError: A part is unknown, or it is user code and the file is not trusted; a field is unknown, missing or
            has the wrong type; or a constructor refuses its fields.

    >>> decode([1, {"float": "-inf"}])
    (1, -inf)
    """
    if data is None or isinstance(data, bool | int | float | str):
        return data
    if isinstance(data, list | tuple):
        return tuple(decode(item, trusted=trusted) for item in data)
    if isinstance(data, dict) and set(data) == {"float"} and data["float"] in list(_NOT_IN_JSON):
        return _NOT_IN_JSON[data["float"]]
    if isinstance(data, dict) and isinstance(data.get("type"), str) and "import" not in data:
        return _construct(parts.find(data["type"]), data, trusted)
    if isinstance(data, dict) and isinstance(data.get("import"), str) and "type" not in data:
        if not trusted:
            raise RequestError(f"{shown(data['import'])} is user code, in a configuration that is not trusted")
        return _construct(_find(data["import"]), data, trusted)
    raise RequestError(
        f'a configuration consists of numbers, strings, lists and {{"type": "part", …}}, got {shown(data)}'
    )


def foreign(data: Json) -> tuple[str, ...]:
    """Return the import paths of the user code that a configuration names, each once.

    >>> foreign({"type": "haml", "drift": {"import": "chi_square:ChiSquareDrift", "weight": 2.0}})
    ('chi_square:ChiSquareDrift',)
    """
    return tuple(dict.fromkeys(_imports(data)))


def upgraded(config: dict[str, Json]) -> dict[str, Json]:
    """Convert the content of a config.json of any version to the current version.

    Raises:
        RequestError: The version is unknown.
    """
    version = config.get("version", 0)
    if type(version) is not int or not 0 <= version <= VERSION:
        raise RequestError(
            f"it has version {shown(version)}, but this Hamlet reads versions 0 to {VERSION}: use a newer Hamlet, "
            "or the Hamlet that wrote it"
        )
    if version == 0:
        config = config | {name: version_0.upgraded(config[name]) for name in DECLARED if name in config}
    return {"version": VERSION} | {name: value for name, value in config.items() if name != "version"}


def completed(data: Json) -> Json:
    """Add the fields that were introduced after a configuration was written, with their defaults; returns JSON.

    No part is constructed.

    >>> completed({"type": "linear_schedule", "start": 1.0, "end": 0.1})
    {'type': 'linear_schedule', 'start': 1.0, 'end': 0.1, 'steps': 50000}
    """
    if isinstance(data, list | tuple):
        return [completed(item) for item in data]
    if not isinstance(data, dict):
        return data
    filled = {name: completed(value) for name, value in data.items()}
    name = data.get("type")
    if not isinstance(name, str) or name not in parts.PARTS:
        return filled
    fields = dataclasses.fields(parts.find(name))
    plain = [field for field in fields if field.default is None or isinstance(field.default, bool | int | str | float)]
    return filled | {field.name: _encode(field.default, field.name) for field in plain if field.name not in data}


DECLARED = ("algorithm", "environment")
"""The entries of config.json that are configurations."""


def _imports(data: Json) -> Iterator[str]:
    if isinstance(data, dict):
        if "import" in data:
            place = data["import"]
            yield place if isinstance(place, str) and _PLACE.fullmatch(place) else shown(place)
        data = list(data.values())
    if isinstance(data, list | tuple):
        for item in data:
            yield from _imports(item)


def _encode(value: Any, where: str) -> Json:
    if value is None or type(value) in (bool, int, str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"float": str(float(value))}
    if isinstance(value, tuple) and type(value) is tuple:
        return [_encode(item, f"{where}[{index}]") for index, item in enumerate(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return _written(value, where)
    advice = {list: "write a tuple", dict: "write a frozen dataclass"}.get(type(value), "")
    if callable(value):
        advice = "write a frozen dataclass with a __call__ method"
    kind = "a function" if inspect.isroutine(value) else f"a {type(value).__name__}"
    raise RequestError(f"{where} is {kind}, which a configuration cannot contain{advice and ': '}{advice}")


def _written(value: Any, where: str) -> dict[str, Json]:
    kind, names = type(value), _fields(type(value), where)
    held = {name: getattr(value, name) for name in names}
    encoded = {name: _encode(held[name], f"{kind.__name__}.{name}") for name in names}
    for name, code in _code(kind):
        encoded[name] = code.name(held[name], held) or {"import": held[name]}
    part = parts.name_of(kind)
    return {"import": _place(kind, where), **encoded} if part is None else {"type": part, **encoded}


def _place(kind: type, where: str) -> str:
    """Return the import path of a user's class."""
    place = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ == "__main__" or "<locals>" in kind.__qualname__:
        body = "__main__" if kind.__module__ == "__main__" else "the body of a function"
        raise RequestError(
            f"{where} is a {kind.__name__}, defined in {body}, from where another process cannot import it: "
            "define the class at the top level of a module"
        )
    if _find(place) is not kind:
        raise RequestError(f"{where} is a {kind.__name__}, but {place} is now another class: import the class again")
    return place


def _find(place: str) -> type:
    """Import and return the dataclass at ``module:Class``."""
    module, _, name = place.partition(":")
    if not _PLACE.fullmatch(place):
        raise RequestError(f"{shown(place)} is not the import path of a class: write package.module:Class")
    try:
        target: Any = user_modules.load(place)
    except Exception as error:
        raise RequestError(f"{place} cannot be imported: {type(error).__name__}: {error}".splitlines()[0]) from error
    for part in name.split("."):
        names = [name for name, value in vars(target).items() if isinstance(value, type) and not name.startswith("_")]
        target = vars(target).get(part)
        if target is None:
            raise RequestError(f"{module} has no class {part}{suggestion(part, names)}")
        if not isinstance(target, type):
            break
    if not (isinstance(target, type) and dataclasses.is_dataclass(target)):
        raise RequestError(f"{place} is not a dataclass: a configuration may contain only dataclasses")
    return target


def _fields(kind: type, where: str) -> list[str]:
    """Return the fields that the constructor takes; the constructor computes all further fields."""
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    subject = f"{where} is a {kind.__name__}"
    if "type" in names:
        raise RequestError(f"{subject} with a field named 'type', a name that stores the class: rename the field")
    if set(inspect.signature(kind).parameters) != set(names):
        raise RequestError(f"{subject}, whose constructor does not take exactly its fields: {', '.join(names)}")
    return names


def _code(kind: type) -> list[tuple[str, Any]]:
    """Return the fields that name functions, each with the object that writes it."""
    return [(field.name, field.metadata[CODE]) for field in dataclasses.fields(kind) if CODE in field.metadata]


def _construct(kind: type, data: dict[str, Json], trusted: bool) -> Any:
    place = data.get("type") or data["import"]
    names = _fields(kind, place)
    given = {name: value for name, value in data.items() if name not in ("type", "import")}
    for name in given:
        if name not in names:
            unset_fields = [other for other in names if other not in given]
            raise RequestError(f"{place} has no field {shown(name)}{suggestion(name, unset_fields or names)}")
    for name in names:
        if name not in given and not _has_default(kind, name):
            raise RequestError(f"{place} lacks the field {name!r} (its fields are {', '.join(names)})")
    coded = dict(_code(kind))
    values = {name: decode(value, trusted=trusted) for name, value in given.items() if name not in coded}
    for name in coded.keys() & given.keys():
        values[name] = _function(given[name], coded[name], values, f"{place}.{name}", trusted)
    if "type" in data:
        _refuse_other_types(kind, values, place)
    try:
        return kind(**values)
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"{place} refuses its fields: {_line(error)}") from error


def _function(data: Json, code: Any, fields: dict[str, Any], where: str, trusted: bool) -> str:
    """Return the import path of a function that a field names: a known function, or the user's function if trusted."""
    if isinstance(data, str):
        place = code.place(data, fields)
        if place is None:
            raise RequestError(
                f'{where} is {shown(data)}, which is unknown; write your own function as {{"import": "…"}}'
            )
        return place
    if not (isinstance(data, dict) and set(data) == {"import"} and isinstance(data["import"], str)):
        raise RequestError(f"{where} must name a function, got {shown(data)}")
    if not trusted:
        raise RequestError(f"{shown(data['import'])} is user code, in a configuration that is not trusted")
    if not _PLACE.fullmatch(data["import"]):
        raise RequestError(
            f"{shown(data['import'])} is not the import path of a function: write package.module:function"
        )
    return data["import"]


def _refuse_other_types(kind: type, values: dict[str, Any], what: str) -> None:
    """Refuse values that do not have the type of their field; this check is not made for user classes."""
    hints = _hints(kind)
    for name, value in values.items():
        if not field_types.fits(value, hints[name]):
            raise RequestError(f"{what}.{name} must be {field_types.spoken(hints[name])}, got {shown(value)}")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _has_default(kind: type, name: str) -> bool:
    return inspect.signature(kind).parameters[name].default is not inspect.Parameter.empty
