"""Whole episodes on a host environment, by games of their own."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from hamlet.envs.host import HostEnvironment
from hamlet.networks.torso import Body
from hamlet.roster import Roster
from hamlet.training.episodes import Mode, choose
from hamlet.training.host_games import Games, blank
from hamlet.types import Device

# Copies that play together, unless there are fewer episodes; more where the environment is declared for more.
_AT_ONCE = 20


class HostTrials:
    """Whole episodes on games that stay open between one evaluation and the next (`hamlet.training.program.Trials`).

    Args:
        env: What is played.
        roster: The agents.
        like: Actors, or their shapes.
        body: Of their networks.
        episodes: How many are played as a rule; the copies share them evenly.
        seed: From which they are drawn as a rule.
        mode: How actions are chosen.
        at_random: Agents that act uniformly in any mode.
        device: Where they are computed; None for where JAX prefers.

    Raises:
        RequestError: The environment cannot be made.
    """

    def __init__(
        self,
        env: HostEnvironment,
        roster: Roster,
        like: tuple[Any, ...],
        body: Body,
        episodes: int,
        seed: int,
        mode: Mode,
        device: Device | None = None,
        at_random: tuple[str, ...] = (),
    ) -> None:
        self._env, self._roster, self._body, self._device = env, roster, body, device
        together = min(episodes, max(_AT_ONCE, getattr(env, "copies", None) or 0))
        # As many rounds as that takes, and no more copies than the rounds need: all of them play to the last.
        self._copies = -(-episodes // -(-episodes // together))
        self._act = jax.jit(partial(_act, roster, jax.tree.structure(like), mode, at_random))
        self._seed, self._games = seed, self._opened(seed)
        self._remarks: list[str] = []
        try:
            began = time.perf_counter()
            self._games.begin(np.zeros(self._copies, np.int32))
            blank_actors = [np.zeros(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(like)]
            self._choose(self._weights(blank_actors), self._key(seed), 0, np.ones(self._copies, bool), self._memory())
            self.compile_seconds = time.perf_counter() - began
        except BaseException:
            self.close()
            raise

    def play(
        self, actors: tuple[Any, ...], seed: int, count: int, stop: Callable[[], bool] = bool
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """Each agent's returns and the lengths of ``count`` episodes, copy by copy; None where ``stop`` said so.

        They are shared out among the copies beforehand, so that short ones do not count more.

        Raises:
            RunError: The environment failed.
        """
        copies = self._copies
        if seed != self._seed:
            self._games.close()
            self._seed, self._games = seed, self._opened(seed)
        quota = [count // copies + (copy < count % copies) for copy in range(copies)]
        found: list[list[tuple[np.ndarray, int]]] = [[] for _ in range(copies)]
        weights, key, memory = self._weights(jax.tree.leaves(actors)), self._key(seed), self._memory()
        own, lengths = np.zeros((copies, len(self._roster.names)), np.float32), np.zeros(copies, np.int32)
        start, step = np.ones(copies, bool), 0
        self._games.begin(np.zeros(copies, np.int32))
        (all_,) = self._games.halves
        try:
            while any(len(done) < wanted for done, wanted in zip(found, quota, strict=True)):
                if stop():
                    return None
                actions, memory = self._choose(weights, key, step, start, memory)
                all_.copies.send(tuple(np.asarray(action) for action in actions))
                came = all_.copies.receive()
                own, lengths, all_.view, step = own + came.outcome.reward, lengths + 1, came.view, step + 1
                start = came.outcome.terminated | came.outcome.truncated
                for copy in np.flatnonzero(start):
                    found[copy].append((own[copy].copy(), int(lengths[copy])))
                    own[copy], lengths[copy] = 0.0, 0
        finally:
            self._remarks += self._games.failures()
        kept = [episode for done, wanted in zip(found, quota, strict=True) for episode in done[:wanted]]
        return np.stack([returns for returns, _ in kept]), np.array([length for _, length in kept], np.int32)

    def remarks(self) -> list[str]:
        """Copies that failed since the last call."""
        found, self._remarks = self._remarks, []
        return [f"evaluation: {line}" for line in found]

    def close(self) -> None:
        """End all games."""
        self._games.close()

    def _opened(self, seed: int) -> Games:
        return Games(self._env, _apart(seed), self._copies, parts=1)

    def _weights(self, leaves: list[Any]) -> tuple[Array, ...]:
        # Flat, as to flatten modules anew for every step would cost more than the networks.
        return tuple(jax.device_put([np.array(leaf) for leaf in leaves], self._device))

    def _key(self, seed: int) -> Array:
        return jax.device_put(jax.random.key(seed), self._device)

    def _memory(self) -> Any:
        return blank(self._env, self._body, self._copies, 0).memory

    def _choose(self, weights: tuple[Array, ...], key: Array, step: int, start: np.ndarray, memory: Any) -> Any:
        view = self._games.halves[0].view
        return self._act(weights, view.observation, view.available, view.alive, start, memory, key, np.int32(step))


def episodes(
    env: HostEnvironment,
    roster: Roster,
    actors: tuple[Any, ...],
    body: Body,
    count: int,
    seed: int,
    mode: Mode,
    at_random: tuple[str, ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` whole episodes: each agent's returns ``[count, n]``, and their lengths, copy by copy.

    Raises:
        RunError: The environment failed.
    """
    trials = HostTrials(env, roster, actors, body, count, seed, mode, at_random=at_random)
    try:
        found = trials.play(actors, seed, count)
        assert found is not None
        return found
    finally:
        trials.close()


def _act(
    roster: Roster,
    form: Any,
    mode: Mode,
    at_random: tuple[str, ...],
    weights: tuple[Array, ...],
    observation: tuple[Any, ...],
    available: tuple[Any, ...],
    alive: Any,
    start: Array,
    memory: tuple[Any, ...],
    key: Array,
    step: Array,
) -> tuple[Any, Any]:
    actors = jax.tree.unflatten(form, weights)
    now = jax.random.fold_in(key, step)
    return choose(roster, actors, observation, available, alive, start, memory, now, mode=mode, at_random=at_random)


def _apart(seed: int) -> int:
    """A seed for judging, whose episodes are not those that a run of the same seed was trained on."""
    return int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])
