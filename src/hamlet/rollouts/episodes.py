"""Whole episodes of an environment written in JAX."""

import time
from collections.abc import Callable, Mapping
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
from hamlet.streams import declared_streams, reported
from hamlet.types import Device, Key

# The most episodes played in parallel. Further episodes follow afterwards, so memory does not grow with their count.
_AT_ONCE = 1000
# Steps in one compiled call. A compiled call cannot be interrupted.
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
    """Play ``count`` whole episodes, at most a thousand in parallel.

    Raises:
        EpisodesFailed: More episodes than may be replaced had a return that is not finite.
    """

    def part(number: int, size: int) -> EpisodesUnderWay | None:
        under_way = _begin(env, body, size, len(roster.names), _part(seed, number))
        return _to_the_end(partial(_advance, env, roster, mode, at_random, actors), under_way, horizon)

    played = _gathered(part, roster.names, count, _AT_ONCE, horizon)
    assert played is not None
    return played


class EpisodesUnderWay(eqx.Module):
    """Episodes that are played in parallel until each of them has ended.

    E is the number of episodes, n the number of agents.

    Attributes:
        play: The environment copies, one per episode.
        over: True if the episode has ended, ``[E]``.
        returns: Each agent's sum of rewards up to the end of the episode, ``[E, n]``.
        lengths: Steps up to the end of the episode, ``[E]``.
        count: Steps taken so far.
        key: The random key from which actions and environment transitions are sampled.
        paid: For every reported stream, by name: its sum up to the end of the episode, per agent ``[E, n]`` or for the
            team ``[E, 1]``.
    """

    play: Play
    over: Bool[Array, " E"]
    returns: Float[Array, "E n"]
    lengths: Int[Array, " E"]
    count: Int[Array, ""]
    key: Key
    paid: dict[str, Float[Array, "E _k"]] = eqx.field(default_factory=dict)


@dataclass(frozen=True)
class CompiledTrials:
    """Whole episodes, played by one compiled program (`hamlet.backends.backend.EvaluationRollouts`)."""

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
        """Play ``count`` episodes, with the compiled number of episodes in parallel.

        Raises:
            EpisodesFailed: More episodes than may be replaced had a return that is not finite.
        """
        # The actors are copied, because the run's next training call consumes (donates) the original buffers.
        actor_copies = jax.device_put(jax.tree.map(np.array, actors), self.device)

        def part(number: int, _: int) -> EpisodesUnderWay | None:
            under_way = self.begin(jax.device_put(_part(seed, number), self.device))
            return _to_the_end(partial(self.advance, actor_copies), under_way, self.horizon, stop)

        return _gathered(part, self.agents, count, self.episodes, self.horizon)

    def remarks(self) -> tuple[str, ...]:
        """Return no lines: a compiled program has no remarks."""
        return ()

    def close(self) -> None:
        """Do nothing: no resource is open."""


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
    """Compile evaluations for actors with the shapes of ``like``; at most a thousand episodes run in parallel."""
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
    """Return the random key of the part with this number; a part is a set of episodes played in parallel."""
    return jax.random.fold_in(jax.random.key(seed), number)


def _to_the_end(
    advance: Callable[[EpisodesUnderWay, np.ndarray], EpisodesUnderWay],
    under_way: EpisodesUnderWay,
    horizon: int,
    stop: Callable[[], bool] = bool,
) -> EpisodesUnderWay | None:
    """Play until all episodes have ended or reached the horizon; return None if ``stop`` asked to stop.

    A call takes at most a hundred steps, so that the user can interrupt between calls.
    """
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
    """Play parts until ``count`` episodes have finite returns and stream sums; return None if stopped.

    Episodes with a sum that is not finite count as failed and are replaced.

    Args:
        part: Plays the part with a given number and at least the given count of episodes.
        agents: The agents' names.
        count: Number of requested episodes.
        at_once: Number of episodes in a part.
        horizon: Steps after which an episode is truncated.
    """
    failures, columns, missing, number = FailureCount(count), [], count, 0
    while missing:
        size = min(at_once, missing)
        played = part(number, size)
        if played is None:
            return None
        results = (played.returns, played.lengths, ~np.asarray(played.over), played.paid)
        results = jax.tree.map(lambda array, size=size: np.asarray(array)[:size], results)
        sums = {"return": results[0], **results[3]}
        sound = np.all([np.isfinite(values).all(-1) for values in sums.values()], axis=0)
        columns.append(jax.tree.map(lambda array, sound=sound: array[sound], results))
        missing -= int(sound.sum())
        line = "" if sound.all() else _no_number(sums, agents, number * at_once)
        failures.add(int((~sound).sum()), count - missing, line)
        number += 1
    returns, lengths, cut, paid = jax.tree.map(lambda *parts: np.concatenate(parts), *columns)
    return PlayedEpisodes(returns, lengths, cut, horizon, failures.count, failures.first, streams=paid)


def _no_number(sums: Mapping[str, np.ndarray], agents: tuple[str, ...], first: int) -> str:
    """Return a line about the first sum that is not finite; ``first`` is the number of the first episode."""
    name, values = next((name, values) for name, values in sums.items() if not np.isfinite(values).all())
    row, owner = np.argwhere(~np.isfinite(values))[0].tolist()
    whose = f"agent {agents[owner]!r}" if values.shape[-1] == len(agents) else "the team"
    return f"the {name} of {whose} in episode {first + row} is {values[row, owner]}"


@partial(jax.jit, static_argnames=("env", "body", "episodes", "agents"))
def _begin(env: Environment, body: NetworkConfig, episodes: int, agents: int, key: Key) -> EpisodesUnderWay:
    begin_key, play_key = jax.random.split(key)
    play = begin(env, body, episodes, begin_key)
    returns, lengths = jnp.zeros((episodes, agents)), jnp.zeros(episodes, jnp.int32)
    paid = {stream.name: jnp.zeros((episodes, stream.owners(agents))) for stream in reported(declared_streams(env))}
    return EpisodesUnderWay(play, jnp.zeros(episodes, bool), returns, lengths, jnp.zeros((), jnp.int32), play_key, paid)


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
    """Play until all episodes have ended, or ``limit`` steps were taken."""

    def going(state: EpisodesUnderWay) -> Array:
        return ~state.over.all() & (state.count < limit)

    def step(state: EpisodesUnderWay) -> EpisodesUnderWay:
        act_key, env_key = jax.random.split(jax.random.fold_in(state.key, state.count))
        play, view = state.play, state.play.copies.view
        policy_inputs = (view.observation, view.available, view.alive, play.start, play.memory)
        actions, memory = choose(roster, actors, *policy_inputs, act_key, mode=mode, at_random=at_random)
        copies, _, outcome = vector.step(env, env_key, play.copies, actions)
        ended = outcome.terminated | outcome.truncated
        counted = partial(jnp.where, state.over[:, None], 0.0)
        returns = state.returns + counted(outcome.reward)
        paid = {name: before + counted(outcome.streams[name]) for name, before in state.paid.items()}
        after = Play(copies, ended, memory, play.total, play.paid)
        over, lengths = state.over | ended, state.lengths + ~state.over
        return EpisodesUnderWay(after, over, returns, lengths, state.count + 1, state.key, paid)

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
    """Choose every agent's action for one step, and return the actions and the policies' new memory.

    In the modes "deterministic" and "stochastic" the policies act (see `act`). In the mode "random", actions are
    sampled uniformly from the available actions. The agents named in ``at_random`` act uniformly in every mode.
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
    """Return a group's actions ``[E, N, …]``, in which the named agents take their actions from ``others``."""
    is_replaced = np.array([name in names for name in group.names])
    return jnp.where(is_replaced.reshape(-1, *(1,) * (actions.ndim - 2)), others.astype(actions.dtype), actions)


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
    """Return the uniform distribution over the available actions."""
    flat = jnp.zeros(available.shape)
    if isinstance(space, MultiDiscrete):
        return MultiCategorical.from_logits(flat, space.sizes, available)
    return Categorical.from_logits(flat, available)
