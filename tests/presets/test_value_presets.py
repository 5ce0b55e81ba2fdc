"""The presets of value decomposition: as first published, and as fitted to an environment."""

import pytest

import hamlet
from hamlet import presets

NAMES = ("iql", "vdn", "qmix")


@pytest.mark.parametrize("name", NAMES)
def test_the_first_published_settings(name):
    made = presets.find("paper/value", name)()
    sampling, exploration = made.sampling, made.actor.exploration
    assert (made.learning_rate, made.optimiser, made.max_gradient_norm) == (5e-4, "rmsprop", 10.0)
    assert (made.discount, made.lambda_, made.target_interval, made.polyak) == (0.99, 0.0, 200, 1.0)
    assert (sampling.capacity, sampling.samples, sampling.copies, sampling.updates) == (5000, 32, 8, 1)
    assert (exploration.start, exploration.end, exploration.steps) == (1.0, 0.05, 50_000)
    assert (made.body.hidden, made.body.memory, made.body.plain, made.sharing) == ((64,), 64, True, "group")


def test_the_first_published_mixer():
    mixer = presets.find("paper/value", "qmix")().mixer
    assert (mixer.embedding, mixer.hidden) == (32, 64)


@pytest.mark.parametrize("preset", ["paper/value", "tuned/mpe", "tuned/matrix"])
def test_agents_whose_choices_are_to_be_unlike_each_other_have_parameters_of_their_own_and_cool_down(preset):
    made = presets.find(preset, "q_dpp")()
    cooling = made.actor.exploration
    assert made.sharing == "none"
    assert (cooling.start, cooling.end, cooling.steps) == (0.5, 0.01, 50_000)
    assert made.actor.even == (1.0 if preset == "tuned/matrix" else 0.0)


def test_what_learns_from_what_is_itself_being_learnt_makes_more_of_the_same_steps():
    updates = {
        name: presets.find("tuned/matrix", name)().sampling.updates for name in ("vdn", "qtran", "qplex", "q_dpp")
    }
    assert updates == {"vdn": 1, "qtran": 8, "qplex": 8, "q_dpp": 1}


@pytest.mark.parametrize("name", NAMES)
def test_matrix_games_are_played_evenly_throughout_unless_asked_for_otherwise(name):
    assert presets.default("matrix/climbing", name) == "tuned/matrix"
    made = presets.find("tuned/matrix", name, hamlet.envs.make("matrix/climbing"))()
    assert (made.actor.exploration.start, made.actor.exploration.end) == (1.0, 1.0)
    assert (made.sampling.longest, made.sampling.steps) == (1, 1)


def test_episodes_are_as_long_as_the_environment_says_and_as_the_user_says_before_that():
    env = hamlet.envs.make("mpe/simple_spread", continuous=False, max_steps=30)
    for preset in (None, "paper/value", "tuned/mpe"):
        made = presets.find(preset, "vdn", env)()
        assert (made.sampling.longest, made.sampling.steps) == (30, 30)
    assert presets.find(None, "vdn", env)(episode_length=7).sampling.longest == 7
    assert "episode_length" not in presets.find(None, "happo", env).keywords
    with pytest.raises(hamlet.RequestError, match="qmix"):
        presets.find(None, "qmx", env)
