"""What is wrong with an environment is named before any training."""

import re
from dataclasses import replace

import pytest

import doubles
from hamlet.cli import main
from hamlet.commands import check_env as command
from hamlet.envs import from_pettingzoo
from hamlet.envs.pettingzoo import check
from hamlet.errors import RequestError
from hamlet.testing import check_env


@pytest.fixture(scope="module")
def found():
    """What the doubles are, found out once: every question costs a process."""
    return {factory: from_pettingzoo(factory) for factory in (doubles.Faulty, doubles.Odd)}


@pytest.fixture
def quick(monkeypatch, found):
    monkeypatch.setattr(
        check, "from_pettingzoo", lambda factory, **options: replace(found[factory], options=tuple(options.items()))
    )


WRONG = [
    (
        doubles.Faulty,
        {"fault": "nan"},
        r"in step 3 after reset\(seed=\d+\): the observation\[2\] of agent 'walker_1' is nan",
    ),
    (doubles.Faulty, {"fault": "raise"}, "in step 3 .* the environment raises ValueError: the floor gave way"),
    (doubles.Faulty, {"fault": "shape"}, r"agent 'walker_1' has shape \(4,\), but its space has shape \(3,\)"),
    (doubles.Faulty, {"fault": "reset shape"}, r"after reset\(seed=\d+\): .* 'walker_0' has shape \(3, 1\)"),
    (doubles.Faulty, {"fault": "no reward"}, "agent 'walker_1' acted but has no reward"),
    (doubles.Faulty, {"fault": "reward"}, "the reward of agent 'walker_1' is nan"),
    (doubles.Faulty, {"fault": "joins"}, "agent 'stranger' is in agents but not in possible_agents"),
    (
        doubles.Odd,
        {"oddity": "no seed"},
        "that were reset with the same seed differ: the observation of agent 'walker_0'",
    ),
    (doubles.Odd, {"oddity": "remembers"}, "starts differently from that episode: the observation of agent 'walker_0'"),
    (doubles.Odd, {"oddity": "shares"}, "in step 1: .* same actions differ: reward of agent 'walker_1'"),
    (doubles.Odd, {"oddity": "stays"}, "agent 'walker_1' was terminated or truncated but is still in agents"),
    (doubles.Odd, {"oddity": "numbers"}, "the terminated flag of agent 'walker_0' must be True or False, got 0"),
    (doubles.Odd, {"oddity": "twice"}, "agents contains a name twice"),
]


@pytest.mark.parametrize(("factory", "options", "said"), WRONG, ids=[next(iter(w[1].values())) for w in WRONG])
def test_the_first_thing_wrong_is_named(quick, monkeypatch, factory, options, said):
    monkeypatch.setattr(doubles.Odd, "runs", 0)
    with pytest.raises(AssertionError, match=said):
        check_env(factory, **options)


def test_what_is_odd_and_can_be_trained_on_is_noted(quick):
    notes = check_env(doubles.Odd, oddity="bounds").notes
    converted = (
        "the observation of agent 'walker_0' has type float32, but its space has type float64: Hamlet converts it"
    )
    assert converted in notes
    outside = r"the observation\[1\] of agent 'walker_0' is .*, outside its space, 0 … 1: training uses it unchanged"
    assert any(re.match(outside, note) for note in notes)
    assert "observation_space() makes a new space at every call" in check_env(doubles.Odd, oddity="new spaces").notes[0]
    assert check_env(doubles.Odd).notes == ()


@pytest.mark.parametrize(
    ("oddity", "said"),
    [
        (
            "agents alone",
            "the end of agent 'walker_0' is reported only by agents: it has no flag in terminations or truncations",
        ),
        ("all", "the end of agent 'walker_0' is reported only by '__all__': it has no flag in terminations"),
        ("one leaves", "the end of agent 'walker_1' is reported only by agents: it has no flag in terminations"),
    ],
)
def test_an_end_that_no_flag_says_is_found_and_noted(quick, oddity, said):
    found = check_env(doubles.Odd, oddity=oddity)
    assert found.lengths == (4, 4, 4) and not found.unfinished
    (note,) = found.notes
    assert note.startswith(said) and note.endswith("truncated" if oddity == "all" else "terminated")


def test_of_an_environment_that_a_process_holds_once_it_says_how_to_train_on_it(monkeypatch):
    monkeypatch.setattr(doubles.Single, "held", 0)
    note = check_env(doubles.Single, episodes=1).notes[-1]
    assert note.startswith(
        "a process can hold only one copy, because making a second copy raises OSError: address already in use: "
    )
    assert "set --env.processes equal to --num-envs" in note


def test_episodes_that_do_not_end_are_counted_and_where_an_evaluation_cuts_them_is_said(capsys):
    assert main(["check-env", "doubles:Walk", "--env.steps", "9", "--max-episode-steps", "5", "--episodes", "2"]) == 0
    said = capsys.readouterr().out
    assert "episodes of 5 steps (2 of them stopped early by --max-episode-steps)" in said
    assert "evaluations truncate episodes after 10,000 steps (the environment declares no other limit)" in said
    with pytest.raises(RequestError, match="--max-episode-steps must be at least 1, got 0"):
        command.read(["doubles:Walk", "--max-episode-steps", "0"])


def test_sound_environments_pass_whatever_their_agents_are():
    assert check_env(doubles.Mortal).lengths == (4, 4, 4)
    assert check_env(doubles.Turns, episodes=2).lengths == (6, 6)
    found = check_env(doubles.Masked, max_episode_steps=3)
    assert found.lengths == (3, 3, 3) and found.unfinished and found.speed > 0


def test_the_command_says_what_it_is_or_what_is_wrong(capsys):
    assert main(["check-env", "doubles:Motley", "--episodes", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Hamlet can train on doubles:Motley."
    assert lines[1] == "  walker_0: observation Box [-inf, inf] (3, float32); action Discrete(3)"
    assert lines[2] == "  walker_1: observation Box [-1e+09, 1e+09] (5, float32); action MultiDiscrete(2, 4)"
    assert lines[3] == "  walker_2: observation Discrete(7); action Box [-1, 3] (2)"
    assert lines[5].startswith("  the critic receives the joined observations of all agents, 23")
    assert main(["check-env", "doubles:Faulty"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("hamlet: doubles:Faulty: in step 3") and len(said.splitlines()) == 1
    for words, said in ((["doubles"], "write MODULE:FACTORY"), ([], "MODULE:FACTORY is missing")):
        assert main(["check-env", *words]) == 2
        assert said in capsys.readouterr().err


def test_what_cannot_be_made_is_refused():
    with pytest.raises(RequestError, match="the game is not installed"):
        check_env(doubles.broken_factory)
