"""What a run remembers of play, in files: every bit where it was, only new rows written, and damage seen."""

import errno
import os

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.backends import device_replay
from hamlet.buffers.replay import Replay, Steps
from hamlet.checkpoints import replay_files
from hamlet.envs.base import View
from hamlet.errors import RunError
from hamlet.files import atomic_write
from pieces import same

ROWS, COPIES = 24, 3
ODD = np.array([0x7FC12345, 0xFFC00001, 0x80000000, 0x7F800000, 1], np.uint32).view(np.float32)


@pytest.fixture(autouse=True)
def five_rows_at_once(monkeypatch):
    row = sum(leaf.nbytes for leaf in jax.tree.leaves(rows(0, 1)))
    monkeypatch.setattr(device_replay, "_BLOCK", 5 * row)


def rows(first, last):
    """Rows of a run; of every kind of leaf, and not all of them finite."""
    draws = [np.random.default_rng(n) for n in range(first, last)]
    normal = lambda *shape: np.stack([draw.normal(size=(COPIES, *shape)) for draw in draws]).astype(np.float32)  # noqa: E731
    whole = lambda *shape: np.stack([draw.integers(0, 2, (COPIES, *shape)) for draw in draws])  # noqa: E731

    def view():
        seen = (normal(2, 3), whole(1, 2, 2).astype(np.uint8))
        return View(seen, normal(5), (whole(2, 4).astype(bool), None), whole(3).astype(bool))

    action, streams = (normal(2, 2), whole(1).astype(np.int32)), {"cost": normal(3)}
    steps = Steps(view(), action, normal(3), whole() > 0, whole().astype(np.int32), view(), streams)
    steps.reward[0, :, 0] = ODD[:COPIES]
    steps.arrival.state[-1, 0] = ODD
    return steps


def after(played):
    """The ring after so many rows, by a loop over rows."""
    steps = jax.tree.map(lambda leaf: np.zeros((ROWS, *leaf.shape[1:]), leaf.dtype), rows(0, 1))
    for n in range(played):
        for room, leaf in zip(jax.tree.leaves(steps), jax.tree.leaves(rows(n, n + 1)), strict=True):
            room[n % ROWS] = leaf[0]
    marks = (jnp.int32(value) for value in (played % ROWS, min(played, ROWS)))
    return Replay(jax.tree.map(jnp.asarray, steps), *marks)


def back(path, played, found):
    return replay_files.read(path, jax.tree.map(jnp.zeros_like, after(0)), played, found)


def covered(found):
    return [n for segment in found for n in range(segment.first, segment.last)]


@pytest.mark.parametrize("stops", [(4,), (8, 20, 24, 28), (24,), (40,), (4, 60), (16, 24, 36, 47, 48, 72)])
def test_a_ring_comes_back_with_every_bit_where_it_was(tmp_path, stops):
    found = []
    for played in stops:
        found = replay_files.write(tmp_path, after(played), played, found)
        assert replay_files.damage(tmp_path, found) is None
        again = back(tmp_path, played, found)
        assert same(again, after(played))
        assert jax.tree.map(lambda leaf: leaf.dtype, again) == jax.tree.map(lambda leaf: leaf.dtype, after(0))


def test_only_rows_played_since_are_written_and_a_segment_stays_until_all_of_it_is_overwritten(tmp_path):
    first = replay_files.write(tmp_path, after(8), 8, [])
    assert [(s.first, s.last) for s in first] == [(0, 5), (5, 8)]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    second = replay_files.write(tmp_path, after(28), 28, first)
    # None goes around the end of the ring, and row 4 still stands in it.
    assert [(s.first, s.last) for s in second] == [(0, 5), (5, 8), (8, 13), (13, 18), (18, 23), (23, 24), (24, 28)]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    third = replay_files.write(tmp_path, after(29), 29, second)
    assert [(s.first, s.last) for s in third] == [*((s.first, s.last) for s in second[1:]), (28, 29)]
    replay_files.prune(tmp_path, third)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(segment.name for segment in third)
    assert same(back(tmp_path, 29, third), after(29))


def test_rows_that_a_ring_overwrote_before_anyone_asked_are_not_missed(tmp_path):
    found = replay_files.write(tmp_path, after(80), 80, replay_files.write(tmp_path, after(8), 8, []))
    assert covered(found) == list(range(80 - ROWS, 80)) and same(back(tmp_path, 80, found), after(80))


def test_every_damage_is_seen_and_named(tmp_path):
    found = replay_files.write(tmp_path, after(20), 20, [])
    path = tmp_path / found[2].name
    good = path.read_bytes()
    for bad in (good[:-1], good[:50] + bytes([good[50] ^ 1]) + good[51:], b""):
        path.write_bytes(bad)
        assert (
            replay_files.damage(tmp_path, found)
            == f"the file {path.name} of its replay buffer was changed after it was written"
        )
    path.unlink()
    assert replay_files.damage(tmp_path, found) == f"the file {path.name} of its replay buffer cannot be read"
    with pytest.raises(RunError, match="cannot be read: No such file"):
        back(tmp_path, 20, found)
    path.write_bytes(good)
    assert replay_files.damage(tmp_path, found) is None
    for some in (found[1:], found[:-1], [*found[:1], *found[2:]]):
        with pytest.raises(RunError, match="does not contain the rows 0 to 19 of the run"):
            back(tmp_path, 20, some)


def test_segments_of_another_ring_are_refused(tmp_path):
    found = replay_files.write(tmp_path, after(4), 4, [])
    other = after(0)
    steps, paid = other.steps, jax.tree.leaves(other.steps)[7:10]
    wide = Steps(steps.view, steps.action[:1], *paid, steps.arrival, steps.streams)
    assert len(jax.tree.leaves(wide)) == len(jax.tree.leaves(other.steps)) - 1
    with pytest.raises(RunError, match="does not contain rows of this run"):
        replay_files.read(tmp_path, Replay(wide, other.head, other.filled), 4, found)


def test_rows_of_an_older_hamlet_are_numbered_by_where_their_episodes_ended(tmp_path, monkeypatch):
    encode = replay_files.encode

    def as_it_was(steps):
        """The flag of the end, under the name that it had, where the number is now."""
        former = eqx.tree_at(lambda tree: tree.episode, steps, steps.episode > 0)
        return encode(former).replace(b'".episode"', b'".ended"')

    for played in (20, 40):
        monkeypatch.setattr(replay_files, "encode", as_it_was)
        found = replay_files.write(tmp_path / str(played), after(played), played, [])
        held = range(max(0, played - ROWS), played)
        ended = np.concatenate([rows(n, n + 1).episode for n in held])
        ring, expected = back(tmp_path / str(played), played, found), after(played).steps
        numbers = np.asarray(ring.steps.episode)[np.array(held) % ROWS]
        np.testing.assert_array_equal(numbers, np.cumsum(ended, axis=0) - ended)
        assert same(ring.steps.view, expected.view) and same(ring.steps.terminated, expected.terminated)


def test_a_full_disk_leaves_what_was_written_before_as_it_was(tmp_path, monkeypatch):
    found, write = replay_files.write(tmp_path, after(8), 8, []), atomic_write.write

    def full(path, data):
        if "000000000018" in path.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(atomic_write, "write", full)
    with pytest.raises(RunError, match=r"^the replay buffer could not be written: No space left on device$"):
        replay_files.write(tmp_path, after(24), 24, found)
    monkeypatch.undo()
    assert same(back(tmp_path, 8, found), after(8))
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_what_a_killed_process_left_aside_is_removed(tmp_path):
    found = replay_files.write(tmp_path, after(8), 8, [])
    (tmp_path / f".{found[0].name}.123").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    replay_files.prune(tmp_path, found)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*(s.name for s in found), "notes.txt"])


def test_what_is_seen_twice_is_kept_once():
    """Rows of a game whose states are all observations joined: a quarter is new, and noise cannot be made smaller."""
    noise = np.random.default_rng(0).integers(0, 256, (401, COPIES, 2, 8, 4), np.uint8).view(np.float32)[..., 0]
    seen, flags = noise.reshape(401, COPIES, 16), np.zeros((400, COPIES), bool)
    view, arrival = (View((noise[k : k + 400],), seen[k : k + 400], (None,), None) for k in (0, 1))
    action, reward = np.zeros((400, COPIES, 2), np.int32), np.zeros((400, COPIES, 1), np.float32)
    steps = Steps(view, (action,), reward, flags, flags, arrival)
    data = replay_files.encode(steps)
    assert 1.0 < len(data) / noise[:400].nbytes < 1.05
    assert same(replay_files.decode(data, steps, 400), steps)
