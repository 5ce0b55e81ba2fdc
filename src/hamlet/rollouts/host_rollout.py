"""Rollouts on the host: while one half of the environment copies steps, the joint policy acts for the other half.

The noise of the whole rollout is sampled beforehand, from the same keys as in a compiled rollout. So the episodes
depend neither on the division into halves nor on the number of processes.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from hamlet.envs.base import View
from hamlet.envs.host import Step
from hamlet.estimation.trajectory import Trajectory
from hamlet.networks.joint import Chance, act, draw
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts.host_games import Games, HostPlay
from hamlet.rollouts.rollout import Episodes
from hamlet.rollouts.seats import Seating, acting
from hamlet.roster import Roster
from hamlet.streams import Stream, check_paid, learning_reward
from hamlet.types import Device, Key


class Stopwatch:
    """Measures where a run's time goes: the time since the last call of `lap` is added to the given name.

    * ``act``: networks and noise;
    * ``step``: sending actions and storing results; includes the environment's step if it runs within the call;
    * ``wait``: waiting for environments;
    * ``learn``: the update.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = dict.fromkeys(("act", "step", "wait", "learn"), 0.0)
        self._at = time.perf_counter()

    def lap(self, name: str) -> None:
        """Add the time since the last call to ``name``."""
        now = time.perf_counter()
        self.seconds[name] += now - self._at
        self._at = now


class Acting:
    """Computes the joint policy's actions in one step, for one half of the copies, with one compiled call.

    Args:
        roster: The agents.
        like: The actors, or their shapes.
        lead: C and L: number of sequences in a rollout, and steps in a sequence.
        rows: The copies of each half.
        device: The device that computes the actions.
        seating: The seats in which other teams act; None for no other teams.
        body: The configuration of the actors' networks.
    """

    def __init__(
        self,
        roster: Roster,
        like: Any,
        lead: tuple[int, int],
        rows: list[slice],
        device: Device,
        seating: Seating | None = None,
        body: NetworkConfig = NetworkConfig(),  # noqa: B008
    ) -> None:
        self._players, self._rows = partial(acting, seating, roster, body=body), rows
        self._form, self._device = jax.tree.structure(self._players(like)), device
        self._draw = jax.jit(partial(_drawn, roster, lead, tuple((r.start, r.stop) for r in rows)))
        self._act = jax.jit(partial(_act, roster, self._form))

    def begin(self, actors: tuple[Any, ...], key: Key, warm: Any = None) -> None:
        """Set a rollout's policies and sample its noise.

        ``warm`` says whether actions are sampled uniformly, as in warm-up; None if the algorithm has no warm-up.
        """
        # The weights are flat and on one device: flattening modules in every step would take longer than the networks.
        teams = [self._players(actors, rows=rows) for rows in self._rows]
        self._weights = [tuple(jax.device_put(jax.tree.leaves(team), self._device)) for team in teams]
        self._chances = self._draw(jax.device_put(key, self._device))
        self._even = None if warm is None else jax.device_put(warm, self._device)

    def prepare(self, actors: tuple[Any, ...], games: Games, play: HostPlay, warm: Any = None) -> None:
        """Compile now, so that the first rollout does not have to."""
        self.begin(actors, jax.random.key(0), warm)
        for number, half in enumerate(games.halves):
            memory = tuple(None if m is None else m[half.rows] for m in play.memory)
            self(0, number, half.view, play.start[half.rows], memory)

    def __call__(self, step: int, half: int, view: View, start: np.ndarray, memory: Any) -> tuple[Any, Any]:
        """Return the actions as NumPy arrays, and the new memory."""
        actions, memory = self._act(
            self._weights[half],
            self._chances[half],
            np.int32(step),
            *(view.observation, view.available, view.alive, start, memory, self._even),
        )
        return tuple(np.asarray(action) for action in actions), memory


def _drawn(roster: Roster, lead: tuple[int, int], rows: tuple[tuple[int, int], ...], key: Key) -> Any:
    chance = draw(roster, jax.random.split(key)[0], *lead, rows[-1][1])
    flat = jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), chance)
    return tuple(jax.tree.map(lambda leaf, a=a, b=b: leaf[:, a:b], flat) for a, b in rows)


def _act(
    roster: Roster,
    form: Any,
    weights: tuple[Array, ...],
    chances: Chance,
    step: Array,
    observation: tuple[Any, ...],
    available: tuple[Any, ...],
    alive: Array | None,
    start: Array,
    memory: tuple[Any, ...],
    even: Array | None,
) -> tuple[Any, Any]:
    actors = jax.tree.unflatten(form, weights)
    chance = jax.tree.map(lambda leaf: leaf[step], chances)
    return act(roster, actors, observation, available, start, memory, chance, even, alive=alive)


class Storage:
    """The arrays of a rollout, allocated once.

    They have the types that the environment returns; 64-bit types are stored in 32 bits.

    Args:
        roster: The agents.
        view: The observations of all copies at one step.
        play: The environment copies' state, which gives the shapes of the memory.
        steps: Steps T of a rollout.
        length: Steps L of a sequence.
        measures: Names of the environment's own measures.
        streams: The streams that the environment returns in addition to the reward.
    """

    def __init__(
        self,
        roster: Roster,
        view: View,
        play: HostPlay,
        *,
        steps: int,
        length: int,
        measures: tuple[str, ...] = (),
        streams: Sequence[Stream] = (),
    ) -> None:
        self.length, self._streams = length, streams
        copies = play.start.shape[0]

        def room(*shape, dtype):
            return np.zeros((steps, copies, *shape), dtype)

        def like(leaf):
            return room(*leaf.shape[1:], dtype=jax.dtypes.canonicalize_dtype(leaf.dtype))

        self.view, self.arrival = (jax.tree.map(like, view) for _ in range(2))
        self._seen, self._reached = _arrays(self.view), _arrays(self.arrival)
        self.actions = tuple(
            room(len(group.names), *group.action.shape, dtype=action_type(group.action)) for group in roster.groups
        )
        agents = len(roster.names)
        self.reward = room(agents, dtype=np.float32)
        self.paid = {stream.name: room(stream.owners(agents), dtype=np.float32) for stream in streams}
        self.start, self.terminated, self.truncated, self._failed = (room(dtype=bool) for _ in range(4))
        self._measures, self._names = room(len(measures), dtype=np.float64), measures
        # If agents can be inactive, single agents can leave an episode before it ends.
        self.cut = None if view.alive is None else room(agents, dtype=bool)
        self.memory = tuple(
            None if m is None else np.zeros((steps // length, *m.shape), np.float32) for m in play.memory
        )

    def before(self, step: int, rows: slice, view: View, start: np.ndarray, actions: Any, memory: Any) -> None:
        """Store the observations and the actions of a step."""
        for room, array in zip(self._seen, _arrays(view), strict=True):
            room[step, rows] = array
        for room, array in zip(self.actions, actions, strict=True):
            room[step, rows] = array
        self.start[step, rows] = start
        if step % self.length == 0:
            for room, array in zip(self.memory, memory, strict=True):
                if room is not None:
                    room[step // self.length, rows] = array

    def after(self, step: int, rows: slice, came: Step) -> None:
        """Store the results of a step: next observations, rewards, streams and ends of episodes.

        Raises:
            RequestError: The step does not contain the streams that the environment declares.
        """
        for room, array in zip(self._reached, _arrays(came.arrival), strict=True):
            room[step, rows] = array
        outcome = came.outcome
        self.reward[step, rows] = outcome.reward
        check_paid(self._streams, outcome.reward, outcome.streams)
        for name, paid in outcome.streams.items():
            self.paid[name][step, rows] = paid
        self.terminated[step, rows] = outcome.terminated
        self.truncated[step, rows] = outcome.truncated
        self._failed[step, rows] = False if outcome.failed is None else outcome.failed
        if came.measures is not None:
            self._measures[step, rows] = came.measures
        if self.cut is not None:
            self.cut[step, rows] = False if outcome.cut is None else outcome.cut

    def trajectory(self) -> Trajectory:
        """Return the rollout in sequences, for the update; its arrays are no copies: valid until the next rollout."""

        def cut(array):
            return array.reshape(-1, self.length, *array.shape[1:])

        flags = (cut(array) for array in (self.start, self.terminated, self.truncated))
        start, terminated, truncated = flags
        reward, paid = learning_reward(self._streams, self.reward, self.paid)
        return Trajectory(
            jax.tree.map(cut, self.view),
            start,
            tuple(cut(action) for action in self.actions),
            cut(reward),
            terminated,
            truncated,
            jax.tree.map(cut, self.arrival),
            self.memory,
            None if self.cut is None else cut(self.cut),
            streams={name: cut(values) for name, values in paid.items()},
        )

    def tally(self, play: HostPlay) -> tuple[np.ndarray, dict[str, np.ndarray], Episodes]:
        """Return sums over episodes, in the environment's own units, even if agents are trained on another quantity.

        An episode that ended because the environment failed does not count.

        Args:
            play: The state of the environment copies before the rollout.

        Returns:
            For the episodes that are not over after the rollout: their team returns, and the sums of the reported
            streams. For the episodes that ended: their count and sums.
        """
        ended = np.logical_or(self.terminated, self.truncated)
        completed = np.logical_and(ended, np.logical_not(self._failed))
        total, gained = _summed(self.reward, play.total, ended, completed)
        sums = {name: _summed(self.paid[name], before, ended, completed) for name, before in play.paid.items()}
        paid = {name: after for name, (after, _) in sums.items()}
        return (
            total,
            paid,
            Episodes(np.float32(completed.sum()), gained, {name: own_total for name, (_, own_total) in sums.items()}),
        )

    def measured(self) -> dict[str, float]:
        """Return each measure's mean over the episodes that ended in the rollout and have it; NaN if there are none."""
        completed = np.logical_and(np.logical_or(self.terminated, self.truncated), np.logical_not(self._failed))
        values = {name: self._measures[..., m][completed] for m, name in enumerate(self._names)}
        given = {name: value[~np.isnan(value)] for name, value in values.items()}
        return {name: float(value.mean()) if value.size else float("nan") for name, value in given.items()}


def rollout(
    games: Games, acting: Acting, storage: Storage, play: HostPlay, watch: Stopwatch, stop: Callable[[], bool]
) -> tuple[HostPlay, Episodes] | None:
    """Play until the storage is full; return None if ``stop`` asked to stop before that.

    Raises:
        RunError: The environment failed.
    """
    steps = storage.start.shape[0]
    starts = [play.start[half.rows] for half in games.halves]
    memories: list[Any] = [tuple(None if m is None else m[half.rows] for m in play.memory) for half in games.halves]
    watch.lap("step")
    for step in range(steps + 1):
        for number, half in enumerate(games.halves):
            came = None
            if step:
                came = half.copies.receive()
                watch.lap("wait")
                half.view, starts[number] = came.view, came.outcome.terminated | came.outcome.truncated
            if step < steps:
                view, start, memory = half.view, starts[number], memories[number]
                actions, memories[number] = acting(step, number, view, start, memory)
                watch.lap("act")
                half.copies.send(actions)
                storage.before(step, half.rows, view, start, actions, memory)
            if came is not None:  # store the results while the environments step
                storage.after(step - 1, half.rows, came)
            watch.lap("step")
        if stop():
            return None
    total, paid, episodes = storage.tally(play)
    memory = tuple(
        None if m is None else np.concatenate([np.asarray(part[g]) for part in memories])
        for g, m in enumerate(play.memory)
    )
    after = HostPlay(play.seed, games.snapshot(), np.concatenate(starts), memory, total, paid)
    watch.lap("step")
    return after, episodes


def _summed(paid: np.ndarray, total: np.ndarray, ended: np.ndarray, whole: np.ndarray) -> tuple[np.ndarray, np.float32]:
    """Return the sum of a reward or stream over agents, per unfinished episode and over all finished episodes.

    Args:
        paid: Reward or stream in every step, ``[T, E, n]``.
        total: Sums in the current episodes before the rollout, ``[E]``.
        ended: True where an episode ended, ``[T, E]``.
        whole: True where an episode ended that counts, ``[T, E]``.

    Returns:
        The sums in the current episodes after the rollout, ``[E]``; and the sum over all episodes that ended and count.
    """
    gained = np.float32(0.0)
    for together, over, counts in zip(paid.sum(-1), ended, whole, strict=True):
        total = total + together
        gained += total[counts].sum()
        total = np.where(over, np.float32(0.0), total)
    return total, gained


def action_type(space: Any) -> Any:
    """Return the type of the actions that a policy chooses in a space."""
    return np.float32 if hasattr(space, "low") else np.int32


def _arrays(view: View) -> tuple[Any, ...]:
    """Return the arrays of a view; without `jax.tree`, because this runs many times per step."""
    masks = [mask for mask in view.available if mask is not None]
    return (*view.observation, view.state, *masks, *(() if view.alive is None else (view.alive,)))
