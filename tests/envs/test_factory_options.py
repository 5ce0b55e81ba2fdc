"""Options of a factory at MODULE:FACTORY, from the command line into the run."""

import json
import sys

import pytest

from hamlet.cli import main
from hamlet.commands import check_env
from hamlet.commands.request import read
from hamlet.envs.pettingzoo.environment import PettingZoo
from hamlet.errors import RequestError
from hamlet.runs.configuration import encode

SMALL = ["--hidden", "16", "--num-envs", "4", "--rollout-length", "8", "--epochs", "1", "--critic-epochs", "1"]
SMALL += ["--evaluate-episodes", "0"]


def asked(factory, *words):
    """The options that reach a factory."""
    return dict(read(["happo", f"makers:{factory}", *words]).environment.options)


def test_types_come_from_annotations_else_from_defaults_and_defaults_stay_unsaid():
    words = "--env.agents 3 --env.pace 2 --env.ground sand --env.sizes 1 2 3 --env.label x1 --env.fast --env.steps 7"
    found = asked("described", *words.split(), "--env.ratio=2", "--env.anything", "true")
    wanted = {"agents": 3, "pace": 2.0, "ground": "sand", "sizes": (1, 2, 3), "label": "x1", "fast": True}
    assert found == wanted | {"anything": True, "steps": 7, "ratio": 2.0}
    assert [type(found[name]) for name in ("pace", "fast", "anything", "steps", "ratio")] == [
        float, bool, bool, int, float,
    ]  # fmt: skip
    assert asked("described", "--env.steps", "2.5", "--env.no-fast", "--env.agents", "2") == {"steps": 2.5}
    assert "makers" not in sys.modules, "the environment's module is imported where it is trained"


def test_a_factory_of_any_keywords_takes_what_is_written_as_the_raw_env_beside_it_names_it():
    found = asked("parallel_env", "--env.agents", "3", "--env.halt", "true")
    assert found == {"agents": 3, "halt": True} and type(found["halt"]) is bool
    assert asked("parallel_env", "--env.halt=False", "--env.timeout", "9") == {}


REFUSED = [
    ("described", ["--env.pase", "2"], "there is no option --env.pase; the nearest is --env.pace"),
    ("described", ["--env.pace", "slow"], "--env.pace takes a number, not 'slow'"),
    ("described", ["--env.steps", "many"], "--env.steps takes a number, not 'many'"),
    ("described", ["--env.ground", "sond"], "--env.ground takes grass or sand, not 'sond'; the nearest is sand"),
    ("described", ["--env.weather", "x"], "there is no option --env.weather"),
    ("described", ["--env.copies", "3"], "there is no option --env.copies"),
    ("needs", [], "--env.agents is missing: it takes a whole number"),
    ("demands", [], "'weather', which can be set from Python only: write a factory that sets it"),
    ("parallel_env", ["--env.agents", "two"], "--env.agents takes a whole number, not 'two'"),
    ("parallel_env", ["--env.agnets", "2"], "unexpected keyword argument 'agnets'.*; the nearest is --env.agents$"),
    ("parallel_env", ["--env.halt"], "--env.halt takes a number, true, false or a word, but no value was given"),
    ("parallel_env", ["--env.copies", "2"], "there is no option --env.copies: .* --num-envs sets the copies"),
    ("paralel_env", [], "makers has no paralel_env; the nearest is parallel_env"),
]


@pytest.mark.parametrize("command", ["train", "check-env"])
@pytest.mark.parametrize(("factory", "words", "said"), REFUSED, ids=[" ".join((f, *w)) for f, w, _ in REFUSED])
def test_a_wrong_option_is_refused_in_one_line(command, factory, words, said, monkeypatch):
    words = [f"makers:{factory}", *words]
    with pytest.raises(RequestError, match=said) as refusal:
        if command == "train":
            read(["happo", *words])
        else:
            made, _, given = check_env.read(words)
            made.call(
                lambda options: check_env.examine(made.place, options, episodes=1, max_episode_steps=1, seed=0), given
            )
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("command", [["train", "happo"], ["check-env"]])
def test_help_shows_the_factorys_options_and_what_they_mean(command, capsys):
    assert main([*command, "makers:described", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--env.agents INT How many walk. (default: 2)" in text and "--env.ground {grass,sand}" in text
    assert "--env.weather" not in text and "any other option" not in text
    assert ("Walkers with every kind of option." in text) == (command[0] == "train")
    assert main([*command, "makers:parallel_env", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--env.halt VALUE" in text and "It may take any other option: --env.NAME VALUE." in text


def test_check_env_plays_with_the_options(capsys):
    words = ["--env.halt", "true", "--env.agents", "3", "--episodes", "1"]
    assert main(["check-env", "makers:parallel_env", *words]) == 0
    said = capsys.readouterr().out
    assert "walker_2" in said and "episodes of 2 steps" in said


@pytest.mark.slow
def test_options_are_kept_and_come_back_wherever_the_run_is_used(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--env.agents", "3", "--env.halt", "true", *SMALL, "--steps", "32", "--quiet"]
    assert main(["train", "happo", "makers:parallel_env", *words, "--out", "a"]) == 0
    kept = json.loads((tmp_path / "a/config.json").read_text())["environment"]
    assert (kept["factory"], kept["options"]) == ({"import": "makers:parallel_env"}, [["agents", 3], ["halt", True]])
    assert encode(read(["--from", "a/config.json"]).environment) == kept
    opened, real = [], PettingZoo.open
    monkeypatch.setattr(PettingZoo, "open", lambda env, *rest: (opened.append(env.options), real(env, *rest))[1])
    assert main(["resume", "a", "--steps", "64", "--quiet"]) == 0
    assert main(["evaluate", "a", "--episodes", "20"]) == 0
    assert set(opened) == {(("agents", 3), ("halt", True))}


def test_how_pictures_are_read_is_an_option_of_every_factory():
    assert read(["happo", "makers:described", "--env.pictures", "none"]).environment.pictures == "none"
