"""Whole episodes on an environment written in JAX."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hamlet.distributions import Categorical, MultiCategorical, noise
from hamlet.envs import copies as vector
from hamlet.envs.base import Environment
from hamlet.networks.joint import act, draw
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts.played import HORIZON, FailureCount, PlayedEpisodes
from hamlet.rollouts.rollout import Play, begin
from hamlet.roster import Group, Roster
from hamlet.spaces import MultiDiscrete, Space
from hamlet.types import Device, Key

# Episodes played together; more wait their turn, so that memory does not grow with them.
_AT_ONCE = 1000
# Steps in one compiled call, which cannot be interrupted.
_STEPS = 100
Mode: TypeAlias = Literal["deterministic", "stochastic", "random"]


def episodes(
    env: Environment,
    roster: Roster,
    actors: tuple[Any, ...],
    body: NetworkConfig,
    count: int,
    seed: int,
    mode: Mode,
    at_random: tuple[str, ...] = (),
    *,
    horizon: int = HORIZON,
) -> PlayedEpisodes:
    """``count`` whole episodes, a thousand at a time.

    Raises:
        EpisodesFailed: More of them than may be replaced gave returns that are no numbers.
    """

    def part(number: int, size: int) -> EpisodesUnderWay | None:
        under_way = _begin(env, body, size, len(roster.names), _part(seed, number))
        return _to_the_end(partial(_advance, env, roster, mode, at_random, actors), under_way, horizon)

    played = _gathered(part, roster.names, count, _AT_ONCE, horizon)
    assert played is not None
    return played


class EpisodesUnderWay(eqx.Module):
    """Episodes that are played together, until each is over.

    Attributes:
        play: Their copies.
        over: Whose episode has ended, ``[E]``.
        returns: Each agent's until then, ``[E, n]``.
        lengths: Steps until then, ``[E]``.
        count: Steps that were taken.
        key: From which actions and games are drawn.
    """

    play: Play
    over: Bool[Array, " E"]
    returns: Float[Array, "E n"]
    lengths: Int[Array, " E"]
    count: Int[Array, ""]
    key: Key


@dataclass(frozen=True)
class CompiledTrials:
    """Whole episodes by one compiled program (`hamlet.backends.backend.EvaluationRollouts`)."""

    begin: Callable[..., EpisodesUnderWay]
    advance: Callable[..., EpisodesUnderWay]
    agents: tuple[str, ...]
    episodes: int
    device: Device
    horizon: int
    compile_seconds: float

    def play(
        self, actors: tuple[Any, ...], seed: int, count: int, stop: Callable[[], bool] = bool
    ) -> PlayedEpisodes | None:
        """``count`` episodes, as many at a time as it was compiled for.

        Raises:
            EpisodesFailed: More of them than may be replaced gave returns that are no numbers.
        """
        # Copies of their own: a run's next call consumes the actors that it is given.
        mine = jax.device_put(jax.tree.map(np.array, actors), self.device)

        def part(number: int, _: int) -> EpisodesUnderWay | None:
            under_way = self.begin(jax.device_put(_part(seed, number), self.device))
            return _to_the_end(partial(self.advance, mine), under_way, self.horizon, stop)

        return _gathered(part, self.agents, count, self.episodes, self.horizon)

    def remarks(self) -> tuple[str, ...]:
        """None."""
        return ()

    def close(self) -> None:
        """Nothing was opened."""


def compile_trials(
    env: Environment,
    roster: Roster,
    like: tuple[Any, ...],
    body: NetworkConfig,
    episodes: int,
    mode: Mode,
    device: Device,
    *,
    horizon: int = HORIZON,
) -> CompiledTrials:
    """Compile for actors of the shapes of ``like``, of at most a thousand episodes at a time."""
    at_once, began = min(episodes, _AT_ONCE), time.perf_counter()
    where = jax.sharding.SingleDeviceSharding(device)
    key = jax.eval_shape(lambda: jax.random.key(0))
    start = jax.jit(lambda key: _begin(env, body, at_once, len(roster.names), key), in_shardings=where)
    go_on = jax.jit(partial(_advance, env, roster, mode, ()), in_shardings=where)
    under_way = jax.eval_shape(start, key)
    begin = start.lower(key).compile()
    advance = go_on.lower(like, under_way, jax.ShapeDtypeStruct((), jnp.int32)).compile()
    return CompiledTrials(begin, advance, roster.names, at_once, device, horizon, time.perf_counter() - began)


def _part(seed: int, number: int) -> Key:
    """The key of the episodes that are played together as the first, second, … part."""
    return jax.random.fold_in(jax.random.key(seed), number)


def _to_the_end(
    advance: Callable[[EpisodesUnderWay, np.ndarray], EpisodesUnderWay],
    under_way: EpisodesUnderWay,
    horizon: int,
    stop: Callable[[], bool] = bool,
) -> EpisodesUnderWay | None:
    """Until all are over, or the horizon; a hundred steps to a call, so that between them a person can interrupt."""
    for limit in range(_STEPS, horizon + _STEPS, _STEPS):
        if stop():
            return None
        under_way = advance(under_way, np.asarray(min(limit, horizon), np.int32))
        if np.asarray(under_way.over).all():
            break
    return under_way


def _gathered(
    part: Callable[[int, int], EpisodesUnderWay | None],
    agents: tuple[str, ...],
    count: int,
    at_once: int,
    horizon: int,
) -> PlayedEpisodes | None:
    """``count`` episodes from one part after another, without those whose returns are no numbers; None where stopped.

    Args:
        part: Plays the first, second, … part of so many episodes; it may play more.
        agents: The agents' names.
        count: How many episodes are asked for.
        at_once: Of how many a part consists.
        horizon: Steps after which they are cut.
    """
    failures, columns, missing, number = FailureCount(count), [], count, 0
    while missing:
        size = min(at_once, missing)
        played = part(number, size)
        if played is None:
            return None
        returns, lengths, over = (np.asarray(a)[:size] for a in (played.returns, played.lengths, played.over))
        sound = np.isfinite(returns).all(-1)
        columns.append((returns[sound], lengths[sound], ~over[sound]))
        missing -= int(sound.sum())
        line = ""
        if not sound.all():
            row, agent = np.argwhere(~np.isfinite(returns))[0].tolist()
            line = f"the return of agent {agents[agent]!r} in episode {number * at_once + row} is {returns[row, agent]}"
        failures.add(int((~sound).sum()), count - missing, line)
        number += 1
    returns, lengths, cut = (np.concatenate(column) for column in zip(*columns, strict=True))
    return PlayedEpisodes(returns, lengths, cut, horizon, failures.count, failures.first)


@partial(jax.jit, static_argnames=("env", "body", "episodes", "agents"))
def _begin(env: Environment, body: NetworkConfig, episodes: int, agents: int, key: Key) -> EpisodesUnderWay:
    begin_key, play_key = jax.random.split(key)
    play = begin(env, body, episodes, begin_key)
    returns, lengths = jnp.zeros((episodes, agents)), jnp.zeros(episodes, jnp.int32)
    return EpisodesUnderWay(play, jnp.zeros(episodes, bool), returns, lengths, jnp.zeros((), jnp.int32), play_key)


@partial(jax.jit, static_argnames=("env", "roster", "mode", "at_random"))
def _advance(
    env: Environment,
    roster: Roster,
    mode: Mode,
    at_random: tuple[str, ...],
    actors: tuple[Any, ...],
    under_way: EpisodesUnderWay,
    limit: Int[Array, ""],
) -> EpisodesUnderWay:
    """Play on until all are over, or ``limit`` steps were taken."""

    def going(state: EpisodesUnderWay) -> Array:
        return ~state.over.all() & (state.count < limit)

    def step(state: EpisodesUnderWay) -> EpisodesUnderWay:
        act_key, env_key = jax.random.split(jax.random.fold_in(state.key, state.count))
        play, view = state.play, state.play.copies.view
        seen = (view.observation, view.available, view.alive, play.start, play.memory)
        actions, memory = choose(roster, actors, *seen, act_key, mode=mode, at_random=at_random)
        copies, _, outcome = vector.step(env, env_key, play.copies, actions)
        ended = outcome.terminated | outcome.truncated
        returns = state.returns + jnp.where(state.over[:, None], 0.0, outcome.reward)
        after = Play(copies, ended, memory, play.total)
        over, lengths = state.over | ended, state.lengths + ~state.over
        return EpisodesUnderWay(after, over, returns, lengths, state.count + 1, state.key)

    return jax.lax.while_loop(going, step, under_way)


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
