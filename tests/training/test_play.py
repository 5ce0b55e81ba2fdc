"""The same play from the same policies and keys: compiled, through Python objects, and however the copies are cut."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from combinations import PLAYED_ALIKE
from hamlet.algorithms import ALGORITHMS
from hamlet.backends import host_backend
from hamlet.backends.jax_backend import begin_training, roster_of
from hamlet.networks.exploration import Rate
from hamlet.rollouts import host_games
from hamlet.rollouts.rollout import begin, rollout
from hostgames import OnHost, Ride, Slide

COPIES, STEPS, LENGTH = 4, 8, 4
KEY = jax.random.key(7)


def declared(name):
    known = inspect.signature(ALGORITHMS[name]).parameters
    sizes = {"hidden": (8,), "num_envs": COPIES, "rollout_length": STEPS, "duelling_hidden": 8}
    sizes |= {"rnn_size": 4, "sequence_length": LENGTH, "episode_length": LENGTH, "buffer_size": 64, "batch_size": 8}
    return hamlet.algorithms.make(name, **{key: value for key, value in sizes.items() if key in known})


def game_for(algorithm):
    if "Box" not in algorithm.actions:
        return hamlet.envs.make("matrix/climbing", rounds=3)
    return Slide() if "Discrete" in algorithm.actions else Ride()


def away(actors):
    """Policies that are not near uniform, as the first are; those with a rate explore half of the time."""
    rng = np.random.default_rng(5)

    def part(leaf):
        if isinstance(leaf, Rate):
            return Rate(jnp.full_like(leaf.value, 0.5))
        return leaf + 0.3 * rng.standard_normal(leaf.shape).astype(np.float32)

    return jax.tree.map(part, actors, is_leaf=lambda leaf: isinstance(leaf, Rate))


def hosted(algorithm, game, actors, parts):
    """A rollout through Python objects, the copies in so many parts."""
    env, roster = OnHost(game), roster_of(algorithm, game)
    games = host_games.Games(env, 0, COPIES, parts=parts)
    try:
        games.begin(np.zeros(COPIES, np.int32))
        play = host_games.blank(env, algorithm.body, COPIES, 0)
        length = algorithm.sampling.length(memory=algorithm.body.memory)
        storage = host_backend.Storage(roster, host_games.whole_view(games.halves), play, steps=STEPS, length=length)
        rows = [half.rows for half in games.halves]
        acting = host_backend.Acting(roster, actors, (STEPS // length, length), rows, jax.devices()[0])
        acting.begin(actors, KEY)
        assert host_backend.rollout(games, acting, storage, play, host_backend.Stopwatch(), stop=bool) is not None
        return jax.tree.map(np.array, storage.trajectory())
    finally:
        games.close()


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow if slow else ()) for n, slow in PLAYED_ALIKE.items()]
)
def test_every_algorithm_plays_the_same_hosted_compiled_and_by_halves(name):
    algorithm = declared(name)
    game = game_for(algorithm)
    roster, length = roster_of(algorithm, game), algorithm.sampling.length(memory=algorithm.body.memory)
    actors = away(jax.jit(lambda: begin_training(algorithm, game, 3).learner.team.actors)())
    go = jax.jit(partial(rollout, game, roster, actors, steps=STEPS, length=length, key=KEY))
    compiled = go(begin(game, algorithm.body, COPIES, jax.random.key(1)))[1]
    for parts in (1, 2):
        found = hosted(algorithm, game, actors, parts)
        for ours, theirs in zip(*map(jax.tree.leaves, (found, compiled)), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    # Chance that all copies had in common would be none.
    assert all(len({np.asarray(action[:, :, copy]).tobytes() for copy in range(COPIES)}) > 1 for action in found.action)
