"""Training on host environments: they step outside of compiled code; the update is the same compiled update."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hamlet import learners
from hamlet.backends import device_replay
from hamlet.backends.backend import CheckMemory, ignore
from hamlet.backends.devices import DeviceLayout, layout
from hamlet.backends.iteration import Training, check_seating, keys, learn, left, roster_of, with_replay
from hamlet.buffers.replay import Replay
from hamlet.envs.base import declared_horizon
from hamlet.envs.host import HostEnvironment, measures
from hamlet.errors import RunError, extended
from hamlet.learners import Algorithm
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts import host_episodes, record_episode
from hamlet.rollouts.episodes import Mode
from hamlet.rollouts.host_games import Games, HostPlay, blank, whole_view
from hamlet.rollouts.host_rollout import Acting, Stopwatch, Storage, rollout
from hamlet.rollouts.played import PlayedEpisodes
from hamlet.rollouts.seats import Seating, learnt, remembering
from hamlet.roster import Roster
from hamlet.streams import declared_streams
from hamlet.types import Device


@dataclass
class HostProgram:
    """Rollouts in Python and compiled updates (`hamlet.backends.backend.Program`).

    The environment copies of one seed are open.
    """

    algorithm: Algorithm
    env: HostEnvironment
    games: Games
    lay: DeviceLayout
    acting: Acting
    storage: Storage
    update: Callable[..., Any]
    bytes_needed: int
    compile_seconds: float
    ring: Replay | None = None
    seating: Seating | None = None
    _remarks: list[str] = field(default_factory=list)
    _failed: RunError | None = None

    @property
    def rollout_bytes(self) -> int:
        """Memory in bytes of a rollout's observations and states."""
        views = jax.tree.leaves((self.storage.view, self.storage.arrival))
        return sum(leaf.nbytes for leaf in views)

    def place(self, training: Training) -> Training:
        """Return the state with the learner on its devices and the environment copies restored.

        If the environment cannot be restored to the middle of an episode, each copy starts its next episode.
        """
        play, copies = training.play, self.algorithm.sampling.copies
        if self.games.seed != int(play.seed):
            self.games.close()
            self.games = Games(self.env, int(play.seed), copies)
        begun = (play.snapshot["episode"] >= 0).all()
        if begun and self.env.restorable:
            self.games.restore(play.snapshot)
        else:
            # Before the first episode its number is −1.
            self.games.begin(play.snapshot["episode"] + 1)
            fresh = blank(self.env, remembering(self.seating, self.algorithm.body), copies, int(play.seed))
            play = HostPlay(play.seed, self.games.snapshot(), fresh.start, fresh.memory, fresh.total, fresh.paid)
        if begun and not self.env.restorable:
            self._remarks.append(
                "the environment cannot be restored to the middle of an episode: "
                f"each copy starts its next episode, sampled with the run's seed {self.games.seed}"
            )
        learner = jax.device_put(training.learner, self.lay.learner(training.learner))
        replay = device_replay.placed(training.replay, self.ring, jax.tree.map(lambda _: self.lay.repeated, self.ring))
        return Training(learner, play, training.iteration, training.key, replay)

    def call(
        self, training: Training, count: Any, total: Any, stop: Callable[[], bool] = bool
    ) -> tuple[Training, dict[str, Any]]:
        """Run ``count`` iterations, or fewer if ``stop`` returns True; an unfinished iteration is discarded.

        Raises:
            RunError: The environment failed. If iterations were finished before, this call returns them, and the next
                call raises the error.
        """
        infos: list[dict[str, Any]] = []
        while len(infos) < count and self._failed is None:
            try:
                iteration = self._iterate(training, total, stop)
            except RunError as error:
                self._failed = error
                break
            if iteration is None:
                break
            training, info = iteration
            infos.append(info)
        if self._failed is not None and not infos:
            raise self._failed
        if not infos:
            return training, {}
        return training, {name: np.stack([np.asarray(info[name]) for info in infos]) for name in infos[0]}

    def _iterate(
        self, training: Training, total: Any, stop: Callable[[], bool]
    ) -> tuple[Training, dict[str, Any]] | None:
        watch = Stopwatch()
        rollout_key, update_key = keys(training)
        warm = self.algorithm.sampling.warm(training.iteration)
        self.acting.begin(training.learner.team.actors, rollout_key, warm)
        watch.lap("act")
        try:
            play_and_episodes = rollout(self.games, self.acting, self.storage, training.play, watch, stop)
        except RunError as error:
            raise extended(error, f", in iteration {int(training.iteration) + 1}") from error
        finally:
            failures = self.games.failures()
            self._remarks += [*failures, *self.games.notes()]
        if play_and_episodes is None:
            return None
        play, episodes = play_and_episodes
        remaining = left(training.iteration, jnp.int32(total))
        trajectory = learnt(self.seating, self.storage.trajectory(), self.algorithm.body)
        # This call consumes the replay buffer and writes the new one into its memory; nothing else is consumed.
        learner, replay, info = self.update(
            training.learner, training.replay, trajectory, episodes, update_key, remaining
        )
        # The update reads the storage, so wait until it is done.
        learner, replay, info = jax.block_until_ready((learner, replay, info))
        watch.lap("learn")
        info |= {f"time/{name}": seconds for name, seconds in watch.seconds.items()}
        info["environment/failures"] = float(len(failures))
        info |= {f"measure/{name}": value for name, value in self.storage.measured().items()}
        return Training(learner, play, training.iteration + 1, training.key, replay), info

    def remarks(self) -> list[str]:
        """Return lines about copies that failed or could not be restored, since the last call."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def close(self) -> None:
        """Close all environment copies."""
        self.games.close()


def compile_program(
    algorithm: Algorithm,
    env: HostEnvironment,
    devices: Sequence[Device],
    seed: int,
    check_memory: CheckMemory = ignore,
    seating: Seating | None = None,
) -> HostProgram:
    """Open the environment copies of a seed, and compile for their observations and for ``seating``."""
    sampling, roster = algorithm.sampling, roster_of(algorithm, env)
    lay = layout(list(devices), sampling.copies)
    games = Games(env, seed, sampling.copies)
    try:
        games.begin(np.zeros(sampling.copies, np.int32))
        length = sampling.length(memory=algorithm.body.memory)
        outline = HostBackend(env, seating).outline(algorithm)
        view, extent = whole_view(games.halves), {"steps": sampling.steps, "length": length}
        storage = Storage(roster, view, outline.play, **extent, measures=measures(env), streams=declared_streams(env))
        ring = jax.eval_shape(lambda: learners.empty(algorithm, storage.trajectory))
        check_memory(ring)
        began = time.perf_counter()
        acting = Acting(
            roster,
            outline.learner.team.actors,
            (sampling.steps // length, length),
            [half.rows for half in games.halves],
            devices[0],
            seating,
            algorithm.body,
        )
        actors = jax.tree.map(lambda leaf: np.zeros(leaf.shape, leaf.dtype), outline.learner.team.actors)
        acting.prepare(actors, games, outline.play, sampling.warm(jnp.int32(0)))
        update = _compile_update(algorithm, env, with_replay(outline, ring), storage, lay, seating)
        sizes = update.memory_analysis()
        needed = 0 if sizes is None else sizes.temp_size_in_bytes + sizes.argument_size_in_bytes
        seconds = time.perf_counter() - began
        return HostProgram(
            algorithm, env, games, lay, acting, storage, update, int(needed), seconds, ring, seating=seating
        )
    except BaseException:
        games.close()
        raise


def _compile_update(
    algorithm: Algorithm,
    env: HostEnvironment,
    outline: Training,
    storage: Storage,
    lay: DeviceLayout,
    seating: Seating | None,
) -> Any:
    """Compile the update; its trajectory is split over the devices along the axis of copies."""
    trajectory = learnt(seating, storage.trajectory(), algorithm.body)
    placed = jax.tree.map(lambda _: lay.shared(2), trajectory)
    held = jax.tree.map(lambda _: lay.shared(1), trajectory.memory)
    placed = eqx.tree_at(lambda t: t.memory, placed, held, is_leaf=lambda x: x is None)
    learner = lay.learner(outline.learner)
    ring = jax.tree.map(lambda _: lay.repeated, outline.replay)
    *_, episodes = storage.tally(outline.play)
    program = jax.jit(
        partial(learn, algorithm, env),
        in_shardings=(learner, ring, placed, None, None, None),
        out_shardings=(learner, ring, None),
        # Donate only the replay buffer: it is large, and rows are written in place.
        donate_argnums=1,
    )
    number = jax.ShapeDtypeStruct((), jnp.float32)
    return program.lower(outline.learner, outline.replay, trajectory, episodes, outline.key, number).compile()


@dataclass(frozen=True)
class HostBackend:
    """A host environment (`hamlet.backends.backend.Backend`)."""

    env: HostEnvironment
    seating: Seating | None = None

    @property
    def copies(self) -> int | None:
        """The number of copies in the environment's declaration; None if it has none."""
        return getattr(self.env, "copies", None)

    @property
    def horizon(self) -> int | None:
        """The steps of the longest episode in the environment's declaration; None if it has none."""
        return declared_horizon(self.env)

    @property
    def episode_steps(self) -> int | None:
        """The declared horizon; if agents act in turns, times the number of turns in a round."""
        known = self.horizon
        return known and known * getattr(self.env, "turns_in_a_round", 1)

    @property
    def remarks(self) -> Sequence[str]:
        """The environment's own remarks."""
        return self.env.remarks

    def sized(self, copies: int) -> HostEnvironment:
        """Return the environment, declared for this number of copies."""
        declared = getattr(self.env, "copies", copies)
        return self.env if declared == copies else replace(self.env, copies=copies)  # type: ignore[type-var]

    def outline(self, algorithm: Algorithm) -> Training:
        """Return the shapes and types of a run's state; the environment copies' part consists of NumPy arrays."""
        compiled = jax.eval_shape(lambda: self._start(algorithm, 0))
        play = blank(self.env, remembering(self.seating, algorithm.body), algorithm.sampling.copies, 0)
        return eqx.tree_at(lambda t: t.play, compiled, play, is_leaf=lambda x: x is None)

    def _start(self, algorithm: Algorithm, seed: Any) -> Training:
        """Return the state without the environment copies, from the same keys as a run on a compiled environment."""
        check_seating(self.seating, algorithm)
        learner_key, _, key = jax.random.split(jax.random.key(seed), 3)
        learner = learners.init(algorithm, roster_of(algorithm, self.env), self.env.state_shape, learner_key)
        return Training(learner, None, jnp.zeros((), jnp.int32), key)

    def begin(self, algorithm: Algorithm) -> Callable[[int], Training]:
        """Return a function from a seed to the state before the first iteration."""
        initial_state = jax.jit(lambda seed: self._start(algorithm, seed))

        def at(seed: int) -> Training:
            play = blank(self.env, remembering(self.seating, algorithm.body), algorithm.sampling.copies, seed)
            return eqx.tree_at(lambda t: t.play, initial_state(jnp.uint32(seed)), play, is_leaf=lambda x: x is None)

        return at

    def compile(
        self, algorithm: Algorithm, devices: Sequence[Device], seed: int, check_memory: CheckMemory = ignore
    ) -> HostProgram:
        """Return the program for a run with this seed, with open environment copies."""
        return compile_program(algorithm, self.env, devices, seed, check_memory, self.seating)

    def trials(
        self,
        roster: Roster,
        like: tuple[Any, ...],
        body: NetworkConfig,
        episodes: int,
        seed: int,
        mode: Mode,
        device: Device,
        *,
        horizon: int,
    ) -> host_episodes.HostEvaluationRollouts:
        """Open separate environment copies for evaluation, so that the run's copies are not changed."""
        return host_episodes.HostEvaluationRollouts(
            self.env, roster, like, body, episodes, seed, mode, device, horizon=horizon
        )

    def episodes(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        body: NetworkConfig,
        count: int,
        seed: int,
        mode: Mode,
        at_random: tuple[str, ...] = (),
        *,
        horizon: int,
    ) -> PlayedEpisodes:
        """Play whole episodes, in about twenty parallel copies."""
        return host_episodes.episodes(self.env, roster, actors, body, count, seed, mode, at_random, horizon=horizon)

    def moments(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        body: NetworkConfig,
        seed: int,
        mode: Mode,
        at_random: tuple[str, ...] = (),
        *,
        horizon: int,
    ) -> Iterator[record_episode.Frame]:
        """Yield the frames of one episode."""
        return record_episode.hosted(self.env, roster, actors, body, seed, mode, at_random, horizon=horizon)
