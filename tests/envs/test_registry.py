"""Environments by name."""

import pytest

from hamlet.envs import ENVIRONMENTS, make, registry
from hamlet.envs.mpe.simple_reference import SimpleReference
from hamlet.envs.mpe.simple_speaker_listener import SimpleSpeakerListener
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.errors import RequestError

MPE = sorted(name for name in ENVIRONMENTS if name.startswith("mpe/"))


class Entry:
    """A stand-in for an installed entry point."""

    def __init__(self, name, value):
        self.name, self.value = name, value

    def load(self):
        return self.value


def test_the_three_tasks_are_made_by_name_with_their_options():
    assert make("mpe/simple_spread", agents=5, local_ratio=0.25) == SimpleSpread(agents=5, local_ratio=0.25)
    assert make("mpe/simple_reference", continuous=False) == SimpleReference(continuous=False)
    assert make("mpe/simple_speaker_listener", max_steps=7) == SimpleSpeakerListener(max_steps=7)
    assert MPE == ["mpe/simple_reference", "mpe/simple_speaker_listener", "mpe/simple_spread"]


@pytest.mark.parametrize("name", MPE)
def test_an_environment_is_hashable_and_cannot_be_changed(name):
    env = make(name)
    assert hash(env) == hash(make(name)) and env == make(name) and env != make(name, max_steps=3)
    with pytest.raises(AttributeError):
        env.max_steps = 3  # type: ignore[misc]


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(RequestError, match="no environment 'mpe/simple_spred'; the nearest is 'mpe/simple_spread'"):
        make("mpe/simple_spred")


def test_an_unknown_option_is_refused_with_the_nearest():
    with pytest.raises(RequestError, match="mpe/simple_spread has no option 'agent'; the nearest is 'agents'"):
        make("mpe/simple_spread", agent=2)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mpe/simple_spread", {"agents": 0}, "agents must be at least 1, got 0"),
        ("mpe/simple_spread", {"local_ratio": 1.5}, "local_ratio must be in [0, 1], got 1.5"),
        ("mpe/simple_spread", {"local_ratio": float("nan")}, "local_ratio must be in [0, 1], got nan"),
        ("mpe/simple_spread", {"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ("mpe/simple_reference", {"local_ratio": -0.1}, "local_ratio must be in [0, 1], got -0.1"),
        ("mpe/simple_reference", {"max_steps": -1}, "max_steps must be at least 1, got -1"),
        ("mpe/simple_speaker_listener", {"max_steps": 0}, "max_steps must be at least 1, got 0"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line(name, options, message):
    with pytest.raises(RequestError) as refusal:
        make(name, **options)
    assert str(refusal.value) == message


def test_a_third_party_registers_by_an_entry_point(monkeypatch):
    monkeypatch.setattr(registry, "entry_points", lambda group: [Entry("mine/spread", SimpleSpread)])
    assert make("mine/spread", agents=2) == SimpleSpread(agents=2)
    with pytest.raises(RequestError, match="nearest is 'mine/spread'"):
        make("mine/spred")


def test_a_factory_of_any_keywords_takes_every_option(monkeypatch):
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [Entry("mine/any", lambda **options: SimpleSpread(**options))]
    )
    assert make("mine/any", agents=4) == SimpleSpread(agents=4)
