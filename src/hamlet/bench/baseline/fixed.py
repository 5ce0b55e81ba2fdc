"""A task whose observation and state sizes do not depend on the number of agents, to measure how training scales."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from hamlet.envs.base import Group, Outcome, View
from hamlet.spaces import Box
from hamlet.types import Key

_WIDTH = 16


class Signals(eqx.Module):
    """The environment state: the numbers that each agent observes and imitates, and the number of steps."""

    target: Float[Array, "N O"]
    clock: Int[Array, ""]


@dataclass(frozen=True)
class Imitation:
    """A task of N agents: each agent observes 16 numbers and must repeat the first five; episodes have 25 steps."""

    agents: int = 3

    @property
    def groups(self) -> tuple[Group, ...]:
        """One group that contains all agents."""
        names = tuple(f"agent_{i}" for i in range(self.agents))
        return (Group(names, Box(-float("inf"), float("inf"), (_WIDTH,)), Box(0.0, 1.0, (5,))),)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The first agent's sixteen numbers."""
        return (_WIDTH,)

    def reset(self, key: Key) -> tuple[Signals, View]:
        """Sample new numbers, uniform in [0, 1)."""
        state = Signals(jax.random.uniform(key, (self.agents, _WIDTH)), jnp.zeros((), jnp.int32))
        return state, self._view(state)

    def step(self, key: Key, state: Signals, actions: tuple[Array, ...]) -> tuple[Signals, View, Outcome]:
        """Compute the reward, the negative squared error of each agent, and then shift the numbers by one place."""
        reward = -((actions[0] - state.target[:, :5]) ** 2).sum(-1)
        state = Signals(jnp.roll(state.target, 1, axis=1), state.clock + 1)
        return state, self._view(state), Outcome(reward, jnp.zeros((), bool), state.clock >= 25)

    def _view(self, state: Signals) -> View:
        return View((state.target,), state.target[0], (None,), None)
