"""The agents in motion: pictures of moments, from which a page draws an episode."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet import envs
from hamlet.backends.select import backend_of
from hamlet.envs.camera import Picture
from hamlet.envs.matrix.payoff_games import RoundState
from hamlet.envs.scene import Cell, Circle, Scene
from hamlet.errors import RequestError
from hamlet.networks.torso import NetworkConfig
from hamlet.reports import record_frames, record_pictures
from hamlet.rollouts.record_episode import Frame
from hamlet.roster import Roster
from hamlet.spaces import Box

SCENES = [
    ("mpe/simple_spread", {"max_steps": 3, "continuous": False}),
    ("mpe/simple_reference", {"max_steps": 3}),
    ("mpe/simple_speaker_listener", {"max_steps": 3, "continuous": False}),
    ("grid/checkers", {}),
    ("grid/switch", {"agents": 3}),
    ("matrix/penalty", {}),
    ("matrix/example_2", {}),
    ("game/two_state", {"horizon": 3}),
    ("game/memory", {"length": 3}),
    ("game/product", {}),
    ("game/product_discrete", {}),
]


def start(env):
    """A first state, as numpy arrays."""
    return jax.tree.map(np.asarray, jax.jit(env.reset)(jax.random.key(0))[0])


def some_actions(env):
    """One action of every agent."""
    rng = np.random.default_rng(0)
    shapes = [(len(group.names), group.action) for group in env.groups]
    return tuple(
        rng.uniform(*space.bounds, (count, *space.shape)) if isinstance(space, Box) else rng.integers(0, space.n, count)
        for count, space in shapes
    )


@pytest.mark.parametrize(("name", "options"), SCENES, ids=[name for name, _ in SCENES])
def test_every_game_is_drawn_with_the_same_shapes_before_and_after_an_action(name, options):
    env = envs.make(name, **options)
    state = start(env)
    first, later = env.scene(state, None), env.scene(state, some_actions(env))
    assert [type(shape) for shape in first.shapes] == [type(shape) for shape in later.shapes]
    left, bottom, right, top = first.view
    assert left < right and bottom < top
    assert all(left <= shape.x <= right and bottom <= shape.y <= top for shape in later.shapes)


def test_particles_are_drawn_where_they_are_and_as_large():
    env = envs.make("mpe/simple_spread")
    state = start(env)
    circles = env.scene(state, None).shapes
    assert [(one.x, one.y) for one in circles[:3]] == [tuple(map(float, place)) for place in state.position]
    assert [(one.x, one.y) for one in circles[3:]] == [tuple(map(float, place)) for place in state.landmark]
    assert {one.radius for one in circles[:3]} == {0.15} and [one.colour for one in circles[:3]] == [0, 1, 2]


def test_the_word_above_an_agent_is_the_one_it_says_and_its_line_leads_to_what_the_other_knows():
    env = envs.make("mpe/simple_reference", continuous=False)
    state = start(env)
    scene = env.scene(state, (np.array([4 + 5 * 2, 1 + 5 * 9]),))
    assert [shape.text for shape in scene.shapes[-2:]] == ["C", "J"]
    ends = [(shape.x2, shape.y2) for shape in scene.shapes[:2]]
    assert ends == [tuple(map(float, state.landmark[state.goal[other]])) for other in (1, 0)]


def test_the_cell_of_the_joint_action_is_marked_and_holds_the_teams_payoff():
    env = envs.make("matrix/climbing")
    table = np.asarray(env.payoffs).sum(0)
    state = RoundState(jnp.int32(1))
    for row, column in itertools.product(range(3), range(3)):
        cells = [one for one in env.scene(state, (np.array([row, column]),)).shapes if isinstance(one, Cell)]
        (marked,) = (one for one in cells if one.marked)
        assert (marked.x, -marked.y) == (column, row)
        assert marked.text == f"{table[row, column]:g}".replace("-", "−")


def record(env, seed=0, limit=None):
    """An episode of random play."""
    roster = Roster(env.groups)
    moments = backend_of(env).moments(roster, (), NetworkConfig(), seed, "random", horizon=1000)
    return list(itertools.islice(moments, limit))


def test_an_episode_of_a_compiled_game_is_whole_and_its_states_follow_from_its_actions():
    env = envs.make("game/memory", length=4)
    moments = record(env)
    assert len(moments) == 5 and moments[0].actions is None
    bits = moments[0].state.bits
    assert all(np.array_equal(moment.state.bits, bits) for moment in moments)
    assert [int(moment.state.time) for moment in moments] == [0, 1, 2, 3, 4]
    assert np.array_equal(moments[-1].reward, 0.5 * (moments[-1].actions[0] == bits))
    assert not any(moment.reward.any() for moment in moments[:-1])


def test_limbs_of_a_cheetah_keep_their_lengths_and_the_colours_of_those_who_move_them():
    pytest.importorskip("gymnasium_robotics")
    env = envs.make("mamujoco/HalfCheetah-2x3", threads=1)
    moments = record(env, limit=12)
    scenes = [env.scene(moment.state, moment.actions) for moment in moments]
    lengths = np.array([[np.hypot(one.x2 - one.x, one.y2 - one.y) for one in scene.shapes] for scene in scenes])
    assert lengths.shape == (12, 8) and np.allclose(lengths, lengths[0], atol=1e-6) and lengths.min() > 0.1
    assert sorted(str(one.colour) for one in scenes[0].shapes) == ["0"] * 3 + ["1"] * 3 + ["ink"] * 2
    heights = np.array([[one.y for one in scene.shapes] for scene in scenes])
    assert np.ptp(heights, axis=0).max() > 0.01
    assert scenes[1].seconds == pytest.approx(0.05)


@dataclasses.dataclass(frozen=True)
class Sliding:
    """A point that moves to the right."""

    def scene(self, state, actions):
        return Scene((Circle(float(state), 0.5, 0.1, 1), Circle(0, 0, 0.2, "ground")), (-1, -1, 1, 1), caption="")


def test_of_an_episode_only_what_changes_is_written_for_every_moment():
    moments = [Frame(step / 3, None, np.array([1.0, 0.5])) for step in range(4)]
    film = record_frames.picture(moments, Sliding().scene, ["a", "b"])
    moving, still = film["shapes"]
    assert moving == {"kind": "circle", "y": 0.5, "radius": 0.1, "colour": 1, "over": {"x": [0.0, 0.333, 0.667, 1.0]}}
    assert still == {"kind": "circle", "x": 0, "y": 0, "radius": 0.2, "colour": "ground"}
    assert film["totals"] == [1.5, 3.0, 4.5, 6.0]
    assert film["view"] == [-1, -1, 1.1, 1] and film["key"] == [["b", 1]]


class Noise:
    """A camera that sees noise, which nothing makes smaller."""

    env, coloured = None, False

    def close(self):
        pass

    def picture(self, state):
        return Picture(np.random.default_rng(state).integers(0, 256, (150, 200, 3), np.uint8), 0.1)


@pytest.mark.parametrize("opposed", [False, True])
def test_of_an_episode_that_renders_itself_so_many_pictures_are_shown_as_a_page_can_bear(monkeypatch, opposed):
    pytest.importorskip("PIL", reason="needs the extra video")
    monkeypatch.setattr(record_pictures, "_BYTES", 100_000)
    reward = np.array([1.0, -1.0 if opposed else 0.5])
    film = record_pictures.pictures((Frame(step, None, reward) for step in range(21)), Noise(), ["a", "b"])
    assert 2 < film["frames"] == len(film["pictures"]) == len(film["steps"]) < 21
    assert sum(map(len, film["pictures"])) < 100_000 + 2 * max(map(len, film["pictures"]))
    assert film["steps"][0] == 0 and film["steps"][-1] == 20 and film["view"] == [0, 0, 200, 150]
    assert film["interval"] == pytest.approx(0.1 * film["steps"][1])
    if opposed:
        assert film["captions"][-1] == "return a 21.00, b −21.00" and film["totals"] is None
    else:
        assert film["totals"][-1] == 31.5 and film["captions"] is None


def test_an_episode_whose_end_is_not_shown_stands_still_there_and_has_its_whole_return():
    ends = [Frame(0.0, None, np.zeros(1)), Frame(1.0, None, np.ones(1)), Frame(None, None, np.ones(1))]
    film = record_frames.picture(ends, Sliding().scene, ["a"])
    assert film["totals"] == [0, 1, 2] and film["shapes"][0]["over"]["x"] == [0, 1, 1]


def test_a_scene_that_gains_a_shape_is_refused():
    growing = lambda state, actions: Scene((Circle(0, 0, 1),) * (1 + state), (-1, -1, 1, 1))  # noqa: E731
    with pytest.raises(RequestError, match="different numbers of shapes"):
        record_frames.picture([Frame(step, None, np.zeros(1)) for step in range(2)], growing, ["a"])
