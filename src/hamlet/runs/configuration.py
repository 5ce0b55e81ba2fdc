"""Configurations as JSON and back: the equal object, or a refusal that names what is wrong.

A part is written by its name and its fields, ``{"type": "clip_drift", "epsilon": 0.2}``; the names are those of
`hamlet.runs.parts`. A dataclass of the user's own is written by where it is imported from, ``{"import":
"package.module:Class", …}``, and so is a function that a field names; reading imports nothing of the kind unless it is
told that the file is trusted (`hamlet.runs.trust`). A tuple is a list, a number that JSON has not is ``{"float":
"inf"}``. Numbers, strings, booleans and None are themselves. Nothing is unpickled.

A field that a file lacks has come since: it takes its default, which must be what was done before there was a choice.
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
    """A configuration as JSON.

    Raises:
        RequestError: Some part could not be read back: a function, an array, a list, or a dataclass of ``__main__``,
            of a function's body, or whose constructor does not take its fields.

    >>> encode((1, 0.5, float("inf"), None))
    [1, 0.5, {'float': 'inf'}, None]
    """
    data = _encode(value, "the configuration")
    if _encode(decode(data, trusted=True), "the configuration") != data:
        raise RequestError("the configuration reads back as another: a dataclass in it changes its own fields")
    return data


def decode(data: Json, *, trusted: bool = False) -> Any:
    """The configuration that `encode` wrote.

    Args:
        data: Of the present version.
        trusted: Whether code of the user's own, or of whoever wrote the file, may be imported.

    Raises:
        RequestError: A part is not known, or is code of the user's own in what is not trusted; a field is unknown,
            missing or of another type; a constructor refuses its fields.

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
            raise RequestError(f"{shown(data['import'])} is code of its own, in a configuration that is not trusted")
        return _construct(_find(data["import"]), data, trusted)
    raise RequestError(f'a configuration holds numbers, strings, lists and {{"type": "part", …}}, not {shown(data)}')


def foreign(data: Json) -> tuple[str, ...]:
    """The places of the code of the user's own that a configuration names, each once.

    >>> foreign({"type": "haml", "drift": {"import": "chi_square:ChiSquareDrift", "weight": 2.0}})
    ('chi_square:ChiSquareDrift',)
    """
    return tuple(dict.fromkeys(_imports(data)))


def upgraded(config: dict[str, Json]) -> dict[str, Json]:
    """What a config.json of any version holds, in the present one.

    Raises:
        RequestError: It is of a version that is not known.
    """
    version = config.get("version", 0)
    if type(version) is not int or not 0 <= version <= VERSION:
        raise RequestError(
            f"it has version {shown(version)}, and this Hamlet reads versions 0 to {VERSION}: the nearest is a newer "
            "Hamlet, or the one that wrote it"
        )
    if version == 0:
        config = config | {name: version_0.upgraded(config[name]) for name in DECLARED if name in config}
    return {"version": VERSION} | {name: value for name, value in config.items() if name != "version"}


def completed(data: Json) -> Json:
    """A configuration with the fields that have come since it was written, at their defaults; nothing is made of it.

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
"""What of a config.json is a configuration."""


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
    raise RequestError(f"{where} is {kind}, which a configuration cannot hold{advice and ': '}{advice}")


def _written(value: Any, where: str) -> dict[str, Json]:
    kind, names = type(value), _fields(type(value), where)
    held = {name: getattr(value, name) for name in names}
    encoded = {name: _encode(held[name], f"{kind.__name__}.{name}") for name in names}
    for name, code in _code(kind):
        encoded[name] = code.name(held[name], held) or {"import": held[name]}
    part = parts.name_of(kind)
    return {"import": _place(kind, where), **encoded} if part is None else {"type": part, **encoded}


def _place(kind: type, where: str) -> str:
    """Where a class of the user's own can be imported from."""
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
    """The dataclass at ``module:Class``, imported."""
    module, _, name = place.partition(":")
    if not _PLACE.fullmatch(place):
        raise RequestError(f"{shown(place)} names no class: write package.module:Class")
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
        raise RequestError(f"{place} is no dataclass: a configuration is made of dataclasses only")
    return target


def _fields(kind: type, where: str) -> list[str]:
    """The fields that the constructor takes; the others it derives."""
    names = [field.name for field in dataclasses.fields(kind) if field.init]
    subject = f"{where} is a {kind.__name__}"
    if "type" in names:
        raise RequestError(f"{subject} with a field named 'type', which stands for its class: rename it")
    if set(inspect.signature(kind).parameters) != set(names):
        raise RequestError(f"{subject}, whose constructor does not take its fields, {', '.join(names)}")
    return names


def _code(kind: type) -> list[tuple[str, Any]]:
    """The fields that name functions, and how they are written."""
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
    """The place of a function that a field names: one that needs no trust, or one of the user's own."""
    if isinstance(data, str):
        place = code.place(data, fields)
        if place is None:
            raise RequestError(f'{where} is {shown(data)}, which is not known; one of your own is {{"import": "…"}}')
        return place
    if not (isinstance(data, dict) and set(data) == {"import"} and isinstance(data["import"], str)):
        raise RequestError(f"{where} names no function: {shown(data)}")
    if not trusted:
        raise RequestError(f"{shown(data['import'])} is code of its own, in a configuration that is not trusted")
    if not _PLACE.fullmatch(data["import"]):
        raise RequestError(f"{shown(data['import'])} names no function: write package.module:function")
    return data["import"]


def _refuse_other_types(kind: type, values: dict[str, Any], what: str) -> None:
    """Refuse values that a field's type does not allow; classes of the user's own are not asked."""
    hints = _hints(kind)
    for name, value in values.items():
        if not field_types.fits(value, hints[name]):
            raise RequestError(f"{what}.{name} is {field_types.spoken(hints[name])}, not {shown(value)}")


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _has_default(kind: type, name: str) -> bool:
    return inspect.signature(kind).parameters[name].default is not inspect.Parameter.empty
