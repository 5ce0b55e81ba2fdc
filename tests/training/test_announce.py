"""What is said of a run before minutes are spent on it."""

import json
from pathlib import Path

import pytest

from hamlet import presets
from hamlet.backends import devices
from hamlet.bench.baseline.fixed import Imitation
from hamlet.bench.speed import crowds
from hamlet.envs.base import Group
from hamlet.spaces import Box, Discrete
from hamlet.training import announce

RECORD = Path(__file__).parents[2] / "benchmarks" / "records" / "crowds.json"
BEFORE = ("declare", "compile", "compile_evaluation", "begin")


class Unlike(Imitation):
    """As many groups as agents; it is asked for nothing else."""

    @property
    def groups(self):
        spaces = [Box(-1.0, 1.0, (3 + k,)) for k in range(self.agents)]
        return tuple(Group((f"agent_{k}",), space, Discrete(2)) for k, space in enumerate(spaces))


def test_how_long_preparing_takes_is_said_as_it_was_measured():
    rows = json.loads(RECORD.read_text(encoding="utf-8"))["result"]
    assert {row["agents"] for row in rows} == {10, 30, 100} and max(row["groups"] for row in rows) == 30
    for row in rows:
        measured = sum(row["core_seconds"][name] for name in BEFORE)
        assert announce.preparation(row["groups"]) == pytest.approx(measured, rel=0.4), row


@pytest.mark.parametrize(("count", "said"), [(8, False), (9, True)])
def test_many_groups_are_told_with_the_time_that_they_take(count, said, monkeypatch):
    lines, place = [], announce.backend_of(Imitation())
    monkeypatch.setattr(announce, "backend_of", lambda env: place)
    algorithm = presets.find("paper/mpe", "happo")()
    announce.describe(algorithm, Unlike(count), devices.select(None), lines.append)
    told = [line for line in lines if "groups of agents with different observation or action spaces" in line]
    assert bool(told) == said
    if said:
        about = announce._spoken(announce.preparation(count))
        assert told[0].startswith(f"{count} groups") and f"takes about {about} on one core" in told[0]


def test_a_crowd_has_as_many_agents_and_unlike_spaces_as_asked_for():
    from hamlet.bench.baseline.crowd import Crowd

    env = Crowd(agents=7, groups=3)
    seen, _ = env.reset(seed=0)
    assert [seen[name].shape for name in env.possible_agents] == [(8,), (9,), (10,), (8,), (9,), (10,), (8,)]
    assert all(env.observation_space(name).contains(array) for name, array in seen.items())
    actions = {name: k % 2 for k, name in enumerate(env.agents)}
    for _ in range(9):
        env.step(actions)
    assert env.agents
    _, rewards, ends, cuts, _ = env.step(actions)
    assert not env.agents and list(rewards.values()) == [0.0, 1.0] * 3 + [0.0] and all(cuts.values())
    assert not any(ends.values())


@pytest.mark.slow
def test_a_crowd_is_measured_in_a_process_of_its_own():
    (row,) = crowds.measure(agents=(2,), groups=(1, 3))
    assert (row["agents"], row["groups"]) == (2, 1) and set(BEFORE) < set(row["core_seconds"])
    assert all(seconds > 0 for seconds in row["seconds"].values()) and row["peak_memory_mb"] > 100
