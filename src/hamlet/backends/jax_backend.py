"""Training on environments written in JAX: one compiled call runs many iterations (rollout, estimation, update)."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, UInt

from hamlet import learners
from hamlet.backends import device_replay
from hamlet.backends.backend import CheckMemory, ignore
from hamlet.backends.devices import shardings
from hamlet.backends.iteration import Training, check_seating, keys, learn, left, roster_of, with_replay
from hamlet.buffers.replay import Replay
from hamlet.envs.base import Environment, declared_horizon
from hamlet.estimation.trajectory import Trajectory
from hamlet.learners import Algorithm
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts import episodes as whole
from hamlet.rollouts import record_episode
from hamlet.rollouts.played import PlayedEpisodes
from hamlet.rollouts.rollout import Episodes, Play, begin, rollout
from hamlet.rollouts.seats import Seating, acting, learnt, remembering
from hamlet.roster import Roster
from hamlet.types import Device, Info, Key, Scalar

# The most iterations in one compiled call. Their metrics stay on the device until the call ends.
CAPACITY = 64


def begin_training(
    algorithm: Algorithm, env: Environment, seed: int | UInt[Array, ""], seating: Seating | None = None
) -> Training:
    """Return the state before the first iteration; with ``seating``, other teams act in some of the seats."""
    training = _begin(algorithm, env, seed, seating)

    def played():
        return jax.eval_shape(partial(_played, algorithm, env), training, training.key, seating)[1]

    return with_replay(training, learners.empty(algorithm, played))


def _begin(
    algorithm: Algorithm, env: Environment, seed: int | UInt[Array, ""], seating: Seating | None = None
) -> Training:
    """Return the state without the replay buffer, which is created directly on its devices."""
    check_seating(seating, algorithm)
    learner_key, play_key, key = jax.random.split(jax.random.key(seed), 3)
    return Training(
        learners.init(algorithm, roster_of(algorithm, env), env.state_shape, learner_key),
        begin(env, remembering(seating, algorithm.body), algorithm.sampling.copies, play_key),
        jnp.zeros((), jnp.int32),
        key,
    )


def _played(
    algorithm: Algorithm, env: Environment, training: Training, key: Key, seating: Seating | None = None
) -> tuple[Play, Trajectory, Episodes]:
    sampling, roster, body = algorithm.sampling, roster_of(algorithm, env), algorithm.body
    play, trajectory, episodes = rollout(
        env,
        roster,
        acting(seating, roster, training.learner.team.actors, body),
        training.play,
        steps=sampling.steps,
        length=sampling.length(memory=body.memory),
        key=key,
        warm=sampling.warm(training.iteration),
    )
    return play, learnt(seating, trajectory, body), episodes


def iterate(
    algorithm: Algorithm,
    env: Environment,
    training: Training,
    remaining: Scalar | float = 1.0,
    seating: Seating | None = None,
) -> tuple[Training, Info]:
    """Run one rollout and one update.

    Args:
        algorithm: The algorithm.
        env: The environment.
        training: The state before the iteration; it must have been created with the same seats.
        remaining: The share of the run that is left; learning rates may decay with it.
        seating: The seats in which other teams act; None for no other teams.
    """
    rollout_key, update_key = keys(training)
    play, trajectory, episodes = _played(algorithm, env, training, rollout_key, seating)
    learner, replay, info = learn(
        algorithm, env, training.learner, training.replay, trajectory, episodes, update_key, remaining
    )
    return Training(learner, play, training.iteration + 1, training.key, replay), info


def iterate_many(
    algorithm: Algorithm,
    env: Environment,
    training: Training,
    count: Int[Array, ""],
    total: Int[Array, ""],
    seating: Seating | None = None,
    *,
    capacity: int,
) -> tuple[Training, Info]:
    """Run ``count`` iterations, at most ``capacity``.

    The number of iterations in one call does not change the results (they are bitwise identical). ``total`` is the
    number of iterations of the whole run. It is an argument of the program, so that a run can be lengthened.
    """
    # A separate jitted function, so that JAX traces it once for both uses below.
    step = jax.jit(partial(iterate, algorithm, env))
    shapes = jax.eval_shape(step, training, left(training.iteration, total), seating)[1]
    infos = jax.tree.map(lambda s: jnp.zeros((capacity, *s.shape), s.dtype), shapes)

    def one(done: Array, at: tuple[Training, Info]) -> tuple[Training, Info]:
        training, info = step(at[0], left(at[0].iteration, total), seating)
        return training, jax.tree.map(lambda all_, now: all_.at[done].set(now), at[1], info)

    return jax.lax.fori_loop(0, count, one, (training, infos))


@dataclass(frozen=True)
class JaxProgram:
    """Compiled iterations, several per call (`hamlet.backends.backend.Program`)."""

    algorithm: Algorithm
    env: Environment
    placement: Any
    compiled: Callable[..., tuple[Training, Info]]
    bytes_needed: int
    rollout_bytes: int
    compile_seconds: float
    ring: Replay | None = None
    seating: Seating | None = None

    def place(self, training: Training) -> Training:
        """Return a copy of the state on its devices; it is a copy because a call consumes its arguments."""
        bare, where = (with_replay(tree, None) for tree in (training, self.placement))
        placed = jax.tree.map(lambda leaf, sharding: jax.device_put(leaf.copy(), sharding), bare, where)
        return with_replay(placed, device_replay.placed(training.replay, self.ring, self.placement.replay))

    def call(self, training: Training, count: Any, total: Any, stop: Any = None) -> tuple[Training, Info]:
        """Run ``count`` of ``total`` iterations, at most `CAPACITY`; ``stop`` is ignored, because the call is short."""
        return jax.block_until_ready(self.compiled(training, jnp.int32(count), jnp.int32(total), self.seating))

    def remarks(self) -> tuple[str, ...]:
        """Return no lines: a compiled program has no remarks."""
        return ()

    def close(self) -> None:
        """Do nothing: no resource is open."""


def compile_program(
    algorithm: Algorithm, env: Environment, like: Training, devices: Sequence[Device], seating: Seating | None = None
) -> JaxProgram:
    """Compile for the shapes of ``like`` and ``seating``, with the copies split over the devices."""
    placement = shardings(like, list(devices), algorithm.sampling.copies)
    start, number = time.perf_counter(), jax.ShapeDtypeStruct((), jnp.int32)
    program = jax.jit(
        lambda training, count, total, seating: iterate_many(
            algorithm, env, training, count, total, seating, capacity=CAPACITY
        ),
        in_shardings=(placement, None, None, None),
        out_shardings=(placement, None),
        donate_argnums=0,
    )
    compiled = program.lower(like, number, number, seating).compile()
    sizes = compiled.memory_analysis()
    needed = 0 if sizes is None else sizes.temp_size_in_bytes + sizes.argument_size_in_bytes
    view = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(like.play.copies.view))
    seconds = time.perf_counter() - start
    steps = algorithm.sampling.steps
    return JaxProgram(algorithm, env, placement, compiled, int(needed), 2 * steps * view, seconds, like.replay, seating)


@dataclass(frozen=True)
class JaxBackend:
    """An environment written in JAX (`hamlet.backends.backend.Backend`)."""

    env: Environment
    seating: Seating | None = None
    copies: None = None
    remarks: tuple[str, ...] = ()

    @property
    def horizon(self) -> int | None:
        """The steps of the longest episode in the environment's declaration; None if it has none."""
        return declared_horizon(self.env)

    @property
    def episode_steps(self) -> int | None:
        """The declared horizon; None if there is none."""
        return self.horizon

    def sized(self, copies: int) -> Environment:
        """Return the environment itself: it works with every number of copies."""
        return self.env

    def outline(self, algorithm: Algorithm) -> Training:
        """Return the shapes and types of a run's state, without the replay buffer."""
        return jax.eval_shape(lambda: _begin(algorithm, self.env, 0, self.seating))

    def begin(self, algorithm: Algorithm) -> Callable[[int], Training]:
        """Return a function from a seed to the state before the first iteration."""
        initial_state = jax.jit(lambda seed: _begin(algorithm, self.env, seed, self.seating))
        return lambda seed: initial_state(jnp.uint32(seed))

    def compile(
        self, algorithm: Algorithm, devices: Sequence[Device], seed: int, check_memory: CheckMemory = ignore
    ) -> JaxProgram:
        """Return the program; it is the same for every seed."""
        like = jax.eval_shape(lambda: begin_training(algorithm, self.env, 0, self.seating))
        check_memory(like.replay)
        return compile_program(algorithm, self.env, like, devices, self.seating)

    def trials(
        self,
        roster: Roster,
        like: tuple[Any, ...],
        body: NetworkConfig,
        episodes: int,
        seed: int,
        mode: whole.Mode,
        device: Device,
        *,
        horizon: int,
    ) -> whole.CompiledTrials:
        """Compile evaluations; the program is the same for every seed."""
        return whole.compile_trials(self.env, roster, like, body, episodes, mode, device, horizon=horizon)

    def episodes(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        body: NetworkConfig,
        count: int,
        seed: int,
        mode: whole.Mode,
        at_random: tuple[str, ...] = (),
        *,
        horizon: int,
    ) -> PlayedEpisodes:
        """Play whole episodes, at most a thousand in parallel."""
        return whole.episodes(self.env, roster, actors, body, count, seed, mode, at_random, horizon=horizon)

    def moments(
        self,
        roster: Roster,
        actors: tuple[Any, ...],
        body: NetworkConfig,
        seed: int,
        mode: whole.Mode,
        at_random: tuple[str, ...] = (),
        *,
        horizon: int,
    ) -> Iterator[record_episode.Frame]:
        """Yield the frames of one episode."""
        return record_episode.compiled(self.env, roster, actors, body, seed, mode, at_random, horizon=horizon)
