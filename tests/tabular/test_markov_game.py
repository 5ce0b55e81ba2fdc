"""What is a game, and what is none."""

import jax
import numpy as np
import pytest

from hamlet.errors import RequestError
from hamlet.tabular import MarkovGame, evaluate, random_game, random_policies


def parts(**changed):
    game = random_game(0, states=3, actions=(2, 4))
    made = {"reward": game.reward, "transition": game.transition, "initial": game.initial, "discount": 0.9}
    made = {**made, **changed}
    return {name: value if isinstance(value, float) else np.array(value) for name, value in made.items()}


def spoiled(name, at, value):
    made = parts()
    made[name][at] = value
    return made


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (spoiled("transition", (1, 0, 2, 0), 5.0), r"a transition does not sum to one at .* \[1, 0, 2\]"),
        (spoiled("transition", (1, 0, 2), [-1.0, 1.0, 1.0]), r"a transition is negative.* \[1, 0, 2\]"),
        (spoiled("initial", 0, 3.0), "the initial distribution does not sum to one"),
        (spoiled("initial", slice(None), [2.0, -1.0, 0.0]), "the initial distribution is negative"),
        (spoiled("reward", (2, 1, 3), np.inf), r"the reward has a number that is not finite at \[2, 1, 3\]"),
        (spoiled("transition", (0, 0, 0, 0), np.nan), "the transition has a number that is not finite"),
        (parts(discount=1.0), r"the discount must be in \[0, 1\), got 1.0"),
        (parts(discount=-0.1), r"the discount must be in \[0, 1\), got -0.1"),
        (parts(reward=np.zeros((3, 2, 3))), r"the reward must have the shape \[3, 2, 4\], or \[2, 3, 2, 4\]"),
        (parts(transition=np.ones((3, 2, 4, 2)) / 2), r"the transition must have the shape \[S, A1, …, An, S\]"),
        (parts(initial=np.ones(2) / 2), r"the initial distribution of 3 states must have the shape \[3\], got \[2\]"),
    ],
)
def test_what_is_no_game_is_refused_in_one_line_that_says_where(made, said):
    with pytest.raises(RequestError, match=said) as error:
        MarkovGame(**made)
    assert "\n" not in str(error.value)


def test_a_game_too_large_for_the_memory_is_refused_by_its_size_before_anything_is_allocated():
    with pytest.raises(RequestError, match=r"of 10000 states and 10×10×10×10 joint actions would need 24.0 TB"):
        random_game(0, states=10_000, actions=(10,) * 4)
    # An array that repeats one number in place of holding them all.
    vast = (10_000, 100, 100, 10_000)
    with pytest.raises(RequestError, match=r"would need .*, but this machine has"):
        MarkovGame(np.broadcast_to(0.0, vast[:-1]), np.broadcast_to(1e-4, vast), np.full(10_000, 1e-4), 0.9)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda p: (p[0],), "policies must be a tuple of 2 arrays"),
        (lambda p: (p[0], p[1][:, :3]), r"the policy of agent 1 must have the shape \[3, 4\], got \[3, 3\]"),
        (lambda p: (2 * p[0], p[1]), r"the policy of agent 0 does not sum to one at \(state\) \[0\]"),
        (lambda p: (p[0], p[1] - 0.5), "the policy of agent 1 is negative"),
        (lambda p: (p[0], p[1] * np.nan), "the policy of agent 1 is negative, or not a number"),
    ],
)
def test_policies_that_are_none_are_refused(change, said):
    game = random_game(0, states=3, actions=(2, 4))
    with pytest.raises(RequestError, match=said):
        evaluate(game, change(random_policies(0, game)))


def test_a_game_says_what_it_is_made_of_and_cannot_be_changed():
    game = random_game(3, states=3, actions=(2, 4), common=False)
    assert (game.agents, game.states, game.actions, game.common) == (2, 3, (2, 4), False)
    assert game.reward.dtype == np.float64
    np.testing.assert_array_equal(game.team_reward, game.reward[0] + game.reward[1])
    with pytest.raises(ValueError, match="read-only"):
        game.reward[0, 0, 0, 0] = 1.0


def test_a_seed_and_its_key_draw_the_same_game_and_another_seed_another():
    one, same, other = (random_game(key, states=2) for key in (5, jax.random.key(5), 6))
    np.testing.assert_array_equal(one.transition, same.transition)
    assert (one.reward != other.reward).all()
