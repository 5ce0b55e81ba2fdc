import dataclasses
import importlib
import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import hamlet
from hamlet import presets
from hamlet.algorithms import ALGORITHMS
from hamlet.envs.registry import ENVIRONMENTS
from hamlet.errors import RequestError
from hamlet.haml.drift import ClipDrift
from hamlet.runs import configuration, parts, version_0

WRITTEN = json.loads((Path(__file__).parent / "version_0.json").read_text(encoding="utf-8"))


def classes(value):
    """The class of every dataclass within a value."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield type(value)
        for field in dataclasses.fields(value):
            yield from classes(getattr(value, field.name))
    elif isinstance(value, tuple):
        for item in value:
            yield from classes(item)


def declarations():
    for make in ALGORITHMS.values():
        yield make()
    for preset, table in presets.PRESETS.items():
        for name in ALGORITHMS:
            if name in table:
                yield presets.find(preset, name, None)()
    yield hamlet.algorithms.coma(advantage="optimal_baseline")
    for name, make in ENVIRONMENTS.items():
        if name not in ("atari/pong", "matrix/file"):
            yield make()


def test_every_class_that_declarations_presets_and_environments_hold_has_a_name():
    held = {kind for declared in declarations() for kind in classes(declared)}
    assert len(held) > 50
    assert [kind for kind in held if f"{kind.__module__}:{kind.__qualname__}" not in parts.PARTS.values()] == []


def test_names_are_words_each_of_one_class_that_is_there():
    assert len(set(parts.PARTS.values())) == len(parts.PARTS)
    for name in parts.PARTS:
        assert name.isidentifier() and name.islower()
        assert dataclasses.is_dataclass(parts.find(name))


def test_no_field_of_a_part_names_code_unless_it_says_so():
    """A constructor from this table runs with values of a file: what is called, imported or opened says that it is."""
    strings = {
        f"{name}.{field.name}"
        for name in parts.PARTS
        for field in dataclasses.fields(parts.find(name))
        if field.type in (str, "str") and "code" not in field.metadata
    }
    # Read through: compared with known names, or shown; none is imported, opened, formatted or evaluated.
    known = {"mamujoco.scenario", "mamujoco.partition", "description.complaint", "described_agent.name"}
    assert strings <= known | {f"described_space.{field}" for field in ("name", "dtype", "given", "layout")}


def names(data):
    if isinstance(data, dict):
        yield from [data[key] for key in ("type", "import") if key in data]
        data = list(data.values())
    for item in data if isinstance(data, list) else ():
        yield from names(item)


def held(data, written):
    """Whether all of a file is in another, which may have fields that came since."""
    if isinstance(data, dict) and isinstance(written, dict):
        return all(name in written and held(value, written[name]) for name, value in data.items())
    if isinstance(data, list) and isinstance(written, list):
        return len(data) == len(written) and all(map(held, data, written))
    return data == written


@pytest.mark.parametrize("kind", WRITTEN)
def test_configurations_of_version_0_are_read_as_their_equals_of_version_1(kind):
    """The fixture was written by the last revision without versions."""
    for name, data in WRITTEN[kind].items():
        upgraded = version_0.upgraded(data)
        assert not any("." in part and ":" in part for part in names(upgraded)), name
        read = configuration.decode(upgraded)
        written = configuration.encode(read)
        assert held(upgraded, written) and configuration.decode(written) == read, name
    assert version_0.upgraded(WRITTEN["environments"]["atari/pong"])["factory"] == "atari/pong"


def test_version_0_of_hamlets_own_places_is_a_table_and_what_it_lacks_is_imported_from_nowhere():
    assert version_0.upgraded({"type": "chi_square:Drift", "weight": 2.0}) == {
        "import": "chi_square:Drift",
        "weight": 2.0,
    }
    for place in ("hamlet.cli:main", "hamlet.haml.drift:Nothing", "hamlet.envs.registry:make"):
        with pytest.raises(RequestError, match="which is not installed or does not declare"):
            configuration.decode(version_0.upgraded({"type": place}))


@dataclasses.dataclass(frozen=True)
class Declared:
    weight: float = 1.0


def declare(monkeypatch, *, to="test_parts:Declared", package="chi-square"):
    class Distribution:
        name = package

    point = EntryPoint(name="drift", value=to, group=parts.ENTRY_POINTS)._for(Distribution())
    monkeypatch.setattr(parts, "entry_points", lambda group: [point])
    monkeypatch.setattr(Declared, "__module__", "test_parts")
    monkeypatch.setitem(importlib.import_module("sys").modules, "test_parts", importlib.import_module(__name__))


def test_a_part_that_a_package_declares_is_named_by_package_and_part(monkeypatch):
    declare(monkeypatch)
    assert configuration.encode(Declared(2.0)) == {"type": "chi-square:drift", "weight": 2.0}
    assert configuration.decode({"type": "chi-square:drift", "weight": 2.0}) == Declared(2.0)
    with pytest.raises(RequestError, match="the package 'chi', which is not installed or does not declare 'drift'"):
        configuration.decode({"type": "chi:drift"})


def test_a_declared_part_that_is_no_dataclass_or_cannot_be_imported_is_refused(monkeypatch):
    declare(monkeypatch, to="os:getcwd")
    with pytest.raises(RequestError, match="is not a dataclass"):
        configuration.decode({"type": "chi-square:drift"})
    declare(monkeypatch, to="os:nothing_of_the_kind")
    with pytest.raises(RequestError, match="cannot be imported: AttributeError"):
        configuration.decode({"type": "chi-square:drift"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon": "0.2"}, r"clip_drift.epsilon must be a number, got '0.2'"),
        ({"epsilon": True}, "must be a number, got True"),
        ({"epsilon": None}, "must be a number, got None"),
        ({"epsilon": [0.2]}, "must be a number, got"),
        ({"epsilon": {"type": "zero_drift"}}, "must be a number, got ZeroDrift"),
        ({"type": ["clip_drift"]}, "a configuration consists of"),
        ({"type": "clip_drift", "import": "os:system"}, "a configuration consists of"),
        ({"__class__": 1}, "no field '__class__'"),
    ],
)
def test_a_field_of_another_type_is_refused_with_its_own(change, message):
    data = configuration.encode(ClipDrift(0.2)) | change
    with pytest.raises(RequestError, match=message) as refusal:
        configuration.decode(data)
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 300


def test_where_an_interface_is_asked_for_no_plain_value_will_do():
    data = configuration.encode(hamlet.algorithms.happo())
    for wrong in ("clip_drift", 3, None, ["clip_drift"]):
        with pytest.raises(RequestError, match=r"haml\.drift must be a Drift, got"):
            configuration.decode(data | {"drift": wrong})


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_configuration_without_the_fields_that_have_come_since_is_that_with_their_defaults(name):
    now = configuration.encode(ALGORITHMS[name]())
    before = now | {
        "body": {key: value for key, value in now["body"].items() if key not in ("activation", "critic_hidden")}
    }
    assert configuration.completed(before) == now == configuration.completed(now)
    assert configuration.decode(before) == ALGORITHMS[name]()
