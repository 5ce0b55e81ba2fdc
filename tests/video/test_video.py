"""Videos: every moment of an episode, at its own pace, as it is rendered or drawn."""

import itertools
import json
import re
import sys

import numpy as np
import pytest

import hamlet
from documents import ROOT
from hamlet import envs
from hamlet.backends.select import backend_of
from hamlet.cli import main
from hamlet.envs import from_pettingzoo
from hamlet.envs.conversion import Broken
from hamlet.envs.pettingzoo.picture import rendered
from hamlet.envs.scene import AGENT_COLOURS, Circle, Scene, Segment
from hamlet.errors import RequestError, RunError
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts.record_episode import Frame
from hamlet.roster import Roster
from hamlet.video import files
from hamlet.video.moments import Moment, Pace, moments, strided
from hamlet.video.record import write_episodes
from hamlet.video.views import DrawnView, view_of
from hostgames import OnHost

Image = pytest.importorskip("PIL.Image", reason="needs the extra video")

TRAIN = ["train", "happo", "mpe/simple_spread", "--env.max-steps", "5", "--steps", "400", "--num-envs", "4"]
EVALUATE = ["evaluate", "a", "--episodes", "2"]


def random_play(env, seed=0, horizon=1000):
    """An episode in which all act at random."""
    return backend_of(env).moments(Roster(env.groups), (), NetworkConfig(), seed, "random", horizon=horizon)


def frames_of(path):
    """Every frame of a GIF, and for how many milliseconds each is shown."""
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            yield np.asarray(image.convert("RGB")), image.info["duration"]


@pytest.mark.parametrize("seconds", [0.008, 0.02, 0.05, 0.1, 0.15, 1.2])
def test_an_episode_lasts_as_long_as_in_its_own_time_and_moves_at_a_rate_that_players_take(seconds):
    pace = Pace.of(seconds)
    assert pace.repeat / pace.rate == pytest.approx(pace.stride * seconds, rel=1e-3)
    assert 14 < pace.rate < 40 and 1 in (pace.stride, pace.repeat)


def test_of_moments_that_are_left_out_none_is_the_last_and_their_rewards_count():
    frames = [Frame(step, None, np.array([1.0, 0.5])) for step in range(8)] + [Frame(None, None, np.array([9.0, 0.0]))]
    shown = list(strided(moments(frames), 3))
    assert [moment.step for moment in shown] == [0, 3, 6, 8]
    assert shown[-1].state == 7 and shown[-1].returns.tolist() == [17.0, 4.0]


class Rolling:
    """A disc that rolls to the right beneath a bar."""

    def scene(self, state, actions):
        bar = Segment(0.0, 3.0, 4.0, 3.0, 0.2, "ink")
        return Scene((Circle(float(state), 1.0, 0.5, 1), bar), (0.0, 0.0, 4.0, 4.0), 0.1, caption=f"at {state}")


def test_shapes_are_drawn_where_they_are_in_the_colours_of_agents_and_move_between_moments():
    view = DrawnView(Rolling(), 200)
    episode = [Moment(step, step + 1, None, np.zeros(1)) for step in range(3)]
    shots = list(view.shots(episode, view.pace(episode[0])))
    assert [shot.words for shot in shots] == ["at 1", "at 1", "at 2", "at 2", "at 3", "at 3"]
    colour = tuple(int(AGENT_COLOURS[1][at : at + 2], 16) for at in (1, 3, 5))
    places = []
    for shot in shots:
        row = np.asarray(shot.picture)[150]
        places.append(np.flatnonzero((row == colour).all(-1)).mean() / 50)
    assert places == pytest.approx([1, 1.5, 2, 2.5, 3, 3], abs=0.03)
    assert len(np.unique(np.asarray(shots[0].picture).reshape(-1, 3), axis=0)) > 10  # edges are smooth


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_video_holds_whole_episodes_of_a_game_one_after_another(tmp_path, suffix):
    path, env = tmp_path / "deep" / f"episodes{suffix}", envs.make("mpe/simple_reference", max_steps=3)
    view = view_of(env, 121)
    ends = write_episodes(path, view, lambda number: moments(random_play(env, number)), 2, "a title", ("a", "b"))
    assert [end.step for end in ends] == [3, 3] and ends[0].returns.tolist() != ends[1].returns.tolist()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    if suffix == ".gif":
        pictures, shown = zip(*frames_of(path), strict=True)
        # Two episodes of four moments at 0.15 s, and at each end a second of rest.
        assert sum(shown) == pytest.approx(2 * (4 * 150 + 1000), abs=100)
        assert any(not np.array_equal(a, b) for a, b in itertools.pairwise(pictures))
    else:
        av = pytest.importorskip("av", reason="needs the extra video")
        with av.open(str(path)) as container:
            shapes = {frame.to_ndarray(format="rgb24").shape for frame in container.decode(video=0)}
        assert len(shapes) == 1 and all(side % 2 == 0 for side in shapes.pop()[:2])


def test_what_writes_a_video_is_asked_for_before_anything_is_played(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "av", None)
    files.check(tmp_path / "a.gif")
    with pytest.raises(RequestError, match=r"an MP4 needs av, which is not installed: run pip .*, or write a \.gif"):
        files.check(tmp_path / "a.mp4")
    with pytest.raises(RequestError, match="is a directory: give a file"):
        (tmp_path / "b.gif").mkdir()
        files.check(tmp_path / "b.gif")


def test_a_rendered_environment_is_seen_to_its_end_and_its_declaration_stays_as_it_was():
    env = from_pettingzoo("makers:painted", processes=1, copies=1)
    view = view_of(env, 4)
    episode = list(moments(random_play(view.env)))
    shots = list(view.shots(episode, Pace(1, 1, 4.0)))
    assert [shot.moment.step for shot in shots] == [0, 1, 2, 3]
    assert [int(np.asarray(shot.picture)[0, 0, 0]) for shot in shots] == [0, 10, 20, 30]
    assert view.pace(episode[0]) == Pace.of(0.25)
    assert env.options == () and "render" not in repr(env)


@pytest.mark.slow
def test_an_environment_that_nobody_can_tell_to_render_is_refused_in_a_line():
    view = view_of(from_pettingzoo("makers:unpainted", processes=1, copies=1), 4)
    with pytest.raises(RunError, match=r"makers:unpainted cannot be rendered: render\(\) gives nothing") as raised:
        list(random_play(view.env))
    assert "\n" not in str(raised.value)


def test_what_render_gives_is_a_picture_or_refused():
    class Given:
        metadata = {"render_fps": 50}  # noqa: RUF012

        def __init__(self, value):
            self.value = value

        def render(self):
            return self.value

    pixels, seconds = rendered(Given(np.ones((3, 2, 4), np.uint8)))
    assert pixels.shape == (3, 2, 3) and seconds == 0.02
    for value in (None, np.ones((3, 2), np.uint8), np.ones((3, 2, 3)), "text"):
        with pytest.raises(Broken, match='render_mode="rgb_array"'):
            rendered(Given(value))


def test_an_environment_that_is_neither_drawn_nor_rendered_is_refused():
    with pytest.raises(RequestError, match="OnHost cannot be drawn; give it a scene method or a camera"):
        view_of(OnHost(envs.make("matrix/penalty")), 100)


def test_agents_have_the_colours_of_the_page():
    style = (ROOT / "src" / "hamlet" / "reports" / "page" / "style.css").read_text(encoding="utf-8")
    assert tuple(re.findall(r"--c\d: (#\w+);", style)) == AGENT_COLOURS


@pytest.mark.slow
def test_a_body_is_rendered_in_its_agents_colours_or_drawn_where_that_cannot_be(monkeypatch):
    pytest.importorskip("gymnasium_robotics")
    from hamlet.envs.mamujoco import camera

    env = envs.make("mamujoco/HalfCheetah-2x3", threads=1)
    episode = list(moments(random_play(env, horizon=2)))
    view = view_of(env, 480)
    try:
        assert view.remark == "" or "EGL" in view.remark
        (picture,) = (np.asarray(shot.picture).astype(int) for shot in view.shots(episode[:1], Pace(1, 1, 20.0)))
        blue = (picture[..., 2] - picture[..., 0] > 80).mean()
        orange = (picture[..., 0] - picture[..., 2] > 80).mean()
        assert 0.005 < blue < 0.2 and 0.005 < orange < 0.2
    finally:
        view.close()
    monkeypatch.setattr(camera, "_ways", lambda: ("disable",))
    assert re.match(
        r"MuJoCo cannot render on this machine \(disable: .*drawings of its scenes instead$", view_of(env, 9).remark
    )


@pytest.mark.slow
def test_evaluate_writes_the_video_that_python_writes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert (
        main(
            [
                "train",
                "happo",
                "mpe/simple_spread",
                "--env.max-steps",
                "5",
                "--steps",
                "400",
                "--num-envs",
                "4",
                "--out",
                "a",
            ]
        )
        == 0
    )
    capsys.readouterr()
    assert (
        main(["evaluate", "a", "--episodes", "2", "--video", "a.gif", "--video-episodes", "2", "--seed", "3", "--json"])
        == 0
    )
    said = json.loads(capsys.readouterr().out)["video"]
    recording = hamlet.record("a", "b.gif", episodes=2, seed=3)
    assert (said["steps"], said["returns"]) == ([5, 5], recording.returns.tolist())
    assert (tmp_path / "a.gif").read_bytes() == recording.path.read_bytes()
    assert main([*EVALUATE, "--video", "c.gif", "--env.max-steps", "2"]) == 0
    assert "wrote c.gif: 2 steps, team return" in capsys.readouterr().out
    with pytest.raises(RequestError, match="there is no agent 'nobody'"):
        hamlet.record("a", "d.gif", at_random=("nobody",))
    assert not (tmp_path / "d.gif").exists()
