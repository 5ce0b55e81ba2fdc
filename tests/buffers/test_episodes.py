"""Whole episodes out of a ring of steps, against a slow loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.buffers import episodes
from hamlet.buffers import replay as ring
from hamlet.envs.base import View
from hamlet.errors import RequestError
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.sampling import EpisodeReplay

COPIES, STEPS, LONGEST, CAPACITY = 3, 4, 5, 7
ADD = jax.jit(lambda replay, index, one: (ring.add(replay, one), episodes.add(index, one, LONGEST)))
SAMPLING = EpisodeReplay(copies=COPIES, steps=STEPS, longest=LONGEST, capacity=CAPACITY, samples=2)


def view(row):
    """Everything seen bears the number of its row and copy."""
    seen = row.astype(np.float32)
    return View((seen[..., None, None],), seen[..., None], (None,), None)


def play(rollouts, seed, abandon=False):
    """Rollouts of a game whose episodes last at random from 1 to 12 steps, and every step as (row, copy, flags)."""
    random = np.random.default_rng(seed)
    total = rollouts * STEPS
    ended = random.random((total, COPIES)) < 0.25
    ended[:12, 0] = False  # longer than two pieces
    terminated = ended & (random.random(ended.shape) < 0.5)
    start = np.concatenate([np.ones((1, COPIES), bool), ended[:-1]])
    if abandon:
        start[STEPS * 2] = True  # as after a resume where nothing can be put back
    number = np.arange(total * COPIES).reshape(total, COPIES)
    trajectories = []
    for k in range(rollouts):
        rows = slice(k * STEPS, (k + 1) * STEPS)
        chunk = lambda array, rows=rows: jnp.asarray(array[rows])[None]  # noqa: E731
        trajectories.append(
            Trajectory(
                view=jax.tree.map(chunk, view(number)),
                action=(chunk(number[..., None].astype(np.int32)),),
                reward=chunk(number[..., None].astype(np.float32)),
                start=chunk(start),
                terminated=chunk(terminated),
                truncated=chunk(ended & ~terminated),
                arrival=jax.tree.map(chunk, view(number + 1000)),
                memory=(None,),
                streams={"cost": -chunk(number[..., None].astype(np.float32))},
            )
        )
    return trajectories, number, start, ended, terminated


def remembered(trajectories):
    replay, index = ring.init(trajectories[0], SAMPLING.rows), episodes.init(CAPACITY, COPIES)
    for one in trajectories:
        replay, index = ADD(replay, index, one)
    return replay, index


def pieces(start, ended, total):
    """The slow loop: every episode, or piece of one, in the order in which they end: (first row, copy, steps)."""
    found, first = [], [0] * COPIES
    for row in range(total):
        for copy in range(COPIES):
            if start[row, copy]:
                first[copy] = row
            if ended[row, copy] or row - first[copy] + 1 == LONGEST:
                found.append((first[copy], copy, row - first[copy] + 1))
                first[copy] = row + 1
    return found


@pytest.mark.parametrize("rollouts", [1, 3, 12])
def test_the_table_holds_the_last_episodes_that_ended(rollouts):
    trajectories, _, start, ended, _ = play(rollouts, rollouts)
    _, index = remembered(trajectories)
    expected = pieces(start, ended, rollouts * STEPS)
    assert int(index.count) == len(expected) and int(index.rows) == rollouts * STEPS
    held = list(zip(*(np.asarray(a).tolist() for a in (index.first, index.copy, index.length)), strict=True))
    assert sorted(held[: len(expected)]) == sorted(expected[-CAPACITY:])


def test_a_window_is_its_episode_step_by_step_and_then_padding():
    trajectories, number, start, ended, terminated = play(12, 5)
    replay, index = remembered(trajectories)
    expected = pieces(start, ended, 12 * STEPS)[-CAPACITY:]
    found = jax.jit(lambda i, r: episodes.windows(i, r, jnp.arange(CAPACITY), longest=LONGEST))(index, replay)
    order = [int(k) for k in np.arange(int(index.count) - CAPACITY, int(index.count)) % CAPACITY]
    for slot, (first, copy, length) in zip(order, expected, strict=True):
        own = [int(number[first + k, copy]) for k in range(length)]
        assert found.present[:, slot].tolist() == [True] * length + [False] * (LONGEST - length)
        assert found.last[:, slot].tolist() == [k == length - 1 for k in range(LONGEST)]
        assert found.view.state[:length, slot, 0].tolist() == own
        assert float(found.view.state[length, slot, 0]) == own[-1] + 1000  # what was arrived at, before any restart
        assert found.view.observation[0][: length + 1, slot, 0, 0].tolist() == [*own, own[-1] + 1000]
        assert found.action[0][:length, slot, 0].tolist() == own and found.reward[:length, slot, 0].tolist() == own
        assert (-found.streams["cost"])[:length, slot, 0].tolist() == own
        assert found.terminated[:length, slot].tolist() == terminated[first : first + length, copy].tolist()


def test_an_episode_that_was_abandoned_is_not_entered_and_none_is_drawn_that_the_ring_lost():
    trajectories, *_, start, ended, _ = play(12, 6, abandon=True)
    replay, index = remembered(trajectories)
    assert int(index.count) == len(pieces(start, ended, 12 * STEPS))
    gone = episodes.Index(index.first.at[0].set(0), index.copy, index.length, index.count, index.rows, index.since)
    found = episodes.windows(gone, replay, jnp.arange(2), longest=LONGEST)
    assert not found.present[:, 0].any() and found.present[:, 1].any()


def test_all_that_are_held_are_drawn_alike():
    trajectories, *_ = play(12, 7)
    replay, index = remembered(trajectories)
    draw = jax.jit(lambda key: episodes.sample(index, replay, 2000, key, longest=LONGEST).view.state[0, :, 0])
    values, counts = np.unique(np.asarray(draw(jax.random.key(0))), return_counts=True)
    assert len(values) == CAPACITY and counts.min() > 2000 / CAPACITY * 0.8
    replay, index = remembered(trajectories[:2])
    held = int(index.count)
    assert 0 < held < CAPACITY
    some = episodes.sample(index, replay, 50, jax.random.key(1), longest=LONGEST)
    assert some.present[0].all() and len(np.unique(np.asarray(some.view.state[0]))) == held


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"longest": 0}, "--episode-length must be at least 1, not 0"),
        ({"samples": 0}, "--batch-size must be at least 1, not 0"),
        ({"capacity": 8}, "--buffer-size 8 is smaller than a batch of 32 episodes: the least is --buffer-size 32"),
    ],
)
def test_what_cannot_be_sampled_is_refused(settings, said):
    with pytest.raises(RequestError, match=said):
        EpisodeReplay(**settings)
