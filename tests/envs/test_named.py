"""Environments of others by name: when they are asked for, what a run keeps of them, and what a factory makes."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import doubles
import worlds
from hamlet.cli import main
from hamlet.commands import request
from hamlet.envs import PettingZoo, from_factory, from_pettingzoo
from hamlet.envs.pettingzoo import environment
from hamlet.errors import RequestError
from hamlet.options import factories, variation
from hamlet.runs import configuration
from hamlet.training.run import SavedRun
from hostgames import OnHost


def test_a_pettingzoo_environment_is_asked_for_when_it_is_needed_and_once_for_equal_declarations(monkeypatch):
    asked, probe = [], environment.probe
    monkeypatch.setattr(environment, "probe", lambda *given: asked.append(given[:2]) or probe(*given))
    first, second = (from_pettingzoo("doubles:Walk", agents=4, timeout=seconds) for seconds in (50.0, 60.0))
    assert hash(first) != hash(second) and "doubles:Walk" in repr(first) and not asked
    assert len(first.groups[0].names) == 4 and second.description is first.description
    assert asked == [("doubles:Walk", (("agents", 4),))]
    assert configuration.decode(configuration.encode(second), trusted=True).description == first.description
    wrong = from_pettingzoo("doubles:Walk", stpes=3)
    for _ in range(2):
        with pytest.raises(RequestError, match="unexpected keyword argument 'stpes'"):
            _ = wrong.state_shape
    assert len(asked) == 3


def test_an_environment_in_jax_of_another_interface_is_made_when_it_is_needed_and_a_run_keeps_its_name():
    worlds.MADE.clear()
    env, same = (from_factory(worlds.lamp, worlds.OfLamp(2.0), limit=3) for _ in range(2))
    assert env == same and hash(env) == hash(same) and not worlds.MADE
    assert env.groups[0].names == ("ann",) and env.horizon == 7 and same.environment is env.environment
    assert worlds.MADE == [3]
    state, view = env.reset(jax.random.key(0))
    state, view, outcome = env.step(jax.random.key(0), state, (jnp.ones(1, jnp.int32),))
    np.testing.assert_array_equal([view.state[0], outcome.reward[0]], [1.0, 2.0])
    kept = configuration.encode(env)
    assert kept == {
        "type": "named",
        "factory": {"import": "worlds:lamp"},
        "adapter": {"import": "worlds:OfLamp", "bright": 2.0},
        "options": [["limit", 3]],
    }
    assert configuration.decode(kept, trusted=True) == env
    with pytest.raises(RequestError, match="is user code, in a configuration that is not trusted"):
        configuration.decode(kept)
    assert variation.varied(env, {"limit": 5}) == replace(env, options=(("limit", 5),))


@pytest.mark.parametrize(
    ("factory", "options", "said"),
    [
        ("worlds:lmap", {}, "worlds has no lmap; the nearest is lamp"),
        ("nowhere:lamp", {}, "there is no module nowhere"),
        ("worlds:lamp", {"limits": 3}, "unexpected keyword argument 'limits'"),
    ],
)
def test_a_name_of_nothing_is_refused_in_a_line_when_it_is_asked_for(factory, options, said):
    env = from_factory(factory, worlds.OfLamp(), **options)
    with pytest.raises(RequestError, match=said) as refusal:
        _ = env.groups
    assert "\n" not in str(refusal.value)


def test_what_a_factory_makes_says_where_it_is_played():
    """A worker looks first; an environment of Hamlet's own is then made here."""
    assert factories._environment("worlds:Corridor", {"length": 3}) == worlds.Corridor(3)
    assert type(factories._environment("doubles:Walk", {"agents": 3})) is PettingZoo
    with pytest.raises(
        RequestError, match="not a PettingZoo environment, and no groups, so it does not have Hamlet's interface"
    ):
        factories._environment("doubles:Quiet", {})
    with pytest.raises(
        RequestError, match=r"--env\.state is an option of PettingZoo environments only, and worlds:Corridor"
    ):
        factories._environment("worlds:Corridor", {"length": 3, "state": "own"})
    with pytest.raises(RequestError, match="train on it directly, without from_pettingzoo"):
        _ = from_pettingzoo("worlds:Corridor", length=3).groups


@pytest.mark.slow
@pytest.mark.parametrize("place", ["worlds:Corridor", "worlds:on_host", doubles.__name__ + ":Walk"])
def test_a_factory_is_trained_by_its_place_and_its_run_is_read_by_whoever_trusts_it(place, tmp_path, capsys):
    words = ["--num-envs", "2", "--rollout-length", "4", "--hidden", "8", "--evaluate-episodes", "0", "--quiet"]
    short = "--env.steps" if place == "doubles:Walk" else "--env.length"
    assert main(["train", "ippo", place, short, "3", "--steps", "16", "--out", str(tmp_path / "run"), *words]) == 0
    env = SavedRun(tmp_path / "run").environment
    kinds = {"worlds:Corridor": worlds.Corridor, "worlds:on_host": OnHost}
    assert type(env) is kinds.get(place, PettingZoo)
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "2"]) == 0
    config = tmp_path / "run" / "config.json"
    config.write_text(config.read_text().replace('"seed": 0', '"seed": 1'))
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "2"]) == 2
    assert "would execute code that is not part of Hamlet" in capsys.readouterr().err
    assert main(["evaluate", str(tmp_path / "run"), "--episodes", "2", "--trust"]) == 0


@pytest.mark.slow
def test_the_options_of_a_factory_of_hamlets_environments_are_those_of_the_command_line(capsys):
    asked = request.read(["happo", "worlds:Corridor", "--env.length", "3"])
    assert asked.environment == worlds.Corridor(3) and asked.labels["environment_name"] == "worlds:Corridor"
    with pytest.raises(SystemExit):
        request.read(["happo", "worlds:Corridor", "--help"])
    assert "--env.length" in capsys.readouterr().out
    assert main(["train", "happo", "worlds:MADE"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
