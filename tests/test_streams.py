"""What steps pay beside the reward: how it is declared, and what is refused."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import Pot, Toll
from hamlet.envs import copies
from hamlet.envs.base import Outcome
from hamlet.streams import Stream, check_paid, declared_streams, learning_reward, reported
from hamlet.training.check import check
from hostgames import OnHost


def declaring(*streams, **attributes):
    return type("Declared", (), {"streams": streams, **attributes})()


@pytest.mark.parametrize(
    ("declared", "line"),
    [
        ({"name": "two words"}, "a stream's name must be an identifier, such as collisions, got 'two words'"),
        ({"name": "cost", "owner": "all"}, "the owner of cost must be 'agent' or 'team', got 'all'"),
        ({"name": "cost", "critic": "state"}, "the critic of cost must be 'reward', 'own' or None, got 'state'"),
        (
            {"name": "cost", "owner": "team", "critic": "reward"},
            "cost instead of the reward, so each agent needs its own number",
        ),
    ],
)
def test_a_stream_that_makes_no_sense_is_refused(declared, line):
    unchecked = SimpleNamespace(**({"owner": "agent", "critic": None} | declared))  # as without the tests' own checks
    with pytest.raises(hamlet.RequestError, match=line):
        Stream.__post_init__(unchecked)


@pytest.mark.parametrize(
    ("streams", "line"),
    [
        ((Stream("cost"), Stream("cost", owner="team")), "two streams named cost"),
        ((Stream("reward"),), "two streams named reward"),
        (
            (Stream("a", critic="reward"), Stream("b", critic="reward")),
            "one stream instead of the reward, not from a and b",
        ),
    ],
)
def test_streams_that_do_not_go_together_are_refused(streams, line):
    with pytest.raises(hamlet.RequestError, match=line):
        declared_streams(declaring(*streams))


def test_a_stream_and_a_measure_of_one_name_are_refused():
    env = OnHost(Toll())
    object.__setattr__(env, "measures", ("toll",))
    with pytest.raises(hamlet.RequestError, match="toll names both a stream and a measure of the environment"):
        check(hamlet.algorithms.happo(num_envs=1), env, steps=1)


@pytest.mark.parametrize(
    ("paid", "line"),
    [
        ({}, "a step pays no cost, which its environment declares as a stream"),
        (
            {"cost": np.zeros((3, 2)), "fee": np.zeros((3, 2))},
            "a step pays fee, which its environment does not declare",
        ),
        ({"cost": np.zeros((3, 1))}, r"a step pays cost with shape \(3, 1\); its declared owner requires \(3, 2\)"),
    ],
)
def test_a_step_that_does_not_pay_what_is_declared_is_refused(paid, line):
    with pytest.raises(hamlet.RequestError, match=line):
        check_paid((Stream("cost"),), np.zeros((3, 2)), paid)


def test_a_compiled_environment_that_does_not_pay_what_it_declares_is_refused_before_it_is_played():
    class Miser(Toll):
        def step(self, key, state, actions):
            return Pot.step(self, key, state, actions)

    with pytest.raises(hamlet.RequestError, match="a step pays no lesson, steps, toll"):
        began = jax.eval_shape(lambda: copies.reset(Miser(), jax.random.key(0), 3))
        jax.eval_shape(lambda at: copies.step(Miser(), jax.random.key(0), at, (jnp.zeros((3, 2), int),)), began)


def test_agents_learn_from_the_reward_unless_a_stream_stands_in_for_it():
    cost, lesson = Stream("cost"), Stream("lesson", critic="reward")
    assert learning_reward((cost,), 1.0, {"cost": 2.0}) == (1.0, {"cost": 2.0})
    assert learning_reward((cost, lesson), 1.0, {"cost": 2.0, "lesson": 3.0}) == (3.0, {"cost": 2.0})


def test_what_is_not_to_be_reported_is_not():
    assert [stream.name for stream in reported(Toll().streams)] == ["toll", "steps"]


def test_an_environment_without_streams_pays_the_reward_alone():
    assert declared_streams(Pot()) == ()
    outcome = Outcome(jnp.zeros(2), jnp.zeros((), bool), jnp.zeros((), bool))
    assert len(jax.tree.leaves(outcome)) == 3 and outcome.streams == {}
    check_paid((), outcome.reward, outcome.streams)
