import dataclasses
import json
import math
import sys
import types
from dataclasses import dataclass, field
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hamlet.errors import RequestError
from hamlet.haml.neighbourhood import KlBall
from hamlet.runs.configuration import decode, encode, foreign


@dataclass(frozen=True, kw_only=True)
class Ball:
    radius: float
    limits: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Algorithm:
    clip: Any = 0.2
    neighbourhood: Any = None
    widths: tuple[int, ...] = (64, 64)
    derived: int = field(init=False, default=3)

    class Nested(eqx.Module):
        size: int


@dataclass(frozen=True)
class Positive:
    number: float

    def __post_init__(self):
        if self.number <= 0:
            raise ValueError(f"number must be positive,\nnot {self.number}")


@dataclass
class Grows:
    number: int

    def __post_init__(self):
        self.number += 1


@dataclass(frozen=True)
class Typed:
    type: str


class OwnConstructor(eqx.Module):
    size: int

    def __init__(self, width: int):
        self.size = 2 * width


def through_json(value):
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)), trusted=True)


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.builds(Algorithm, clip=inner, neighbourhood=inner)
        | st.builds(Ball, radius=inner)
    ),
    max_leaves=10,
)


@given(values)
def test_what_is_read_equals_what_was_written(value):
    read = through_json(value)
    assert read == value and repr(read) == repr(value)


def test_numbers_that_json_has_not_survive():
    read = through_json((math.inf, -math.inf, math.nan, -0.0, np.float64(0.1)))
    assert read[:2] == (math.inf, -math.inf) and math.isnan(read[2])
    assert math.copysign(1.0, read[3]) == -1.0 and read[4] == 0.1


def test_a_dataclass_of_ones_own_is_written_as_its_place_and_its_fields():
    assert encode(Ball(radius=0.5)) == {"import": f"{__name__}:Ball", "radius": 0.5, "limits": []}


def test_a_part_of_hamlet_is_written_by_its_name_and_read_without_trust():
    assert encode(KlBall(radius=0.5))["type"] == "kl_ball"
    assert decode(encode(KlBall(radius=0.5))) == KlBall(radius=0.5)


def test_nothing_of_ones_own_is_imported_for_what_is_not_trusted():
    data = encode((1, Algorithm(neighbourhood=Ball(radius=0.5))))
    assert foreign(data) == (f"{__name__}:Algorithm", f"{__name__}:Ball")
    with pytest.raises(RequestError, match="Algorithm' is user code, in a configuration that is not trusted"):
        decode(data)


def test_a_class_within_a_class_and_an_equinox_module_are_found():
    value = Algorithm(neighbourhood=Algorithm.Nested(3))
    assert encode(value)["neighbourhood"] == {"import": f"{__name__}:Algorithm.Nested", "size": 3}
    assert through_json(value).neighbourhood.size == 3


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Algorithm(clip=lambda x: x), "Algorithm.clip is a function.*frozen dataclass with a __call__"),
        (Algorithm(clip=jax.nn.relu), "Algorithm.clip is a .*frozen dataclass with a __call__"),
        (Algorithm(clip=Ball), "Algorithm.clip is a type"),
        (Algorithm(clip=((), [1])), r"Algorithm.clip\[1\] is a list.*write a tuple"),
        (Algorithm(clip={}), "Algorithm.clip is a dict.*write a frozen dataclass"),
        (Algorithm(clip=jnp.ones(2)), "Algorithm.clip is a ArrayImpl"),
        (Typed("x"), "a field named 'type'"),
        (OwnConstructor(3), "OwnConstructor, whose constructor does not take exactly its fields: size"),
        (Grows(1), "changes when it is read back"),
    ],
)
def test_what_could_not_be_read_back_is_refused_with_its_place(value, message):
    with pytest.raises(RequestError, match=message):
        encode(value)


def test_a_class_that_another_process_cannot_find_is_to_be_put_in_a_module(monkeypatch):
    @dataclass(frozen=True)
    class Local:
        number: int = 1

    with pytest.raises(RequestError, match="define the class at the top level of a module"):
        encode(Algorithm(neighbourhood=Local()))
    monkeypatch.setattr(Ball, "__module__", "__main__")
    with pytest.raises(RequestError, match=r"Algorithm.neighbourhood is a Ball, defined in __main__.*define the class"):
        encode(Algorithm(neighbourhood=Ball(radius=0.01)))


def test_a_class_that_was_replaced_since_is_refused(monkeypatch):
    value = Ball(radius=0.01)
    monkeypatch.setattr(sys.modules[__name__], "Ball", Positive)
    with pytest.raises(RequestError, match="is now another class"):
        encode(value)


def test_a_field_that_came_since_has_its_default():
    told = encode(Ball(radius=0.5, limits=(1.0,)))
    del told["limits"]
    assert decode(told, trusted=True) == Ball(radius=0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"radios": 1.0}, "no field 'radios'; the nearest is 'radius'"),
        ({"limits": None, "limit": []}, "no field 'limit'; the nearest is 'limits'"),
        ({"radius": None}, r"lacks the field 'radius' \(its fields are radius, limits\)"),
        ({"import": f"{__name__}:Bell"}, "no class Bell; the nearest is 'Ball'"),
        ({"import": f"{__name__}:through_json"}, "is not a dataclass"),
        ({"import": f"{__name__}:np"}, "is not a dataclass"),
        ({"import": "builtins:eval"}, "is not a dataclass"),
        ({"import": "hamlet.absent:Ball"}, "cannot be imported: ModuleNotFoundError"),
        ({"import": "Ball"}, "is not the import path of a class"),
        ({"import": "os; import sys:Ball"}, "is not the import path of a class"),
        ({"import": 3}, "got {"),
        ({"import": None, "type": "kl_bal"}, "no part 'kl_bal'; the nearest is 'kl_ball'"),
        (
            {"import": None, "type": "hamlet.haml.neighbourhood:KlBall"},
            "hamlet.haml.neighbourhood', which is not installed",
        ),
        ({"type": "kl_ball"}, "got {"),
    ],
)
def test_a_wrong_description_is_refused_with_the_nearest_right_one(change, message):
    data = {key: value for key, value in {**encode(Ball(radius=0.01)), **change}.items() if value is not None}
    with pytest.raises(RequestError, match=message) as refusal:
        decode([data], trusted=True)
    assert "\n" not in str(refusal.value)


def test_what_a_constructor_refuses_is_one_line():
    data = encode(Positive(1.0))
    with pytest.raises(RequestError, match="Positive refuses its fields: number must be positive") as refusal:
        decode({**data, "number": -1.0}, trusted=True)
    assert "\n" not in str(refusal.value)


def test_a_module_that_fails_while_imported_is_one_line(tmp_path, monkeypatch):
    (tmp_path / "hamlet_test_broken.py").write_text("raise RuntimeError('first\\nsecond')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RequestError, match=r"cannot be imported: RuntimeError: first$"):
        decode({"import": "hamlet_test_broken:Thing"}, trusted=True)


def test_a_dataclass_made_by_a_call_is_found_where_its_module_says():
    module = types.ModuleType("hamlet_test_made")
    made = dataclasses.make_dataclass("Made", ["number"], frozen=True, namespace={"__module__": module.__name__})
    made.__module__ = module.__name__
    module.Made = made  # pyright: ignore
    sys.modules[module.__name__] = module
    try:
        assert through_json(made(3)) == made(3)
    finally:
        del sys.modules[module.__name__]
