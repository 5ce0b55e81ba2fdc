"""The loop around the compiled iterations: what stops it, what it keeps, how it goes on."""

import errno
import os
import random
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
import offpolicy
from combinations import KILLED
from games import Pot
from hamlet.checkpoints import checkpoint
from hamlet.evaluation import evaluation_log
from hamlet.files import atomic_write
from hamlet.runs.metrics import Metrics
from hamlet.training.run import SavedRun
from pieces import same

pytestmark = pytest.mark.usefixtures("programs_once")

COPIES, STEPS = 4, 8
BATCH = COPIES * STEPS


def declared(name, **settings):
    size = {"hidden": (16,), "num_envs": COPIES, "rollout_length": STEPS}
    return hamlet.algorithms.make(name, **size, **settings)


train = partial(hamlet.train, quiet=True, evaluate_episodes=0)


def finite(run):
    return all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(run.training().learner))


@pytest.mark.slow
def test_rewards_that_are_no_number_stop_the_run_with_what_who_when_where_and_what_is_left(tmp_path):
    with pytest.raises(hamlet.RunError) as stopped:
        train(
            declared("happo"),
            Pot(broken_above=3.2),
            steps=100 * BATCH,
            out=tmp_path / "a",
            checkpoint_every=BATCH,
        )
    line = str(stopped.value)
    said = re.fullmatch(
        r"(\w+) of (left|right|team|the team) is not finite at iteration (\d+), first in tensor learner(\.\S+); "
        r"the last good checkpoint is of step (\d+) in (\S+)",
        line,
    )
    assert said, line
    assert int(said[3]) > 1 and int(said[5]) == (int(said[3]) - 1) * BATCH
    assert Path(said[6]) == tmp_path / "a" / "checkpoints"
    run = SavedRun(tmp_path / "a")
    assert int(run.training().iteration) == int(said[3]) - 1 and finite(run)


@pytest.mark.slow
def test_parameters_that_overflow_in_the_last_step_of_an_iteration_are_never_saved(tmp_path):
    """The metrics are those of before that step, and finite."""
    wild = declared("maa2c", learning_rate=1e39, epochs=1, entropy=0.0)
    with pytest.raises(
        hamlet.RunError, match=r"tensor learner\.team\.actors.* is not finite after iteration 1.*no checkpoint yet"
    ):
        train(wild, Pot(), steps=10 * BATCH, out=tmp_path / "a", checkpoint_every=BATCH)
    assert checkpoint.steps(tmp_path / "a" / "checkpoints") == []


class Full:
    """A sink on a disk that is full after some steps."""

    def write(self, step, values):
        if step > 3 * BATCH:
            raise OSError(errno.ENOSPC, "No space left on device")

    def close(self):
        pass


@pytest.mark.parametrize("what", ["sink", "metrics", "checkpoint"])
def test_a_full_disk_stops_a_run_with_where_it_stands_and_how_to_go_on(tmp_path, monkeypatch, what):
    out, whole, written = tmp_path / "my run", atomic_write.write, Metrics.write

    def write(path, data, **how):
        if path.name == "manifest.json" and path.parent.name.startswith(f".{4 * BATCH:012d}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(path, data, **how)

    def record(self, rows):
        if any(step > 3 * BATCH for step, _ in rows):
            raise hamlet.RunError("the metrics: database or disk is full")
        written(self, rows)

    with monkeypatch.context() as full:
        if what == "checkpoint":
            full.setattr(atomic_write, "write", write)
        if what == "metrics":
            full.setattr(Metrics, "write", record)
        sinks = [lambda path: Full()] if what == "sink" else []
        with pytest.raises(hamlet.RunError) as stopped:
            train(declared("mappo"), Pot(), steps=6 * BATCH, out=out, checkpoint_every=BATCH, sinks=sinks)
    line, newest = str(stopped.value), checkpoint.steps(out / "checkpoints")[-1]
    assert "\n" not in line and newest == 3 * BATCH and str(newest) in line
    assert ("full" if what == "metrics" else "No space left on device") in line
    assert line.endswith(f"; to continue: hamlet resume '{out}'")
    assert int(hamlet.resume(out, quiet=True).training().iteration) == 6


@pytest.mark.slow
def test_a_team_is_not_trained_on_rewards_that_only_change_hands_and_ippo_is(tmp_path):
    game = Pot(constant_sum=True)
    with pytest.raises(hamlet.RequestError, match=r"sum to a constant.*use matrl or ippo"):
        train(declared("happo"), game, steps=2 * BATCH, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()
    run = train(declared("ippo"), game, steps=2 * BATCH, out=tmp_path / "b")
    assert int(run.training().iteration) == 2


@pytest.mark.parametrize("total", [10, 45])
def test_a_checkpoint_is_written_at_least_every_twentieth_of_a_run(tmp_path, monkeypatch, total):
    saved = [0]
    monkeypatch.setattr(checkpoint, "save", lambda *_, step, **__: saved.append(step // BATCH))
    train(declared("mappo"), Pot(), steps=total * BATCH, out=tmp_path / "a")
    assert saved[-1] == total and np.diff(saved).max() <= max(1, total / 20)


def test_checkpoints_stand_where_they_were_asked_for_and_two_are_kept(tmp_path):
    train(declared("mappo"), Pot(), steps=11 * BATCH, out=tmp_path / "a", checkpoint_every=4 * BATCH)
    assert checkpoint.steps(tmp_path / "a" / "checkpoints") == [8 * BATCH, 11 * BATCH]


def test_minibatches_that_do_not_divide_a_batch_are_refused_with_the_nearest(tmp_path):
    for settings, flag in (({"minibatches": 7}, "--minibatches"), ({"critic_minibatches": 7}, "--critic-minibatches")):
        with pytest.raises(
            hamlet.RequestError, match=f"{flag} 7 does not divide a batch of 32 sequences; the nearest is 8"
        ):
            train(declared("happo", **settings), Pot(), steps=BATCH, out=tmp_path / "a")
    with pytest.raises(hamlet.RequestError, match="--sequence-length 5 does not divide --rollout-length 8; try 4"):
        train(declared("happo", memory=8, chunk=5), Pot(), steps=BATCH, out=tmp_path / "a")
    assert not (tmp_path / "a").exists()


@pytest.mark.slow
def test_a_run_begun_from_another_has_its_weights_and_nothing_else(tmp_path, monkeypatch):
    first = train(declared("mappo"), Pot(), steps=2 * BATCH, out=tmp_path / "a")
    still = declared("mappo", learning_rate=0.0, critic_learning_rate=0.0)
    monkeypatch.chdir(tmp_path)  # resumed from elsewhere before its first checkpoint, it must find the other again
    second = train(still, Pot(), steps=BATCH, out=tmp_path / "b", seed=5, init_from="a")
    old, new = first.training().learner, second.training().learner
    assert same(old.team.actors, new.team.actors) and same(old.critic.networks, new.critic.networks)
    counts = [leaf for leaf in jax.tree.leaves(new.team.states) if jnp.issubdtype(leaf.dtype, jnp.integer)]
    assert counts and all((count == 5).all() for count in counts)  # the five epochs of its one iteration
    assert int(second.training().iteration) == 1
    assert second.directory.config()["init_from"] == str(tmp_path / "a")
    with pytest.raises(hamlet.RequestError, match="do not have the shapes"):
        wide = hamlet.algorithms.mappo(hidden=(8,), num_envs=COPIES, rollout_length=STEPS)
        train(wide, Pot(), steps=BATCH, out=tmp_path / "c", init_from=tmp_path / "a")


SCRIPT = """
import sys
from pathlib import Path
import hamlet
import offpolicy
from combinations import KILLED
from games import Pot
name, path, steps = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
if (path / "config.json").exists():
    hamlet.resume(path, quiet=True)
else:
    algorithm, game = offpolicy.tried(name) if name in offpolicy.NAMES else (
        hamlet.algorithms.make(name, hidden=(16,), num_envs=4, rollout_length=8), Pot()
    )
    points = {"evaluate_every": 7 * 32, "evaluate_episodes": 8}
    hamlet.train(algorithm, game, steps=steps, seed=3, out=path, checkpoint_every=10 * 32, quiet=True, **points)
"""


def _path():
    """Where a process finds the games of the tests, and what this one was told to find."""
    return os.pathsep.join((str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")))


def begin(name, path, steps):
    environment = os.environ | {"PYTHONPATH": _path(), "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", SCRIPT, name, str(path), str(steps)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def killed_and_resumed(name, path, steps, kills, seed):
    """Starts the run again until it is done; the first ``kills`` times it is killed soon after a new checkpoint."""
    draw, done = random.Random(seed), 0
    while True:
        process = begin(name, path, steps)
        before = checkpoint.steps(path / "checkpoints")[-1:]
        while done < kills and process.poll() is None:
            if checkpoint.steps(path / "checkpoints")[-1:] != before:
                time.sleep(draw.uniform(0.0, 0.15))
                process.send_signal(signal.SIGKILL)
                process.wait()
                done += 1
            time.sleep(0.002)
        said = process.communicate()[1]
        if process.returncode == -signal.SIGKILL:
            continue
        assert process.returncode == 0, said
        assert done == kills, "the run was done before it could be killed that often"
        return


def evaluated(run):
    """Every point, the best policy, and the absolute metric."""
    with Metrics(run.directory.metrics) as metrics:
        points = metrics.evaluations()
        np.testing.assert_allclose(metrics.read("evaluation/return")[1], points.team.mean(1), rtol=1e-12)
    assert points.steps.tolist() == [*range(7 * BATCH, run.directory.config()["steps"], 7 * BATCH), *points.steps[-1:]]
    actors, step = run.actors(best=True)
    assert step == points.steps[points.team.mean(1).argmax()]
    [absolute] = evaluation_log.points(run.directory)
    return points.steps.tolist(), points.returns.tolist(), step, [a.tolist() for a in jax.tree.leaves(actors)], absolute


@pytest.mark.parametrize(
    ("name", "kills"),
    [
        *((name, 2) for name, slow in KILLED.items() if not slow),
        *(pytest.param(name, 20, marks=pytest.mark.slow) for name in KILLED),
    ],
)
def test_a_run_killed_at_any_moment_and_resumed_ends_in_the_bits_of_one_that_never_was(tmp_path, name, kills):
    steps = (60 if kills == 2 else 600) * BATCH
    algorithm, game = offpolicy.tried(name) if name in offpolicy.NAMES else (declared(name), Pot())
    settings = {"steps": steps, "seed": 3, "checkpoint_every": 10 * BATCH}
    points = {"evaluate_every": 7 * BATCH, "evaluate_episodes": 8}
    plain = train(algorithm, game, out=tmp_path / "plain", **settings)
    whole = train(algorithm, game, out=tmp_path / "a", **settings | points)
    killed_and_resumed(name, tmp_path / "b", steps, kills, seed=1)
    killed = SavedRun(tmp_path / "b")
    assert same(plain.training(), whole.training()) and same(whole.training(), killed.training())
    assert evaluated(whole) == evaluated(killed)
    if name in offpolicy.NAMES:
        assert same(offpolicy.remembered(whole), offpolicy.remembered(killed))
