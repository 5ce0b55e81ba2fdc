"""Learning rates that fall over a run."""

import shutil
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import Pot
from hamlet.backends.jax_backend import begin_training, iterate, left
from hamlet.training.run import SavedRun
from offpolicy import EVERYWHERE
from pieces import same

BATCH = 4 * 8
OTHERS = [pytest.param(name, marks=pytest.mark.slow) for name in EVERYWHERE if name not in ("happo", "hatrpo")]


def declared(name, **settings):
    return hamlet.algorithms.make(name, hidden=(16,), num_envs=4, rollout_length=8, critic_epochs=1, **settings)


@cache
def stepped(name):
    """The networks before the first iteration, and after it for some shares of the run that are left."""
    algorithm = declared(name, learning_rate_decay="linear", **({} if name == "hatrpo" else {"epochs": 1}))
    program = jax.jit(lambda training, remaining: iterate(algorithm, Pot(), training, remaining)[0])
    start = jax.jit(lambda: begin_training(algorithm, Pot(), 0))()
    networks = lambda training: (training.learner.team.actors, training.learner.critic.networks)  # noqa: E731
    ends = {share: networks(program(start, jnp.float32(share))) for share in (1.0, 0.5, 0.0)}
    return networks(start), ends


@pytest.mark.parametrize("name", ["happo", "hatrpo", *OTHERS])
def test_a_first_step_is_as_long_as_the_share_of_the_run_that_is_left(name):
    """Adam's first step is the rate times a number without it, but for M, which the second agent owes to the first."""
    (actors, critics), ends = stepped(name)
    assert same(ends[0.0][1], critics)
    halves = [(critics, ends[0.5][1], ends[1.0][1])]
    if name == "hatrpo":
        assert same(ends[0.0][0], ends[1.0][0]) and not same(ends[0.0][0], actors)
    else:
        assert same(ends[0.0][0], actors)
        halves.append((actors, ends[0.5][0], ends[1.0][0]))
    for trio in halves:
        for before, half, full in zip(*map(jax.tree.leaves, trio), strict=True):
            np.testing.assert_allclose(2 * (half - before), full - before, atol=2e-6)
        assert not same(trio[0], trio[2])


def test_the_share_that_is_left_falls_evenly_from_one_to_one_iteration_of_the_whole():
    shares = [float(left(jnp.int32(done), jnp.int32(4))) for done in range(5)]
    assert shares == [1.0, 0.75, 0.5, 0.25, 0.0]


@pytest.mark.slow
def test_a_run_that_was_cut_goes_on_to_the_same_bits_and_a_longer_one_at_the_rate_of_the_longer(tmp_path):
    settings = {"checkpoint_every": BATCH, "quiet": True, "evaluate_episodes": 0}
    algorithm = declared("happo", epochs=1, learning_rate_decay="linear")
    whole = hamlet.train(algorithm, Pot(), steps=4 * BATCH, out=tmp_path / "whole", **settings)
    end = whole.training()
    shutil.rmtree(max(whole.directory.checkpoints.iterdir()))
    assert int(whole.training().iteration) == 3
    assert same(hamlet.resume(whole.path, quiet=True).training(), end)

    plain = hamlet.train(declared("happo", epochs=1), Pot(), steps=4 * BATCH, out=tmp_path / "plain", **settings)
    assert not same(plain.training().learner, end.learner)
    longer = hamlet.resume(whole.path, steps=8 * BATCH, quiet=True)
    assert int(SavedRun(longer.path).training().iteration) == 8 and not same(
        longer.training().learner.team, end.learner.team
    )
