"""Runs that remember: what they say and refuse, what they measure, and that they go on as if never stopped."""

import errno
import os
import re
import shutil
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import jax
import numpy as np
import pytest

import hamlet
from hamlet.backends.jax_backend import JaxBackend, begin_training
from hamlet.checkpoints import checkpoint
from hamlet.files import atomic_write
from hamlet.runs.metrics import Metrics
from hamlet.training import budget, loop
from hamlet.training.run import SavedRun
from hostgames import OnHost, Ride
from offpolicy import BATCH, UPDATES, remembered, remembering
from pieces import same

pytestmark = pytest.mark.usefixtures("programs_once")

ITERATIONS = 6


def train(path, *, env=None, iterations=ITERATIONS, algorithm=None, **options):
    algorithm, env = algorithm or remembering(), env or Ride()
    own = {"quiet": True, "seed": 3, "evaluate_episodes": 0}
    return hamlet.train(algorithm, env, steps=iterations * BATCH, out=path, **(own | options))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run whose ring went around twice, with a checkpoint after every iteration."""
    return train(tmp_path_factory.mktemp("whole") / "run", checkpoint_every=BATCH)


@pytest.fixture
def copied(tmp_path, whole):
    """A copy of it, to be maltreated."""
    return SavedRun(shutil.copytree(whole.path, tmp_path / "run"))


@pytest.mark.slow
def test_a_run_that_goes_on_ends_in_the_bits_of_one_that_never_stopped(tmp_path, whole):
    part = train(tmp_path / "a", iterations=4)
    assert remembered(part).head == 12 and remembered(part).filled == 36
    longer = hamlet.resume(part.path, steps=ITERATIONS * BATCH, quiet=True)
    assert same(longer.training(), whole.training()) and same(remembered(longer), remembered(whole))


@pytest.mark.slow
def test_a_run_on_the_host_goes_on_with_what_it_remembers(tmp_path):
    env = OnHost(Ride())
    end = train(tmp_path / "a", env=env, iterations=4)
    part = train(tmp_path / "b", env=env, iterations=2)
    hamlet.resume(part.path, steps=4 * BATCH, quiet=True)
    assert same(part.training(), end.training()) and same(remembered(part), remembered(end))


@pytest.mark.slow
def test_an_environment_that_fails_within_a_rollout_costs_nothing_that_was_remembered(tmp_path):
    with pytest.raises(hamlet.RunError, match=r"as asked, in iteration 3; the last good checkpoint is of step 96 "):
        train(tmp_path / "a", env=OnHost(Ride(), fails_at=5), checkpoint_every=100 * BATCH)
    failed, good = SavedRun(tmp_path / "a"), train(tmp_path / "b", env=OnHost(Ride()), iterations=2)
    assert same(failed.training(), good.training()) and same(remembered(failed), remembered(good))


@pytest.mark.slow
def test_a_full_disk_ends_a_run_with_the_checkpoint_before_intact(tmp_path, monkeypatch, whole):
    write = atomic_write.write

    def full(path, data):
        if path.name.startswith("000000000048"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    monkeypatch.setattr(atomic_write, "write", full)
    with pytest.raises(hamlet.RunError) as said:
        train(tmp_path / "a", checkpoint_every=BATCH)
    assert re.fullmatch(
        r"the replay buffer could not be written: No space left on device; the last good checkpoint is \S+000192; "
        r"to continue: hamlet resume \S+",
        str(said.value),
    )
    monkeypatch.undo()
    again = hamlet.resume(tmp_path / "a", quiet=True)
    assert same(again.training(), whole.training()) and same(remembered(again), remembered(whole))


def test_only_segments_that_a_standing_checkpoint_needs_are_kept(whole):
    needed = {
        f"{first:012d}-{last:012d}-{digest[:16]}.rows"
        for extra in checkpoint.extras(whole.directory.checkpoints)
        for first, last, digest in extra["replay"]
    }
    assert {path.name for path in whole.directory.replay.iterdir()} == needed
    assert len(needed) == 4  # three rollouts in the ring, and the one that the checkpoint before still has


@pytest.mark.parametrize("harm", ["changed", "gone"])
def test_a_checkpoint_whose_segment_is_damaged_is_passed_over_and_the_run_ends_as_it_would_have(copied, whole, harm):
    newest = max(copied.directory.replay.iterdir())
    newest.write_bytes(newest.read_bytes()[:-1]) if harm == "changed" else newest.unlink()
    with pytest.warns(UserWarning, match=rf"288 is damaged and skipped: the file {newest.name} of its replay buffer"):
        again = hamlet.resume(copied.path, quiet=True)
    assert same(again.training(), whole.training()) and same(remembered(again), remembered(whole))


def test_a_run_is_judged_and_its_policy_loaded_without_what_it_remembers(copied, whole):
    for path in copied.directory.replay.iterdir():
        path.unlink()
    copied.directory.replay.rmdir()
    assert same(copied.evaluate(4).returns, whole.evaluate(4).returns)
    assert set(hamlet.load_policy(copied.path).agents) == {"driver_0", "pusher_0"}
    with pytest.warns(UserWarning, match="of its replay buffer cannot be read"), pytest.raises(hamlet.RunError) as said:
        hamlet.resume(copied.path, steps=10 * BATCH, quiet=True)
    assert "no good checkpoint" in str(said.value)


def test_nothing_is_measured_of_updates_that_were_not_made(whole):
    with Metrics(whole.directory.metrics) as metrics:
        steps, updates = metrics.read("updates")
        assert steps.tolist() == [BATCH * (k + 1) for k in range(ITERATIONS)]
        assert updates.tolist() == [0, *[UPDATES] * (ITERATIONS - 1)]
        for name in ("critic/loss/team", "actor/surrogate/driver_0", "actor/surrogate/pusher_0"):
            assert metrics.read(name)[0].tolist() == steps[1:].tolist()
        assert "moves" not in metrics.names()


def test_actors_that_move_less_often_than_a_rollout_are_not_measured_where_they_stood_still():
    infos = {"actor/surrogate": [[0.0], [2.0]], "critic/loss": [[3.0], [4.0]], "updates": [4, 4], "moves": [0, 1]}
    host = {name: np.array(values) for name, values in infos.items()}
    owners = {"actor": ("driver_0",), "critic": ("team",)}
    assert loop._named(host, owners, 0) == {"critic/loss/team": 3.0, "updates": 4.0}
    assert loop._named(host, owners, 1) == {"actor/surrogate/driver_0": 2.0, "critic/loss/team": 4.0, "updates": 4.0}
    del host["updates"], host["moves"]  # of an algorithm that learns from every rollout
    assert loop._named(host, owners, 0) == {"actor/surrogate/driver_0": 0.0, "critic/loss/team": 3.0}


def test_a_run_begun_from_another_has_its_networks_as_targets_too(tmp_path, whole):
    run = train(tmp_path / "a", iterations=1, init_from=whole.path, seed=9)  # and that one was to warm up
    old, new = whole.training().learner, run.training().learner
    assert same(new.team.actors, old.team.actors) and same(new.targets, old.team.actors)
    assert same(new.critic.networks, old.critic.networks) and same(new.critic.targets, old.critic.networks)
    assert int(new.updates) == 0 and not same(old.targets, old.team.actors)


@pytest.mark.parametrize("env", [Ride(), OnHost(Ride())], ids=["compiled", "host"])
def test_a_ring_beyond_the_memory_is_refused_before_anything_is_made_with_one_that_fits(
    tmp_path, monkeypatch, capsys, env
):
    # A step: 2 + 3 observed and 3 of a state, twice; 2 of actions, 2 rewards, a flag, an episode: 85 bytes.
    monkeypatch.setattr(budget, "present", lambda used: 1_000_000)
    with pytest.raises(hamlet.RequestError) as refused:
        train(tmp_path / "a", env=env, algorithm=remembering(buffer_size=48_000), quiet=False)
    assert str(refused.value) == (
        "a replay buffer of 48,000 steps takes 0.0 GB, but the machine has only 0.0 GB; try --buffer-size 5800"
    )
    assert "replay buffer of 48,000 steps takes 4 MB" in capsys.readouterr().err
    assert not (tmp_path / "a").exists()


def test_a_ring_that_fits_with_nothing_beside_it_is_refused_too(monkeypatch):
    ring = jax.eval_shape(lambda: begin_training(remembering(buffer_size=48_000), Ride(), 0)).replay
    made = dict.fromkeys(("env", "place", "call", "remarks", "close"), print)  # none of which is asked for
    made |= {"compile_seconds": 1.0, "rollout_bytes": 10, "ring": ring, "algorithm": remembering(buffer_size=48_000)}
    monkeypatch.setattr(budget, "present", lambda used: 4_000_000)
    said = []
    budget.describe(SimpleNamespace(bytes_needed=4_000_000, **made), jax.devices()[:1], said.append)
    with pytest.raises(
        hamlet.RequestError, match=r"^training needs 0\.0 GB of memory, but .*; try --buffer-size 23000$"
    ):
        budget.describe(SimpleNamespace(bytes_needed=4_000_001, **made), jax.devices()[:1], said.append)
    # Where it is not the ring that takes the memory, a smaller one would not help: here it is the rollout.
    parted = replace(made["algorithm"], accumulation=made["algorithm"].sampling.samples)
    made |= {"env": Ride(), "algorithm": parted, "rollout_bytes": 8_000_000}
    with pytest.raises(hamlet.RequestError, match=r"; try --num-envs 1$"):
        budget.describe(SimpleNamespace(bytes_needed=9_000_000, **made), jax.devices()[:1], said.append)
    assert said == ["compiled in 1.0 s; training needs 4 MB, of which a rollout takes 0 MB"] * 2 + [
        "compiled in 1.0 s; training needs 9 MB, of which a rollout takes 8 MB"
    ]


def test_of_a_ring_that_every_device_of_a_cpu_has_whole_all_are_counted(monkeypatch):
    ring = jax.eval_shape(lambda: begin_training(remembering(buffer_size=48_000), Ride(), 0)).replay
    monkeypatch.setattr(budget, "present", lambda used: 6_000_000)
    for count in (1, 2):
        with pytest.raises(hamlet.RequestError, match="a replay buffer of 48,000") if count == 2 else nullcontext():
            budget.check_memory(remembering(buffer_size=48_000), ring, jax.devices()[:1] * count, lambda line: None)


def test_a_ring_that_cannot_hold_a_batch_in_half_of_the_memory_is_no_advice(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "present", lambda used: 5_000)
    with pytest.raises(hamlet.RequestError, match=r"try fewer --num-envs$"):
        train(tmp_path / "a")


@pytest.mark.slow
def test_a_ring_is_made_once_and_where_it_lies():
    """Neither begun nor placed with a second one beside it: a program's state is given without."""
    algorithm, place = remembering(), JaxBackend(Ride())
    assert place.outline(algorithm).replay is None and place.begin(algorithm)(0).replay is None
    program = place.compile(algorithm, jax.devices()[:1], 0)
    placed = program.place(place.begin(algorithm)(0))
    assert placed.replay.steps.episode.shape == (36, 4) and not any(
        np.any(leaf) for leaf in jax.tree.leaves(placed.replay)
    )
    sizes = program.compiled.memory_analysis()
    assert sizes.alias_size_in_bytes >= budget.taken(program.ring)  # it is written where it lies
