"""Learning rates by agent: each takes its own step, and one rate for all is computed as it was."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import Pot
from hamlet.backends.jax_backend import begin_training, iterate
from hamlet.cli import main
from hamlet.errors import RequestError
from hamlet.haml.rates import as_rates, shares
from hamlet.roster import Group, Roster
from hamlet.runs import configuration
from hamlet.spaces import Box, Discrete
from hamlet.training.check import check

SEEN = Box(0.0, 1.0, (1,))
TEAM = (Group(("a", "b"), SEEN, Discrete(2)), Group(("c",), SEEN, Discrete(3)))


def moves(rates):
    """How far each of two agents goes in one step of Adam with everything else as it is."""
    algorithm = hamlet.algorithms.mappo(
        learning_rate=rates, epochs=1, entropy=0.0, hidden=(8,), num_envs=4, rollout_length=8
    )
    training = jax.jit(lambda: begin_training(algorithm, Pot(), 0))()
    after = jax.jit(lambda training: iterate(algorithm, Pot(), training)[0])(training)
    before, now = (eqx.filter(t.learner.team.actors, eqx.is_inexact_array) for t in (training, after))
    steps = jax.tree.leaves(jax.tree.map(lambda new, old: new - old, now, before))
    return [jnp.concatenate([leaf[unit].ravel() for leaf in steps]) for unit in range(2)]


def test_an_agents_step_is_as_long_as_its_own_rate_says_and_the_others_as_theirs():
    alone, own = moves(1e-3), moves({"right": 1e-4, "": 1e-3})
    np.testing.assert_array_equal(own[0], alone[0])
    np.testing.assert_allclose(own[1], alone[1] / 10, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(moves({"left": 0.0, "right": 1e-3})[0], 0.0)


def test_units_have_shares_of_the_greatest_rate_in_their_order():
    assert shares(3e-4, Roster(TEAM)) is None
    np.testing.assert_allclose(shares(as_rates({"c": 0.1, "a": 0.4, "": 0.2}), Roster(TEAM)), [1.0, 0.5, 0.25])
    np.testing.assert_allclose(shares(as_rates({"c": 0.1, "": 0.4}), Roster(TEAM, "group")), [1.0, 0.25])
    np.testing.assert_array_equal(shares(as_rates({"": 0.0}), Roster(TEAM)), np.zeros(3))


@pytest.mark.parametrize(
    ("rates", "sharing", "line"),
    [
        ({"a": 0.1, "b": 0.1}, "none", "has no rate for c: append a default, such as 5e-4"),
        ({"d": 0.1, "": 0.1}, "none", r"names an unknown agent 'd' \(of a, b, c\)"),
        ({"a": 0.1, "": 0.2}, "group", "a, b share their parameters and have different rates"),
    ],
)
def test_rates_that_do_not_fit_the_team_are_refused_in_one_line(rates, sharing, line):
    with pytest.raises(RequestError, match=line):
        shares(as_rates(rates), Roster(TEAM, sharing))


def test_rates_that_are_none_are_refused_with_the_declaration():
    for rates, line in (({"a": -1.0}, "must not be negative: -1.0"), ({}, "has no rate")):
        with pytest.raises(RequestError, match=line):
            hamlet.algorithms.happo(learning_rate=rates)
    with pytest.raises(RequestError, match="--learning-rate names an unknown agent 'lft'; the nearest is 'left'"):
        check(hamlet.algorithms.happo(learning_rate={"lft": 1.0, "": 1.0}), Pot(), steps=1)


def test_a_configuration_keeps_them_and_the_command_line_reads_them(tmp_path, capsys):
    declared = hamlet.algorithms.happo(learning_rate={"speaker_0": 1e-4, "": 5e-4})
    assert configuration.decode(configuration.encode(declared)) == declared
    words = ["train", "happo", "mpe/simple_speaker_listener", "--steps", "100", "--out", str(tmp_path / "run")]
    assert main([*words, "--learning-rate", "speaker_0=1e-3,5e-4x"]) == 2
    takes = "--learning-rate takes a number, or agents' rates such as speaker_0=1e-4,5e-4, not 'speaker_0=1e-3,5e-4x'"
    assert takes in capsys.readouterr().err
    assert main([*words, "--learning-rate", "speakr=1e-3,5e-4"]) == 2
    assert "unknown agent 'speakr'; the nearest is 'speaker_0'" in capsys.readouterr().err and not list(
        tmp_path.iterdir()
    )
