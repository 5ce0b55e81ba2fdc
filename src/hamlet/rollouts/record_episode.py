"""Record one episode step by step, for example to render a video of it."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from hamlet.envs.base import Environment
from hamlet.envs.host import HostEnvironment
from hamlet.errors import RunError
from hamlet.networks.torso import NetworkConfig, blank
from hamlet.rollouts import host_games
from hamlet.rollouts.episodes import Mode, choose
from hamlet.roster import Roster


class Frame(NamedTuple):
    """An environment state, and the actions and rewards of the step that led to it.

    Attributes:
        state: The environment's state of one copy, as NumPy arrays; with a host environment, a snapshot of one copy.
            None at the end of an episode if the copy is already in its next episode.
        actions: For every group the actions ``[N, …]``; None at the start of the episode.
        reward: Each agent's reward, ``[n]``.
    """

    state: Any
    actions: tuple[np.ndarray, ...] | None
    reward: np.ndarray


def compiled(
    env: Environment,
    roster: Roster,
    actors: tuple[Any, ...],
    body: NetworkConfig,
    seed: int,
    mode: Mode,
    at_random: tuple[str, ...] = (),
    *,
    horizon: int,
) -> Iterator[Frame]:
    """Yield the frames of one episode of an environment written in JAX, with at most ``horizon`` steps.

    The agents named in ``at_random`` act uniformly at random.
    """
    begin_key, play_key = jax.random.split(jax.random.key(seed))
    state, view = _begin(env, begin_key)
    memory, start = tuple(blank(body, 1, len(group.names)) for group in roster.groups), np.ones(1, bool)
    yield Frame(_host(state), None, np.zeros(len(roster.names), np.float32))
    over, step = False, 0
    while not over and step < horizon:
        key = jax.random.fold_in(play_key, step)
        state, view, memory, outcome, actions = _advance(
            env, roster, mode, at_random, actors, state, view, start, memory, key
        )
        yield Frame(_host(state), _host(actions), np.asarray(outcome.reward))
        over, start, step = bool(outcome.terminated | outcome.truncated), np.zeros(1, bool), step + 1


def hosted(
    env: HostEnvironment,
    roster: Roster,
    actors: tuple[Any, ...],
    body: NetworkConfig,
    seed: int,
    mode: Mode,
    at_random: tuple[str, ...] = (),
    *,
    horizon: int,
) -> Iterator[Frame]:
    """Yield the frames of one episode of an environment of Python objects, with at most ``horizon`` steps.

    The agents named in ``at_random`` act uniformly at random. The last frame has no state if the copy is already in its
    next episode.

    Raises:
        RunError: The environment failed.
    """
    act = jax.jit(partial(choose, roster, mode=mode, at_random=at_random))
    memory, start = host_games.blank(env, body, 1, seed).memory, np.ones(1, bool)
    copies = env.open(seed, range(1))
    try:
        view, step = copies.begin(np.zeros(1, np.int32)), 0
        yield Frame(copies.snapshot(), None, np.zeros(len(roster.names), np.float32))
        while step < horizon:
            key = jax.random.fold_in(jax.random.key(seed), step)
            actions, memory = act(actors, view.observation, view.available, view.alive, start, memory, key)
            given = tuple(np.asarray(action) for action in actions)
            copies.send(given)
            came = copies.receive()
            if came.outcome.failed is not None and came.outcome.failed[0]:
                raise RunError(f"the episode failed: {' '.join(copies.failures())}")
            over, snapshot = bool((came.outcome.terminated | came.outcome.truncated)[0]), copies.snapshot()
            state = None if over and snapshot["episode"][0] else snapshot
            yield Frame(state, tuple(action[0] for action in given), came.outcome.reward[0])
            if over:
                return
            view, start, step = came.view, np.zeros(1, bool), step + 1
    finally:
        copies.close()


@partial(jax.jit, static_argnames="env")
def _begin(env: Environment, key: Any) -> Any:
    return env.reset(key)


@partial(jax.jit, static_argnames=("env", "roster", "mode", "at_random"))
def _advance(
    env: Environment,
    roster: Roster,
    mode: Mode,
    at_random: tuple[str, ...],
    actors: tuple[Any, ...],
    state: Any,
    view: Any,
    start: Any,
    memory: tuple[Any, ...],
    key: Any,
) -> Any:
    act_key, env_key = jax.random.split(key)
    obs, available, alive = jax.tree.map(lambda array: array[None], (view.observation, view.available, view.alive))
    actions, memory = choose(
        roster, actors, obs, available, alive, start, memory, act_key, mode=mode, at_random=at_random
    )
    single_actions = tuple(action[0] for action in actions)
    state, view, outcome = env.step(env_key, state, single_actions)
    return state, view, memory, outcome, single_actions


def _host(tree: Any) -> Any:
    return jax.tree.map(np.asarray, tree)
