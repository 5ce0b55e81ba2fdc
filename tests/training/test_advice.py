"""What a refusal advises is taken, whether a number or an algorithm; and being refused changes nothing."""

import contextlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import pytest

import hamlet
from hamlet.algorithms import ALGORITHMS, happo
from hamlet.bench.baseline.runs import make
from hamlet.commands import request
from hamlet.envs.matrix.payoff_games import Matrix, tabulate
from hamlet.errors import RequestError
from hamlet.options.parsing import Command, OptionGroup
from hamlet.options.values import Number, Steps
from hamlet.roster import Group as Agents
from hamlet.runs.seeds import check_seed
from hamlet.spaces import Box, Discrete
from hamlet.training import run as running
from hamlet.training.check import check
from hamlet.training.differences import differences


@dataclass(frozen=True, kw_only=True)
class Options:
    """Of every kind."""

    steps: Steps = 5
    count: int = 5
    rate: float = 0.5
    number: Number = 1
    word: Literal["red", "blue"] = "red"
    path: Path = Path()
    some: int | None = None
    many: tuple[int, ...] = (3,)


COMMAND = Command("hamlet try", (), (OptionGroup("trial", Options),), "For tests.")
TEXTS = [
    "1e30",
    "2.7",
    "0.3",
    "0.5",
    "-2.5",
    "-0.4",
    "1e400",
    "nan",
    "inf",
    "0,1",
    "1,5",
    "rde",
    "x",
    "1e17",
    "9e15",
    "-1e30",
]


def advised(act):
    """The nearest that a refusal names; None where it names none, or nothing is refused."""
    try:
        act()
    except RequestError as error:
        found = re.search(r"the nearest is (\S+)$", str(error))
        return None if found is None else found[1]
    return None


@pytest.mark.parametrize("flag", ["--steps", "--count", "--rate", "--number", "--word", "--some", "--many"])
def test_the_nearest_value_of_an_option_is_a_value_that_the_option_takes(flag):
    named = 0
    for text in TEXTS:
        near = advised(lambda text=text: COMMAND.parse([f"{flag}={text}"]))
        if near is not None:
            named += 1
            COMMAND.parse([f"{flag}={near}"])
            assert (not near.startswith("-") and near != "0") or flag in ("--rate", "--number")
    assert named > 0 or flag in ("--number", "--many")


def test_the_nearest_number_of_steps_is_one_that_can_be_counted():
    env = hamlet.envs.make("matrix/climbing")
    algorithm = happo(num_envs=4, rollout_length=8)
    near = advised(lambda: check(algorithm, env, steps=10**15))
    assert int(near) // 32 == 2**31 - 1
    check(algorithm, env, steps=int(near))
    for seed, count in ((-1, 1), (2**40, 3), (0, 2**40)):
        with pytest.raises(RequestError, match="the nearest is") as refusal:
            check_seed(seed, count)
        near = int(str(refusal.value).rpartition(" ")[2])
        check_seed(*((near, count) if "--seed " in str(refusal.value) else (seed, near)))


def test_the_nearest_number_of_minibatches_divides_the_batch_of_every_group():
    """Of two agents with three actions, who share a policy, and one with two."""
    env = Matrix(tabulate([[[[0.0, 1.0]] * 3] * 3] * 3))
    for flag in ("minibatches", "critic_minibatches"):
        for parts in (3, 5, 6, 12, 15, 24, 31):
            trial = lambda parts, flag=flag: check(  # noqa: E731
                happo(num_envs=8, rollout_length=1, sharing="group", **{flag: parts}), env, steps=8
            )
            near = advised(lambda parts=parts, trial=trial: trial(parts))
            if near is not None:
                trial(int(near))


@dataclass(frozen=True)
class Team:
    """Agents who act in spaces of these kinds."""

    spaces: tuple[Box | Discrete, ...]
    state_shape: tuple[int, ...] = (2,)
    groups: tuple[Agents, ...] = field(init=False)

    def __post_init__(self):
        found = [Agents((f"agent_{n}",), Box(0.0, 1.0, (n + 1,)), space) for n, space in enumerate(self.spaces)]
        object.__setattr__(self, "groups", tuple(found))

    def reset(self, key):
        raise NotImplementedError

    def step(self, key, state, actions):
        raise NotImplementedError


@pytest.mark.parametrize(
    "spaces", [(Box(-1, 1, (2,)), Discrete(3)), (Discrete(3), Box(-1, 1, (2,))), (Box(-1, 1, (2,)),)]
)
def test_algorithms_that_are_advised_for_a_team_take_all_of_it(spaces):
    team = Team(spaces)
    refused = {name: said for name, factory in ALGORITHMS.items() if (said := strange_to(factory(), team))}
    for name, said in refused.items():
        assert all(f"agent_{n}" in said for n in range(len(set(map(type, spaces)))))
        names = re.split(", | or ", said.partition(": use ")[2])
        assert name not in names and set(names) == ALGORITHMS.keys() - refused.keys()
    assert len(refused) > 3 and "happo" not in refused


def strange_to(algorithm, team):
    """The refusal of a team because of its spaces; None for one that is taken, or refused for something else."""
    try:
        check(algorithm, team, steps=10_000)
    except RequestError as error:
        return str(error) if " acts in a " in str(error) else None
    return None


def test_several_algorithms_for_one_team_are_refused_with_what_can_be_done():
    for text in ("happo,ippo", "a=happo,b=ippo"):
        with pytest.raises(RequestError, match=r"names 2 algorithms, but one algorithm trains.*nearest is 'happo'"):
            request.read([text, "matrix/climbing"])
    with pytest.raises(RequestError, match="there is no algorithm 'happo,nothing'"):
        request.read(["happo,nothing", "matrix/climbing"])


def test_networks_of_other_shapes_are_told_by_what_differs():
    spread = hamlet.envs.make("mpe/simple_spread", continuous=False)
    five = hamlet.replace(spread, agents=5)
    told = differences((happo(hidden=(16,)), spread), (happo(hidden=(32, 32), sharing="group"), five))
    assert told == (
        "agents 3 (observation 18, action Discrete 5), here 5 (observation 30, action Discrete 5); "
        "the critic's state 54, here 150; sharing none, here group; --hidden (16,), here (32, 32)"
    )
    assert differences((happo(), spread), (ALGORITHMS["qmix"](), spread)).startswith(
        "the kind of algorithm Haml, here "
    )


@pytest.mark.parametrize("late", [False, True], ids=["before the run is made ready", "by its first rollout"])
def test_a_refused_resume_leaves_the_run_as_it_was(tmp_path, monkeypatch, late):
    path = make(tmp_path / "run", "happo", "matrix/climbing", 0, steps=1_000, rollouts=2, described={})
    before = (path / "config.json").read_bytes()
    refusal, seen = RequestError("not like this"), []

    def refuse(*_):
        seen.append((path / "config.json").read_bytes())
        raise refusal

    venue = SimpleNamespace(begin=lambda algorithm: lambda seed: SimpleNamespace(), copies=None)
    monkeypatch.setattr(running, "backend_of", lambda env: venue)
    monkeypatch.setattr(running.announce, "describe", lambda *_: None)
    monkeypatch.setattr(running, "_with_weights", lambda *_: SimpleNamespace())
    ready = contextlib.nullcontext(SimpleNamespace(program=None))
    monkeypatch.setattr(running, "compiled", (lambda *_: ready) if late else refuse)
    monkeypatch.setattr(running.accumulation, "keep", lambda *_: None)
    monkeypatch.setattr(running, "go", refuse)
    with pytest.raises(RequestError) as caught:
        hamlet.resume(path, steps=4_000, quiet=True)
    assert caught.value is refusal and (path / "config.json").read_bytes() == before
    assert (seen[0] != before) is late
