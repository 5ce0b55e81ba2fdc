"""Training on host environments: games outside of compiled code, and an update that is the same compiled one."""

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
    """Rollouts in Python and compiled updates (`hamlet.backends.backend.Program`), with the games of one seed open."""

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
        """What a rollout's observations and states take."""
        views = jax.tree.leaves((self.storage.view, self.storage.arrival))
        return sum(leaf.nbytes for leaf in views)

    def place(self, training: Training) -> Training:
        """The learner on its devices, and the games as they were left, or as near to it as can be."""
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
                "the environment cannot be put back into an episode: "
                f"every copy begins its next one, drawn from the run's seed {self.games.seed}"
            )
        learner = jax.device_put(training.learner, self.lay.learner(training.learner))
        replay = device_replay.placed(training.replay, self.ring, jax.tree.map(lambda _: self.lay.repeated, self.ring))
        return Training(learner, play, training.iteration, training.key, replay)

    def call(
        self, training: Training, count: Any, total: Any, stop: Callable[[], bool] = bool
    ) -> tuple[Training, dict[str, Any]]:
        """``count`` iterations, or fewer where ``stop`` says so; what was begun then is thrown away.

        Raises:
            RunError: The environment failed. Iterations before that are handed out first: then the next call raises.
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
        # Only here is anything of the state consumed: the ring, in whose place the new one is made.
        learner, replay, info = self.update(
            training.learner, training.replay, trajectory, episodes, update_key, remaining
        )
        # Until it is done, the storage is in use.
        learner, replay, info = jax.block_until_ready((learner, replay, info))
        watch.lap("learn")
        info |= {f"time/{name}": seconds for name, seconds in watch.seconds.items()}
        info["environment/failures"] = float(len(failures))
        info |= {f"measure/{name}": value for name, value in self.storage.measured().items()}
        return Training(learner, play, training.iteration + 1, training.key, replay), info

    def remarks(self) -> list[str]:
        """Copies that failed, and games that could not be put back."""
        remarks, self._remarks = self._remarks, []
        return remarks

    def close(self) -> None:
        """End all games."""
        self.games.close()


def compile_program(
    algorithm: Algorithm,
    env: HostEnvironment,
    devices: Sequence[Device],
    seed: int,
    check_memory: CheckMemory = ignore,
    seating: Seating | None = None,
) -> HostProgram:
    """Open the games of a seed, and compile for what they show and for ``seating``."""
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
    """The update, its trajectory shared out along the copies."""
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
        # The ring alone: it is large, and rows are put into it where it lies.
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
        """What the declaration says, if it does."""
        return getattr(self.env, "copies", None)

    @property
    def horizon(self) -> int | None:
        """What the declaration says, if it does."""
        return declared_horizon(self.env)

    @property
    def episode_steps(self) -> int | None:
        """What the declaration says, for each agent of those that act in turns."""
        known = self.horizon
        return known and known * getattr(self.env, "turns_in_a_round", 1)

    @property
    def remarks(self) -> Sequence[str]:
        """The environment's own."""
        return self.env.remarks

    def sized(self, copies: int) -> HostEnvironment:
        """The environment declared for as many copies."""
        declared = getattr(self.env, "copies", copies)
        return self.env if declared == copies else replace(self.env, copies=copies)  # type: ignore[type-var]

    def outline(self, algorithm: Algorithm) -> Training:
        """The shapes and types of a run's state; its games are numpy arrays."""
        compiled = jax.eval_shape(lambda: self._start(algorithm, 0))
        play = blank(self.env, remembering(self.seating, algorithm.body), algorithm.sampling.copies, 0)
        return eqx.tree_at(lambda t: t.play, compiled, play, is_leaf=lambda x: x is None)

    def _start(self, algorithm: Algorithm, seed: Any) -> Training:
        """All but the games; from the same keys as a compiled run's."""
        check_seating(self.seating, algorithm)
        learner_key, _, key = jax.random.split(jax.random.key(seed), 3)
        learner = learners.init(algorithm, roster_of(algorithm, self.env), self.env.state_shape, learner_key)
        return Training(learner, None, jnp.zeros((), jnp.int32), key)

    def begin(self, algorithm: Algorithm) -> Callable[[int], Training]:
        """The state before the first iteration, by seed."""
        initial_state = jax.jit(lambda seed: self._start(algorithm, seed))

        def at(seed: int) -> Training:
            play = blank(self.env, remembering(self.seating, algorithm.body), algorithm.sampling.copies, seed)
            return eqx.tree_at(lambda t: t.play, initial_state(jnp.uint32(seed)), play, is_leaf=lambda x: x is None)

        return at

    def compile(
        self, algorithm: Algorithm, devices: Sequence[Device], seed: int, check_memory: CheckMemory = ignore
    ) -> HostProgram:
        """The program of a run of this seed, its games open."""
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
        """Games of their own, open: those of a run are not disturbed."""
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
        """Whole episodes, about twenty copies at a time."""
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
        """One episode, moment by moment."""
        return record_episode.hosted(self.env, roster, actors, body, seed, mode, at_random, horizon=horizon)
