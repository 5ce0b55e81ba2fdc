"""Whole episodes on a host environment."""

from functools import partial
from typing import Any

import jax
import numpy as np

from hamlet.envs.host import HostEnvironment
from hamlet.networks.torso import Body
from hamlet.roster import Roster
from hamlet.training.episodes import Mode, choose
from hamlet.training.host_games import Games, blank

# Copies that play together; the episodes are shared out among them beforehand, so that short ones do not count more.
_AT_ONCE = 20


def episodes(
    env: HostEnvironment, roster: Roster, actors: tuple[Any, ...], body: Body, count: int, seed: int, mode: Mode
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` whole episodes: each agent's returns ``[count, n]``, and their lengths, copy by copy.

    Raises:
        RunError: The environment failed.
    """
    copies = min(_AT_ONCE, count)
    quota = [count // copies + (copy < count % copies) for copy in range(copies)]
    found: list[list[tuple[np.ndarray, int]]] = [[] for _ in range(copies)]
    act = jax.jit(partial(choose, roster, mode=mode))
    key = jax.random.key(seed)
    memory = blank(env, body, copies, seed).memory
    own, lengths = np.zeros((copies, len(roster.names)), np.float32), np.zeros(copies, np.int32)
    start, step = np.ones(copies, bool), 0
    games = Games(env, _apart(seed), copies, parts=1)
    try:
        games.begin(np.zeros(copies, np.int32))
        (all_,) = games.halves
        while any(len(done) < wanted for done, wanted in zip(found, quota, strict=True)):
            view = all_.view
            noise = jax.random.fold_in(key, step)
            actions, memory = act(actors, view.observation, view.available, start, memory, noise)
            all_.copies.send(tuple(np.asarray(action) for action in actions))
            came = all_.copies.receive()
            own, lengths, all_.view, step = own + came.outcome.reward, lengths + 1, came.view, step + 1
            start = came.outcome.terminated | came.outcome.truncated
            for copy in np.flatnonzero(start):
                found[copy].append((own[copy].copy(), int(lengths[copy])))
                own[copy], lengths[copy] = 0.0, 0
    finally:
        games.close()
    kept = [episode for done, wanted in zip(found, quota, strict=True) for episode in done[:wanted]]
    return np.stack([returns for returns, _ in kept]), np.array([length for _, length in kept], np.int32)


def _apart(seed: int) -> int:
    """A seed for judging, whose episodes are not those that a run of the same seed was trained on."""
    return int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])
