"""Actions reach the environment in the shape of their space."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.algorithms import happo
from hamlet.backends.jax_backend import begin_training, iterate, roster_of
from hamlet.envs.base import Group, Outcome, View
from hamlet.policy import Policy
from hamlet.spaces import Box


@dataclass(frozen=True)
class Plates:
    """Two agents that each set a plate of two by three numbers; only the corner counts."""

    @property
    def groups(self):
        return (Group(("left", "right"), Box(-1.0, 1.0, (2,)), Box(-1.0, 1.0, (2, 3))),)

    @property
    def state_shape(self):
        return (2,)

    def reset(self, key):
        observation = jnp.ones((2, 2))
        return jnp.zeros((), jnp.int32), View((observation,), jnp.ones(2), (None,), None)

    def step(self, key, state, actions):
        assert actions[0].shape == (2, 2, 3)
        _, view = self.reset(key)
        return state, view, Outcome(actions[0][:, 1, 2], jnp.ones((), bool), jnp.zeros((), bool))


@pytest.mark.slow
def test_a_plate_of_two_axes_is_set_as_one_in_training_and_by_a_policy():
    algorithm = happo(hidden=(8,), num_envs=4, rollout_length=5)
    training = jax.jit(lambda: begin_training(algorithm, Plates(), 0))()
    training, info = jax.jit(lambda t: iterate(algorithm, Plates(), t))(training)
    assert np.isfinite(info["return"])
    policy = Policy(roster_of(algorithm, Plates()), training.learner.team.actors, algorithm.body)
    for deterministic in (True, False):
        actions = policy.act({"left": np.ones(2), "right": np.ones(2)}, deterministic=deterministic)
        assert {a.shape for a in actions.values()} == {(2, 3)}
        assert all(np.abs(a).max() <= 1 for a in actions.values())
