"""The ring: what it holds, in which order it forgets, and what a sample of it is."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.buffers import replay as ring
from hamlet.envs.base import View
from hamlet.estimation.trajectory import Trajectory

COPIES, STEPS, ROWS = 3, 4, 12


def rollout(number, rng, before):
    """Four steps of three copies whose observations say when and where they were seen; ``before`` is who begins."""
    when = np.arange(STEPS)[:, None] + number * STEPS
    name = (when * 10 + np.arange(COPIES)).astype(np.float32)[None]
    ended, final = rng.random((2, 1, STEPS, COPIES)) < [[[[0.3]]], [[[0.5]]]]
    reward = rng.standard_normal((1, STEPS, COPIES, 2)).astype(np.float32)
    view = lambda shift: View((name[..., None, None] + shift,), name[..., None] + shift, (None,), None)  # noqa: E731
    return Trajectory(
        view=view(0.0),
        start=np.concatenate([before[None, None], ended[:, :-1]], axis=1),
        action=(np.asarray(name[..., None], np.int32),),
        reward=reward,
        terminated=ended & final,
        truncated=ended & ~final,
        arrival=view(0.5),
        memory=(None,),
        streams={"cost": 3 * reward},
    )


def filled(count, seed=0, anew=None):
    rng, before, played = np.random.default_rng(seed), np.ones(COPIES, bool), []
    for number in range(count):
        one = rollout(number, rng, before)
        before = (one.terminated | one.truncated)[0, -1]
        if number + 1 == anew:
            before = np.ones(COPIES, bool)  # as after a resume where nothing can be put back
        played.append(jax.tree.map(jnp.asarray, one))
    replay = ring.init(played[0], ROWS)
    for one in played:
        replay = ring.add(replay, one)
    return replay, played


def history(played):
    """All that was played, in order: rewards ``[T, E, n]``, who terminated, where the next step begins anew, names."""
    join = lambda leaves: np.concatenate([np.asarray(leaf)[0] for leaf in leaves])  # noqa: E731
    return (
        join([one.reward for one in played]),
        join([one.terminated for one in played]),
        np.concatenate([join([one.start for one in played])[1:], np.ones((1, COPIES), bool)]),
        join([one.view.state for one in played])[..., 0],
    )


@pytest.mark.parametrize("count", [1, 2, 3, 5, 7])
def test_it_holds_the_newest_steps_and_no_other(count):
    replay, played = filled(count)
    kept = min(count * STEPS, ROWS)
    assert int(replay.filled) == kept and int(replay.head) == count * STEPS % ROWS
    names = history(played)[3][-kept:]
    rows = (int(replay.head) - kept + np.arange(kept)) % ROWS
    np.testing.assert_array_equal(np.asarray(replay.steps.view.state)[rows][..., 0], names)


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize(("count", "anew"), [(2, None), (5, None), (2, 1), (5, 3), (7, 4)])
def test_a_window_is_what_a_slow_loop_adds_up_and_never_crosses_into_another_episode_or_the_newest_step(
    window, count, anew
):
    replay, played = filled(count, seed=count, anew=anew)
    reward, terminated, over, names = history(played)
    kept = int(replay.filled)
    first = len(reward) - kept
    age, copy = (grid.ravel() for grid in np.meshgrid(np.arange(kept), np.arange(COPIES), indexing="ij"))
    found = ring.windows(replay, jnp.asarray(age, jnp.int32), jnp.asarray(copy, jnp.int32), discount=0.9, window=window)
    for b, (a, c) in enumerate(zip(age, copy, strict=True)):
        total, weight, at = np.zeros(2), 1.0, first + a
        while True:
            total, weight = total + weight * reward[at, c], weight * 0.9
            if over[at, c] or at + 1 == len(reward) or at + 1 - first - a == window:
                break
            at += 1
        np.testing.assert_allclose(found.reward[b], total, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.streams["cost"][b], 3 * total, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(found.discount[b], 0.0 if terminated[at, c] else weight, rtol=1e-6)
        assert found.view.state[b, 0] == names[first + a, c] == found.action[0][b, 0]
        assert found.arrival.state[b, 0] == names[at, c] + 0.5


def test_a_window_ends_at_the_newest_step_also_where_one_episode_fills_the_ring():
    replay, played = filled(5)
    one = eqx.tree_at(lambda r: r.steps.episode, replay, jnp.ones_like(replay.steps.episode))
    newest = jnp.full(COPIES, ROWS - 1, jnp.int32)
    found = ring.windows(one, newest, jnp.arange(COPIES, dtype=jnp.int32), discount=0.9, window=3)
    np.testing.assert_array_equal(found.reward, history(played)[0][-1])


def test_every_step_held_is_drawn_equally_often_and_none_that_is_not():
    replay, played = filled(2)  # eight of twelve rows
    drawn = ring.sample(replay, 24_000, jax.random.key(0), discount=0.9, window=1)
    names, counts = np.unique(np.asarray(drawn.view.state)[:, 0], return_counts=True)
    np.testing.assert_array_equal(names, np.sort(history(played)[3].ravel()))
    assert np.abs(counts - 1000).max() < 5 * 1000**0.5


def test_it_is_ready_once_it_holds_a_batch():
    replay, _ = filled(1)
    assert bool(ring.ready(replay, STEPS * COPIES)) and not bool(ring.ready(replay, STEPS * COPIES + 1))


def test_its_bytes_are_those_of_its_arrays():
    replay, played = filled(1)
    assert ring.size_in_bytes(played[0], ROWS) == sum(leaf.nbytes for leaf in jax.tree.leaves(replay))
