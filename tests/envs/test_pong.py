"""Two-player Pong: what agents see and earn, against PettingZoo's own game frame by frame."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from hamlet import extras
from hamlet.cli import main
from hamlet.envs import make
from hamlet.envs.atari import games, pong
from hamlet.envs.pettingzoo.env_driver import seed_of
from hamlet.errors import RequestError

installed = all(importlib.util.find_spec(package) for package in pong.PACKAGES)
needs = pytest.mark.skipif(not installed, reason="needs the extra atari")


def theirs(seed):
    """PettingZoo's game, and how many frames it idles."""
    import ale_py
    from pettingzoo.atari.pong import pong as pong_v3

    game = pong_v3.parallel_env(obs_type="grayscale_image", auto_rom_install_path=os.path.dirname(ale_py.__file__))
    seen, _ = game.reset(seed=seed)
    for _ in range(np.random.default_rng(seed).integers(31)):
        seen = game.step({"first_0": 0, "second_0": 0})[0]
    return game, seen["first_0"][..., 0]


def slowly(frame):
    """A frame of 210 × 160 to 84 × 84: 2.5 rows and 40 / 21 columns become one, by their means."""
    fine = np.repeat(np.repeat(frame.astype(float), 2, 0), 21, 1)
    return fine.reshape(84, 5, 84, 40).mean((1, 3))


@needs
def test_four_frames_are_a_step_and_four_screens_are_seen():
    own, seed, rng = pong.parallel_env(), 5, np.random.default_rng(0)
    seen, _ = own.reset(seed=seed)
    game, frame = theirs(seed)
    screens = [slowly(frame)] * 4
    for _ in range(24):
        for seat, name in enumerate(own.agents):
            assert seen[name].dtype == np.uint8 and seen[name].shape == (84, 84, 5)
            # Whole numbers from means: never off by more than a half.
            assert np.abs(seen[name][..., :4] - np.stack(screens[-4:], -1)).max() < 0.5 + 1e-3
            assert (seen[name][..., 4] == 255 * seat).all()
        assert np.array_equal(own.state(), seen["first_0"][..., :4])
        actions = {name: int(rng.integers(6)) for name in own.agents}
        frames, paid = [], dict.fromkeys(own.agents, 0.0)
        for _frame in range(4):
            told, rewards, *_ = game.step(actions)
            frames.append(told["first_0"][..., 0])
            paid = {name: paid[name] + rewards[name] for name in paid}
        screens.append(slowly(np.maximum(*frames[-2:])))
        seen, rewards, ends, cuts, _ = own.step(actions)
        assert rewards == paid and not any(ends.values()) and not any(cuts.values())
    assert len({screen.tobytes() for screen in screens}) > 16


@needs
def test_a_game_is_over_at_21_points():
    """Both fire and stand still: points come quickly, and the last one with the last step that there is."""
    own = pong.parallel_env(size=8, skip=7, noops=0, max_steps=417)
    own.reset(seed=1)
    points, steps = np.zeros(2), 0
    while own.agents:
        _, rewards, ends, cuts, _ = own.step(dict.fromkeys(own.agents, 1))
        points, steps = points + [reward > 0 for reward in rewards.values()], steps + 1
    assert all(ends.values()) and not any(cuts.values()) and sorted(points) == [0, 21] and steps == 417


@needs
def test_a_game_of_the_same_seed_is_the_same_and_another_idles_for_another_time():
    def shown(env, seed):
        first = env.reset(seed=seed)[0]["first_0"]
        later = [env.step({"first_0": 1, "second_0": 2})[0]["second_0"] for _ in range(3)]
        return np.stack([first, *later])

    env = pong.parallel_env(size=36)
    found = [shown(env, seed) for seed in (3, 5, 3)]
    idle = [np.random.default_rng(seed).integers(31) for seed in (3, 5)]
    assert np.array_equal(found[0], found[2])
    assert idle[0] != idle[1] and not np.array_equal(found[0], found[1])
    env = pong.parallel_env(size=36, noops=0)
    assert np.array_equal(shown(env, 3), shown(env, 5))


@needs
def test_copies_in_workers_play_the_same_games_without_jax_and_end_by_the_limit_of_time():
    env = make("atari/pong", size=36, stack=2, max_steps=3, processes=1)
    assert env.state_shape == (36, 36, 2) and env.groups[0].names == ("first_0", "second_0")
    own = pong.parallel_env(size=36, stack=2, max_steps=3)
    copies = env.open(7, range(2, 3))
    try:
        pid = copies.workers[0].pid
        view = copies.begin(np.zeros(1, np.int32))
        seen, _ = own.reset(seed=seed_of(7, 2, 0))
        for step in range(4):
            assert np.array_equal(view.observation[0][0], np.stack(list(seen.values())))
            assert np.array_equal(view.state[0], own.state())
            if step < 3:
                copies.send((np.full((1, 2), step + 1, np.int32),))
                came = copies.receive()
                view, (seen, *_) = came.arrival, own.step(dict.fromkeys(own.agents, step + 1))
        assert came.outcome.truncated.all() and not came.outcome.terminated.any()
        assert "jax" not in Path(f"/proc/{pid}/maps").read_text()
    finally:
        copies.close()


@needs
def test_pettingzoos_own_test_passes():
    from pettingzoo.test import parallel_api_test

    parallel_api_test(pong.parallel_env(size=36, max_steps=20), num_cycles=25)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 7}, "size must be 8 to 160, got 7"),
        ({"skip": 0}, "skip must be at least 1, got 0"),
        ({"stack": 0}, "stack must be at least 1, got 0"),
        ({"noops": -1}, "noops must be at least 0, got -1"),
        ({"max_steps": 0}, "max_steps must be at least 1, got 0"),
    ],
)
def test_a_value_out_of_range_is_refused_in_one_line(monkeypatch, options, said):
    monkeypatch.setattr(games.extras, "installed", lambda package: True)
    with pytest.raises(RequestError) as refusal:
        make("atari/pong", **options)
    assert str(refusal.value) == said


def test_without_the_extra_one_line_says_what_brings_it(monkeypatch, capsys):
    monkeypatch.setattr(games.extras, "installed", lambda package: package != "multi_agent_ale_py")
    assert main(["train", "ippo", "atari/pong"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"run {extras.install_line('atari', '')}" in error
