"""Host environments for tests: a game written in JAX, played as a Python object; and one without chance."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from hamlet.envs.base import Environment, Group, Outcome, View
from hamlet.envs.host import HostCopies, Snapshot, Step
from hamlet.errors import RunError
from hamlet.spaces import Box, Discrete
from hamlet.streams import declared_streams
from hamlet.types import Key

INF = float("inf")
OPEN = []  # copies that were opened and not closed


@dataclass(frozen=True)
class OnHost:
    """A game written in JAX, as a host environment.

    Attributes:
        env: The game.
        restorable: Whether it says that it can be put back.
        fails_at: The episode in whose third step copy 1 raises; 0 for never.
        copies: For how many copies it is declared, if it says.
    """

    env: Environment
    restorable: bool = True
    fails_at: int = 0
    copies: int | None = None
    remarks: tuple[str, ...] = ()

    @property
    def groups(self):
        return self.env.groups

    @property
    def state_shape(self):
        return self.env.state_shape

    @property
    def streams(self):
        return declared_streams(self.env)

    def blank(self, count: int) -> Snapshot:
        state = jax.eval_shape(lambda: _begin(self.env, 0, jnp.arange(count), jnp.zeros(count, jnp.int32)))[0]
        return _snapshot(jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), state), *np.zeros((2, count)))

    def open(self, seed: int, numbers: range) -> HostCopies:
        return OnHostCopies(self, seed, numbers)


class OnHostCopies:
    """Some copies, stepped in `receive`."""

    def __init__(self, declared: OnHost, seed: int, numbers: range) -> None:
        self.declared, self.seed, self.numbers = declared, seed, np.array(numbers)
        self.closed = 0
        OPEN.append(self)

    def begin(self, episode: np.ndarray) -> View:
        self.episode, self.time = episode, np.zeros_like(episode)
        self.state, view = _begin(self.declared.env, self.seed, self.numbers, episode)
        self.view = _numpy(view)
        return self.view

    def send(self, actions: tuple[np.ndarray, ...]) -> None:
        self.actions = actions

    def receive(self) -> Step:
        declared = self.declared
        bad = (self.numbers == 1) & (self.episode == declared.fails_at) & (self.time == 2)
        if declared.fails_at and bad.any():
            raise RunError(f"copy 1 (seed {self.seed}) raised ValueError: as asked")
        self.state, self.episode, self.time, step = _step(
            declared.env, self.seed, self.numbers, self.episode, self.time, self.state, self.actions
        )
        self.episode, self.time = np.array(self.episode), np.array(self.time)
        came = Step(*_numpy(tuple(step)))
        self.view = came.view
        return came

    def leave(self, copies: np.ndarray) -> View:
        self.episode, self.time = self.episode + copies, np.where(copies, 0, self.time)
        state, view = _begin(self.declared.env, self.seed, self.numbers, self.episode)
        chosen = partial(_chosen, copies)
        self.state, self.view = jax.tree.map(chosen, (state, _numpy(view)), (self.state, self.view))
        return self.view

    def snapshot(self) -> Snapshot:
        return _snapshot(_numpy(self.state), self.episode, self.time)

    def restore(self, snapshot: Snapshot) -> View:
        assert self.declared.restorable
        self.episode, self.time = snapshot["episode"], snapshot["time"]
        like = _begin(self.declared.env, self.seed, self.numbers, self.episode)[0]
        leaves = [snapshot[f"state {number}"] for number in range(len(jax.tree.leaves(like)))]
        self.state = jax.tree.unflatten(jax.tree.structure(like), leaves)
        return _numpy(jax.jit(jax.vmap(self.declared.env._view))(self.state))

    def failures(self) -> tuple[str, ...]:
        return ()

    def notes(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        if not self.closed:
            OPEN.remove(self)
        self.closed += 1


def _snapshot(state: Any, episode: Any, time: Any) -> dict[str, np.ndarray]:
    leaves = {f"state {number}": np.array(leaf) for number, leaf in enumerate(jax.tree.leaves(state))}
    return {"episode": np.array(episode, np.int32), "time": np.array(time, np.int32), **leaves}


def _chosen(copies: np.ndarray, fresh: Any, old: Any) -> np.ndarray:
    return np.where(copies.reshape(-1, *(1,) * (fresh.ndim - 1)), fresh, old)


def _numpy(tree: Any) -> Any:
    return jax.tree.map(np.array, tree)


def _key(seed, number, episode):
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), number), episode)


@partial(jax.jit, static_argnums=0)
def _begin(env, seed, numbers, episode):
    return jax.vmap(lambda number, episode: env.reset(_key(seed, number, episode)))(numbers, episode)


@partial(jax.jit, static_argnums=0)
def _step(env, seed, numbers, episode, time, state, actions):
    def one(number, episode, time, state, actions):
        key = _key(seed, number, episode)
        after, arrival, outcome = env.step(jax.random.fold_in(key, time + 1), state, actions)
        over = outcome.terminated | outcome.truncated
        fresh = env.reset(_key(seed, number, episode + 1))
        pick = lambda new, old: jnp.where(over, new, old)  # noqa: E731
        after, view = jax.tree.map(pick, fresh, (after, arrival))
        return after, episode + over, jnp.where(over, 0, time + 1), (arrival, outcome, view)

    return jax.vmap(one)(numbers, episode, time, state, actions)


class SlideState(eqx.Module):
    """A place, and the steps so far."""

    place: Float[Array, " 2"]
    time: Int[Array, ""]


@dataclass(frozen=True)
class Slide:
    """Two unlike agents slide a thing to the origin, which is where they see it; there is no chance in it."""

    max_steps: int = 6

    @property
    def groups(self) -> tuple[Group, ...]:
        stepper = Group(("stepper_0",), Box(-INF, INF, (2,)), Discrete(3))
        return stepper, Group(("pusher_0",), Box(-INF, INF, (3,)), Box(-1.0, 1.0, (1,)))

    @property
    def state_shape(self) -> tuple[int, ...]:
        return (3,)

    def reset(self, key: Key) -> tuple[SlideState, View]:
        state = SlideState(jnp.array([1.0, -1.0]), jnp.int32(0))
        return state, self._view(state)

    def step(self, key: Key, state: SlideState, actions: tuple[Array, ...]) -> tuple[SlideState, View, Outcome]:
        move = jnp.stack((actions[0][0].astype(jnp.float32) - 1.0, jnp.clip(actions[1][0, 0], -1.0, 1.0)))
        after = SlideState(state.place + 0.3 * move, state.time + 1)
        reward = -jnp.square(after.place)
        return after, self._view(after), Outcome(reward, jnp.zeros((), bool), after.time >= self.max_steps)

    def _view(self, state: SlideState) -> View:
        clock = state.time.astype(jnp.float32)[None] / self.max_steps
        whole = jnp.concatenate((state.place, clock))
        return View((state.place[None], whole[None]), whole, (None, None), None)


@dataclass(frozen=True)
class Ride(Slide):
    """The same, both by continuous actions: what is pushed beyond its bounds goes no further."""

    @property
    def groups(self) -> tuple[Group, ...]:
        driver = Group(("driver_0",), Box(-INF, INF, (2,)), Box(-2.0, 1.0, (1,)))
        return driver, Group(("pusher_0",), Box(-INF, INF, (3,)), Box(-1.0, 1.0, (1,)))

    def step(self, key: Key, state: SlideState, actions: tuple[Array, ...]) -> tuple[SlideState, View, Outcome]:
        move = jnp.stack((jnp.clip(actions[0][0, 0], -2.0, 1.0), jnp.clip(actions[1][0, 0], -1.0, 1.0)))
        after = SlideState(state.place + 0.3 * move, state.time + 1)
        return after, self._view(after), Outcome(-(after.place**2), jnp.zeros((), bool), after.time >= self.max_steps)
