"""Whole episodes on an environment written in JAX."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hamlet.distributions import Categorical, MultiCategorical, noise
from hamlet.envs import copies as vector
from hamlet.envs.base import Environment
from hamlet.networks.torso import Body
from hamlet.roster import Group, Roster
from hamlet.spaces import MultiDiscrete, Space
from hamlet.training.rollout import Play, act, begin, draw
from hamlet.types import Device, Key

# Episodes played together; more wait their turn, so that memory does not grow with them.
_AT_ONCE = 1000
Mode: TypeAlias = Literal["deterministic", "stochastic", "random"]


def episodes(
    env: Environment,
    roster: Roster,
    actors: tuple[Any, ...],
    body: Body,
    count: int,
    seed: int,
    mode: Mode,
    at_random: tuple[str, ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` whole episodes, a thousand at a time: each agent's returns ``[count, n]``, and their lengths."""
    sizes = [min(_AT_ONCE, count - before) for before in range(0, count, _AT_ONCE)]
    return _joined(
        [
            _play(env, roster, actors, body, _part(seed, number), size, mode, at_random)
            for number, size in enumerate(sizes)
        ]
    )


@dataclass(frozen=True)
class CompiledTrials:
    """Whole episodes by one compiled program (`hamlet.training.program.Trials`)."""

    program: Callable[..., tuple[Array, Array]]
    episodes: int
    device: Device
    compile_seconds: float

    def play(
        self, actors: tuple[Any, ...], seed: int, count: int, stop: Callable[[], bool] = bool
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """``count`` episodes, as many at a time as it was compiled for."""
        # Copies of their own: a run's next call consumes the actors that it is given.
        mine = jax.device_put(jax.tree.map(np.array, actors), self.device)
        parts = []
        for number in range(-(-count // self.episodes)):
            if stop():
                return None
            parts.append(self.program(mine, jax.device_put(_part(seed, number), self.device)))
        own, lengths = _joined(parts)
        return own[:count], lengths[:count]

    def remarks(self) -> tuple[str, ...]:
        """None."""
        return ()

    def close(self) -> None:
        """Nothing was opened."""


def compile_trials(
    env: Environment, roster: Roster, like: tuple[Any, ...], body: Body, episodes: int, mode: Mode, device: Device
) -> CompiledTrials:
    """Compile for actors of the shapes of ``like``, of at most a thousand episodes at a time."""
    at_once, began = min(episodes, _AT_ONCE), time.perf_counter()
    where = jax.sharding.SingleDeviceSharding(device)
    play = jax.jit(lambda actors, key: _play(env, roster, actors, body, key, at_once, mode), in_shardings=where)
    program = play.lower(like, jax.eval_shape(lambda: jax.random.key(0))).compile()
    return CompiledTrials(program, at_once, device, time.perf_counter() - began)


def _part(seed: int, number: int) -> Key:
    """The key of the episodes that are played together as the first, second, … part."""
    return jax.random.fold_in(jax.random.key(seed), number)


def _joined(parts: list[tuple[Array, Array]]) -> tuple[np.ndarray, np.ndarray]:
    own, lengths = (np.concatenate([np.asarray(part) for part in column]) for column in zip(*parts, strict=True))
    return own, lengths


@partial(jax.jit, static_argnames=("env", "roster", "body", "episodes", "mode", "at_random"))
def _play(
    env: Environment,
    roster: Roster,
    actors: tuple[Any, ...],
    body: Body,
    key: Key,
    episodes: int,
    mode: Mode,
    at_random: tuple[str, ...] = (),
) -> tuple[Array, Array]:
    begin_key, play_key = jax.random.split(key)
    play = begin(env, body, episodes, begin_key)
    own = jnp.zeros((episodes, len(roster.names)))
    state = (play, jnp.zeros(episodes, bool), own, jnp.zeros(episodes, jnp.int32), jnp.zeros((), jnp.int32))

    def going(state: Any) -> Array:
        return ~state[1].all()

    def step(state: Any) -> Any:
        play, over, own, lengths, count = state
        act_key, env_key = jax.random.split(jax.random.fold_in(play_key, count))
        view = play.copies.view
        seen = (view.observation, view.available, view.alive, play.start, play.memory)
        actions, memory = choose(roster, actors, *seen, act_key, mode=mode, at_random=at_random)
        copies, _, outcome = vector.step(env, env_key, play.copies, actions)
        ended = outcome.terminated | outcome.truncated
        own = own + jnp.where(over[:, None], 0.0, outcome.reward)
        after = Play(copies, ended, memory, play.total)
        return after, over | ended, own, lengths + ~over, count + 1

    _, _, own, lengths, _ = jax.lax.while_loop(going, step, state)
    return own, lengths


def choose(
    roster: Roster,
    actors: tuple[Any, ...],
    observation: tuple[Any, ...],
    available: tuple[Any, ...],
    alive: Any,
    start: Array,
    memory: tuple[Any, ...],
    key: Key,
    *,
    mode: Mode,
    at_random: tuple[str, ...] = (),
) -> tuple[tuple[Array, ...], tuple[Any, ...]]:
    """Every agent's action in one step: as `act` in the modes of a policy, else uniform over what is available.

    Those named in ``at_random`` act uniformly in any mode.
    """
    if mode == "random":
        return _random(roster, available, start.shape[0], key), memory
    chance = draw(roster, key, start.shape[0]) if mode == "stochastic" else None
    actions, memory = act(roster, actors, observation, available, start, memory, chance, alive=alive)
    if at_random:
        drawn = _random(roster, available, start.shape[0], jax.random.fold_in(key, len(roster.names)))
        actions = tuple(map(partial(_replaced, at_random), roster.groups, actions, drawn))
    return actions, memory


def _replaced(names: tuple[str, ...], group: Group, actions: Array, others: Array) -> Array:
    """The actions ``[E, N, …]`` of a group, with others in the place of those of some agents."""
    theirs = np.array([name in names for name in group.names])
    return jnp.where(theirs.reshape(-1, *(1,) * (actions.ndim - 2)), others.astype(actions.dtype), actions)


def _random(roster: Roster, available: tuple[Any, ...], episodes: int, key: Key) -> tuple[Array, ...]:
    keys = jax.random.split(key, len(roster.groups))
    actions = []
    for k, group, mask in zip(keys, roster.groups, available, strict=True):
        lead = (episodes, len(group.names))
        if mask is None:
            actions.append(jax.vmap(jax.vmap(group.action.sample))(jax.random.split(k, lead)))
        else:
            actions.append(_even(group.action, mask).sample(noise(group.action, k, *lead)))
    return tuple(actions)


def _even(space: Space, available: Array) -> Categorical | MultiCategorical:
    """Uniform over what is available."""
    flat = jnp.zeros(available.shape)
    if isinstance(space, MultiDiscrete):
        return MultiCategorical.from_logits(flat, space.sizes, available)
    return Categorical.from_logits(flat, available)
