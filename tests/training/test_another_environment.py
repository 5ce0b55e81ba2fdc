"""Policies act in an environment with other options than their run's, where their networks are made for it."""

import re
from dataclasses import replace

import pytest

import hamlet
from hamlet.envs import from_pettingzoo
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.errors import RequestError
from hamlet.options import variation
from hamlet.options.parsing import Command
from hamlet.training.differences import require_fit


def asked(env, *argv):
    """The environment with what the words say."""
    command = Command("hamlet evaluate", (), (variation.options(env, argv),), "")
    _, parsed = command.parse(argv)
    return variation.varied(
        env, {command.flags[flag].name: parsed.values["env"][command.flags[flag].name] for flag in parsed.given}
    )


def test_options_that_are_given_replace_those_of_the_run_and_no_others():
    env = SimpleSpread(agents=2, local_ratio=0.25)
    assert asked(env, "--env.max-steps", "50") == SimpleSpread(agents=2, local_ratio=0.25, max_steps=50)
    hosted = from_pettingzoo("doubles:Walk", agents=3, processes=1, copies=4, pictures="none")
    longer = asked(hosted, "--env.steps", "7")
    assert dict(longer.options) == {"agents": 3, "steps": 7} and replace(longer, options=hosted.options) == hosted


def test_where_networks_allow_it_they_act_and_else_the_agents_that_differ_are_named():
    three, five = (from_pettingzoo("doubles:Walk", agents=count, processes=1) for count in (3, 5))
    require_fit(hamlet.algorithms.mappo(hidden=(8,), sharing="group"), three, five)
    algorithm = hamlet.algorithms.mappo(hidden=(8,), sharing="none")
    require_fit(algorithm, three, three)
    told = "agents 3 (observation 3, action Discrete 3), here 5 (observation 3, action Discrete 3)"
    with pytest.raises(RequestError, match=re.escape(told) + r".* the number of agents must stay the same"):
        require_fit(algorithm, three, five)


def test_actions_of_another_kind_are_refused_though_the_shapes_are_the_same():
    algorithm = hamlet.algorithms.mappo(hidden=(8,), sharing="group")
    with pytest.raises(RequestError, match=r"action Box 5.*, here 3 .*action Discrete 5"):
        require_fit(algorithm, SimpleSpread(), SimpleSpread(continuous=False))
