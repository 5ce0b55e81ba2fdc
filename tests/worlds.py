"""Environments that are named by factories: two of Hamlet's own interface, and one of another in JAX."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from hamlet.envs.base import Group, Outcome, View
from hamlet.spaces import Box, Discrete
from hostgames import OnHost

MADE = []


@dataclass(frozen=True)
class Corridor:
    """Two walk, and earn where they both go on.

    Attributes:
        length: Steps of an episode.
    """

    length: int = 4

    @property
    def groups(self):
        return (Group(("ann", "ben"), Box(0.0, 1.0, (1,)), Discrete(2)),)

    @property
    def state_shape(self):
        return (1,)

    def reset(self, key):
        del key
        return self._show(jnp.int32(0))

    def step(self, key, state, actions):
        del key
        state, view = self._show(state + 1)
        reward = jnp.full(2, actions[0].all(), jnp.float32)
        return state, view, Outcome(reward, jnp.zeros((), bool), state >= self.length)

    def _show(self, time):
        here = (time / self.length).astype(jnp.float32)[None]
        return time, View((jnp.stack([here, here]),), here, (None,), None)


def on_host(length: int = 4):
    """The same, as an environment of Python objects."""
    return OnHost(Corridor(length))


class Lamp:
    """One agent switches a lamp: init and step, as other libraries have it."""

    def __init__(self, limit):
        MADE.append(limit)
        self.limit = limit

    def init(self, key):
        return jax.random.bernoulli(key).astype(jnp.int32)

    def step(self, state, action):
        return action, action, (action == 1).astype(jnp.float32), action >= self.limit


def lamp(limit: int = 9):
    """A lamp."""
    return Lamp(limit)


@dataclass(frozen=True)
class OfLamp:
    """Makes an environment of a lamp."""

    bright: float = 1.0

    def __call__(self, product):
        return _Lit(product, self.bright)


@dataclass(frozen=True)
class _Lit:
    lamp: Lamp
    bright: float
    horizon: int = 7
    state_shape: tuple[int, ...] = (1,)
    groups: tuple[Group, ...] = (Group(("ann",), Box(0.0, 1.0, (1,)), Discrete(2)),)

    def reset(self, key):
        return self._show(self.lamp.init(key))

    def step(self, key, state, actions):
        state, _, reward, done = self.lamp.step(state, actions[0][0])
        state, view = self._show(state)
        return state, view, Outcome(self.bright * reward[None], done, jnp.ones((), bool))

    def _show(self, state):
        seen = state.astype(jnp.float32)[None]
        return state, View((seen[None],), seen, (None,), None)
