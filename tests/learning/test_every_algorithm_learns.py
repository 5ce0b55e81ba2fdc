"""Every algorithm solves a small cooperative game of two unlike agents, and not without learning."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import MatchBits
from hamlet.algorithms import ALGORITHMS
from hamlet.training.compiled import begin_training, iterate_many

GAME, ITERATIONS = MatchBits(), 60
SIZE = {"hidden": (16,), "copies": 16, "steps_per_rollout": 10, "critic_learning_rate": 0.01, "discount": 0.5}


def declared(name, *, learning=True):
    """The algorithm with a step fit for sixty iterations, or none to speak of."""
    if name == "hatrpo":
        return ALGORITHMS[name](**SIZE, radius=0.05 if learning else 1e-12)
    return ALGORITHMS[name](**SIZE, learning_rate=0.01 if learning else 0.0, entropy=0.0)


def last_return(algorithm):
    """The mean team return of the last five rollouts of sampled actions; at best 5, by chance 1.25."""
    training = begin_training(algorithm, GAME, 0)
    _, infos = jax.jit(partial(iterate_many, algorithm, GAME, capacity=ITERATIONS))(training, jnp.int32(ITERATIONS))
    return float(np.asarray(infos["return"])[-5:].mean())


def solved(value):
    return value > 4.0


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_it_solves_the_game(name):
    assert solved(last_return(declared(name)))


@pytest.mark.parametrize(
    "name", ["happo", "hatrpo", *(pytest.param(n, marks=pytest.mark.slow) for n in ("haa2c", "ippo", "maa2c", "mappo"))]
)
def test_it_does_not_without_learning(name):
    assert not solved(last_return(declared(name, learning=False)))
