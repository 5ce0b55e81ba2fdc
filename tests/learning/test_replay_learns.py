"""The learning gate of algorithms that replay: each learns a small game, and nothing but learning explains it."""

import inspect

import jax
import jax.numpy as jnp
import pytest

from combinations import LEARNT
from games import Meet
from hamlet.algorithms import ALGORITHMS
from hamlet.backends.iteration import roster_of
from hamlet.backends.jax_backend import begin_training, iterate_many
from hamlet.envs.matrix.payoff_games import Matrix, common_reward
from hamlet.evaluation.evaluate import evaluate
from offpolicy import NAMES

SIZE = {
    "hidden": (16, 16),
    "num_envs": 16,
    "rollout_length": 4,
    "updates_per_rollout": 8,
    "batch_size": 64,
    "buffer_size": 4096,
    "warmup": 256,
    "polyak": 0.05,
    "discount": 0.9,
    "learning_rate": 0.01,
    "critic_learning_rate": 0.01,
    "temperature": 0.02,
    "temperature_learning_rate": 0.0,
    "exploration": 0.2,
    "duelling_hidden": 16,
}
ROLLOUTS = 100
# Where the first to prefer 0 must learn that the other answers: rows 0 1 / 2 −2.
CROSSING = Matrix(common_reward([[0.0, 1.0], [2.0, -2.0]]))


def task(algorithm):
    """A game that it can play, its best return, and what none gets who has not learnt."""
    return (Meet(), 1.0, 0.9) if "Discrete" not in algorithm.actions else (CROSSING, 2.0, 1.25)


def declared(name, **settings):
    known = inspect.signature(ALGORITHMS[name]).parameters
    return ALGORITHMS[name](**{key: value for key, value in (SIZE | settings).items() if key in known})


def returned(algorithm, env, training, mode="deterministic"):
    roster, actors = roster_of(algorithm, env), training.learner.team.actors
    return evaluate(env, roster, actors, algorithm.body, episodes=200, seed=0, mode=mode).mean


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if LEARNT[n] else ()) for n in NAMES])
def test_it_learns_the_game_and_no_control_does(name):
    algorithm = declared(name)
    env, optimum, threshold = task(algorithm)

    def trained(algorithm):
        start = jax.jit(lambda: begin_training(algorithm, env, 0))()
        count = jnp.int32(ROLLOUTS)
        program = jax.jit(lambda at: iterate_many(algorithm, env, at, count, count, capacity=ROLLOUTS)[0])
        return start, program(start)

    first, last = trained(algorithm)
    _, still = trained(declared(name, learning_rate=0.0))
    found = returned(algorithm, env, last)
    controls = {
        "untrained": returned(algorithm, env, first),
        "random": returned(algorithm, env, first, "random"),
        "learning rate 0": returned(algorithm, env, still),
    }
    print(name, found, controls)
    assert max(controls.values()) < threshold < found <= optimum + 1e-4, (found, controls)
    assert controls["learning rate 0"] == controls["untrained"]
