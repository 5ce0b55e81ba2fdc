"""Whole episodes of a host environment, played in environment copies that are separate from the training copies."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array

from hamlet.envs.base import Outcome
from hamlet.envs.host import HostEnvironment, measures
from hamlet.errors import RunError, extended
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts.episodes import Mode, choose
from hamlet.rollouts.host_games import Games, blank
from hamlet.rollouts.played import HORIZON, EpisodesFailed, FailureCount, PlayedEpisodes, failed_of
from hamlet.roster import Roster
from hamlet.streams import Stream, check_paid, declared_streams, reported
from hamlet.types import Device

# Environment copies that play in parallel. There are fewer for fewer episodes, and more if the environment sets more.
_AT_ONCE = 20


class HostEvaluationRollouts:
    """Whole episodes in environment copies that stay open between evaluations.

    See `hamlet.backends.backend.EvaluationRollouts`.

    Args:
        env: The environment.
        roster: The agents.
        like: The actors, or their shapes.
        body: The configuration of the actors' networks.
        episodes: The usual number of episodes per evaluation; the copies share them evenly.
        seed: The usual seed of the episodes.
        mode: How actions are chosen: deterministic, stochastic or random.
        at_random: Agents that act uniformly at random in every mode.
        device: The device that computes actions; None for JAX's default device.
        horizon: Steps after which an episode is truncated.

    Raises:
        RequestError: The environment cannot be created.
    """

    def __init__(
        self,
        env: HostEnvironment,
        roster: Roster,
        like: tuple[Any, ...],
        body: NetworkConfig,
        episodes: int,
        seed: int,
        mode: Mode,
        device: Device | None = None,
        at_random: tuple[str, ...] = (),
        *,
        horizon: int = HORIZON,
    ) -> None:
        self._horizon = horizon
        self._env, self._roster, self._body, self._device = env, roster, body, device
        together = min(episodes, max(_AT_ONCE, getattr(env, "copies", None) or 0))
        # The fewest rounds that are possible, then the fewest copies for these rounds: all copies play until the end.
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
    ) -> PlayedEpisodes | None:
        """Play ``count`` episodes and return them ordered by copy; return None if ``stop`` asked to stop.

        Each copy has a fixed number of episodes, so that short episodes are not over-represented. A failed episode does
        not count: its copy plays another episode.

        Raises:
            EpisodesFailed: More episodes failed than may be replaced.
            RunError: The environment failed and cannot continue.
        """
        copies = self._copies
        if seed != self._seed:
            self._games.close()
            self._seed, self._games = seed, self._opened(seed)
        quota = np.array([count // copies + (copy < count % copies) for copy in range(copies)])
        record = _Record(
            quota, len(self._roster.names), self._horizon, measures(self._env), declared_streams(self._env)
        )
        weights, key, memory = self._weights(jax.tree.leaves(actors)), self._key(seed), self._memory()
        start, step = np.ones(copies, bool), 0
        try:
            self._games.failures()  # discard the failures of the previous start: the copies start again here
            self._games.begin(np.zeros(copies, np.int32))
            (all_,) = self._games.halves
            record.begin(self._numbers(), self._failures())
            while record.wanting.any():
                if stop():
                    return None
                actions, memory = self._choose(weights, key, step, start, memory)
                all_.copies.send(tuple(np.asarray(action) for action in actions))
                came = all_.copies.receive()
                all_.view, step = came.view, step + 1
                cut = record.step(came.outcome, came.measures)
                if cut.any():
                    all_.view = all_.copies.leave(cut)
                start = record.ended
                if start.any():
                    start = record.end(self._numbers(), self._failures())
        except EpisodesFailed:
            raise
        except RunError as error:
            failures = record.failures
            raise extended(error, f"; {failed_of(failures.count + 1, record.whole + failures.count + 1)}") from error
        finally:
            self._failures()
            self._remarks += self._games.notes()
        return record.played()

    def _numbers(self) -> np.ndarray:
        """Return the episode number of every copy."""
        return self._games.snapshot()["episode"]

    def _failures(self) -> list[str]:
        """Return a line for each failure since the last call, and add the lines to the remarks."""
        lines = self._games.failures()
        self._remarks += lines
        return lines

    def remarks(self) -> list[str]:
        """Return a line for each copy that failed since the last call."""
        remarks, self._remarks = self._remarks, []
        return [f"evaluation: {line}" for line in remarks]

    def close(self) -> None:
        """Close all environment copies."""
        self._games.close()

    def _opened(self, seed: int) -> Games:
        return Games(self._env, _apart(seed), self._copies, parts=1)

    def _weights(self, leaves: list[Any]) -> tuple[Array, ...]:
        # The weights are a flat tuple: flattening the modules in every step would take longer than the networks.
        return tuple(jax.device_put([np.array(leaf) for leaf in leaves], self._device))

    def _key(self, seed: int) -> Array:
        return jax.device_put(jax.random.key(seed), self._device)

    def _memory(self) -> Any:
        return blank(self._env, self._body, self._copies, 0).memory

    def _choose(self, weights: tuple[Array, ...], key: Array, step: int, start: np.ndarray, memory: Any) -> Any:
        view = self._games.halves[0].view
        return self._act(weights, view.observation, view.available, view.alive, start, memory, key, np.int32(step))


class _Episode(NamedTuple):
    """The results of one episode."""

    returns: np.ndarray
    length: int
    cut: bool
    measures: np.ndarray
    paid: dict[str, np.ndarray]


class _Record:
    """The episodes that the copies of an evaluation have played so far.

    Attributes:
        failures: The count of failed episodes, in copies that still had episodes to play.
        ended: True if the copy's episode terminated or was truncated in this step, ``[E]``.
    """

    def __init__(
        self,
        quota: np.ndarray,
        agents: int,
        horizon: int,
        names: tuple[str, ...] = (),
        streams: Sequence[Stream] = (),
    ) -> None:
        self._quota, self._horizon, self._names, self._streams = quota, horizon, names, streams
        self._done: list[list[_Episode]] = [[] for _ in quota]
        self._measures = np.full((len(quota), len(names)), np.nan)
        self._count = np.zeros_like(quota)
        self._returns = np.zeros((len(quota), agents), np.float32)
        self._paid = {s.name: np.zeros((len(quota), s.owners(agents)), np.float32) for s in reported(streams)}
        self._lengths, self._number = np.zeros(len(quota), np.int32), np.zeros(len(quota), np.int32)
        self.failures = FailureCount(int(quota.sum()))
        self.ended = self._cut = self._failed = np.zeros(len(quota), bool)

    @property
    def wanting(self) -> np.ndarray:
        """True for copies that still have episodes to play, ``[E]``."""
        return self._count < self._quota

    @property
    def whole(self) -> int:
        """Number of episodes that terminated or were truncated."""
        return int(self._count.sum())

    def begin(self, number: np.ndarray, lines: list[str]) -> None:
        """Record the start of the first episodes; a copy's episode number counts the starts that failed before."""
        self._number = number
        self.failures.add(int(number[self.wanting].sum()), self.whole, "".join(lines[:1]))

    def step(self, outcome: Outcome, measured: np.ndarray | None = None) -> np.ndarray:
        """Add a step, and return which copies must leave their episode because of the horizon, ``[E]``.

        Raises:
            RequestError: The step does not contain the streams that the environment declares.
        """
        check_paid(self._streams, outcome.reward, outcome.streams)
        self._paid = {name: before + outcome.streams[name] for name, before in self._paid.items()}
        self._measures = self._measures if measured is None else measured
        self._returns, self._lengths = self._returns + outcome.reward, self._lengths + 1
        over = outcome.terminated | outcome.truncated
        self._failed = np.zeros_like(over) if outcome.failed is None else outcome.failed
        self._cut = ~over & (self._lengths >= self._horizon) & self.wanting
        self.ended = over | self._cut
        return self._cut

    def end(self, number: np.ndarray, lines: list[str]) -> np.ndarray:
        """Store the ended episodes, count the failed ones, and return where a new episode started, ``[E]``.

        Args:
            number: Numbers of the current episodes. A number that grew by more than the ended episode shows that
                episodes failed in between.
            lines: A line for each failure.
        """
        failed = self._failed & self.wanting
        for copy in np.flatnonzero(self.ended & ~self._failed & self.wanting):
            paid = {name: sums[copy].copy() for name, sums in self._paid.items()}
            length, cut = int(self._lengths[copy]), bool(self._cut[copy])
            self._done[copy].append(_Episode(self._returns[copy].copy(), length, cut, self._measures[copy], paid))
            self._count[copy] += 1
        between = np.where(self.wanting, number - self._number - self.ended, 0)
        began = self.ended | (number != self._number)
        self._number = number
        for sums in (self._returns, self._lengths, *self._paid.values()):
            sums[began] = 0
        self.failures.add(int(failed.sum() + between.sum()), self.whole, "".join(lines[:1]))
        return began

    def played(self) -> PlayedEpisodes:
        """Return the episodes, ordered by copy."""
        episodes = (episode for done in self._done for episode in done)
        returns, lengths, cut, measured, paid = zip(*episodes, strict=True)
        return PlayedEpisodes(
            np.stack(returns),
            np.array(lengths, np.int32),
            np.array(cut),
            self._horizon,
            self.failures.count,
            self.failures.first,
            dict(zip(self._names, np.stack(measured, -1), strict=True)),
            {name: np.stack([sums[name] for sums in paid]) for name in self._paid},
        )


def episodes(
    env: HostEnvironment,
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
    """Open environment copies, play ``count`` whole episodes, and return them ordered by copy.

    Raises:
        RunError: The environment failed, or more episodes failed than may be replaced.
    """
    trials = HostEvaluationRollouts(env, roster, actors, body, count, seed, mode, at_random=at_random, horizon=horizon)
    try:
        played = trials.play(actors, seed, count)
        assert played is not None
        return played
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
    """Return a seed for evaluation, whose episodes differ from the training episodes of a run with the same seed."""
    return int(np.random.SeedSequence((seed, 1)).generate_state(1)[0])
