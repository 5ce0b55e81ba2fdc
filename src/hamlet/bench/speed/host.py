"""Measure the training speed on host environments, which run in Python processes, and the time of each part."""

import statistics
import time
from typing import Any

import jax
import numpy as np

from hamlet import machine, presets
from hamlet.backends import devices
from hamlet.backends.select import backend_of
from hamlet.bench.baseline.flops import count
from hamlet.bench.baseline.matrix import matrix_rate
from hamlet.envs import from_pettingzoo, make
from hamlet.envs.host import HostEnvironment
from hamlet.errors import RunError
from hamlet.haml.template import Haml
from hamlet.rollouts.host_games import Games

# The number of iterations of the whole run, for learning rates that decrease during a run.
_TOTAL = 1_000_000


def measure(algorithm: Haml, env: HostEnvironment, *, iterations: int = 10, warm: int = 2) -> dict[str, Any]:
    """Time training iterations, and the environment without training before and after them.

    Args:
        algorithm: The algorithm.
        env: The environment.
        iterations: The number of timed iterations.
        warm: The number of first iterations that are not counted.

    Returns:
        The raw seconds of every iteration and of its parts, their medians, and the steps per second.

    Raises:
        RunError: If an environment copy failed during the measurement.
    """
    place = backend_of(env)
    alone = [_alone(algorithm, env)]
    program = place.compile(algorithm, devices.select(None), 0)
    rows: list[dict[str, float]] = []
    try:
        training = program.place(place.begin(algorithm)(0))
        for _ in range(warm + iterations):
            began, worked = time.perf_counter(), time.process_time()
            training, info = program.call(training, 1, _TOTAL)
            row = {name: float(info[f"time/{name}"][0]) for name in ("act", "step", "wait", "learn")}
            spent = {"seconds": time.perf_counter() - began, "core_seconds": time.process_time() - worked}
            rows.append(spent | row)
            if lines := program.remarks():
                raise RunError(f"the environment failed during the measurement: {lines[0]}")
    finally:
        program.close()
    alone.append(_alone(algorithm, env))
    timed_rows = rows[warm:]
    middle = {name: statistics.median(row[name] for row in timed_rows) for name in timed_rows[0]}
    return {
        "env_steps_per_second": algorithm.sampling.batch / middle["seconds"],
        "environment_alone_steps_per_second": alone,
        "env_steps_per_iteration": algorithm.sampling.batch,
        "copies": algorithm.sampling.copies,
        "median": middle,
        "iterations": timed_rows,
        "compile_seconds": program.compile_seconds,
        "peak_memory_mb": machine.peak_memory() / 2**20,
    }


def _alone(algorithm: Haml, env: HostEnvironment, seconds: float = 3.0) -> float:
    """Return the steps per second of the copies in their two halves, with uniform actions that are sampled before."""
    copies = algorithm.sampling.copies
    games = Games(env, 0, copies)
    try:
        games.begin(np.zeros(copies, np.int32))
        actions = [_random(env, half.rows.stop - half.rows.start) for half in games.halves]
        for half, drawn in zip(games.halves, actions, strict=True):
            half.copies.send(drawn[0])
        turn, began = 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            turn += 1
            for half, drawn in zip(games.halves, actions, strict=True):
                half.copies.receive()
                half.copies.send(drawn[turn % len(drawn)])
        for half in games.halves:
            half.copies.receive()
        return turn * copies / passed
    finally:
        games.close()


def _random(env: HostEnvironment, copies: int, turns: int = 8) -> list[tuple[np.ndarray, ...]]:
    keys = jax.random.split(jax.random.key(0), (turns, len(env.groups)))

    def draw(key, group):
        return np.asarray(jax.vmap(jax.vmap(group.action.sample))(jax.random.split(key, (copies, len(group.names)))))

    return [tuple(draw(keys[turn, g], group) for g, group in enumerate(env.groups)) for turn in range(turns)]


def mpe2(**changes: Any) -> dict[str, Any]:
    """Measure HAPPO on mpe2's continuous spread through PettingZoo: the paper's settings, 20 copies of 200 steps."""
    # The environment's state() would compute all observations again and concatenate them. Hamlet already has them.
    factory = "mpe2.simple_spread_v3:parallel_env"
    env = from_pettingzoo(factory, copies=20, state="observations", continuous_actions=True)
    return measure(presets.find("paper/mpe", "happo", env)(**changes), env)


def half_cheetah(**changes: Any) -> dict[str, Any]:
    """Measure HAPPO on HalfCheetah-2x3: the paper's settings, with its batch of about 4,000 steps in 64 copies."""
    settings = {"num_envs": 64, "rollout_length": 63} | changes
    algorithm = presets.find("paper/mamujoco/HalfCheetah-2x3", "happo")(**settings)
    return measure(algorithm, make("mamujoco/HalfCheetah-2x3"))


def half_cheetah_replayed() -> dict[str, Any]:
    """Measure HATD3 on HalfCheetah-2x3: the paper's settings (tables 15 and 16), and the share of the matrix rate."""
    env = make("mamujoco/HalfCheetah-2x3")
    algorithm = presets.find("paper/mamujoco/HalfCheetah-2x3", "hatd3")(warmup=1000)
    flops, rows, width = count(algorithm, env), algorithm.sampling.samples, algorithm.body.hidden[0]
    rates = [matrix_rate(rows, width, repeats=100).best]
    measurement = measure(algorithm, env, warm=3)  # in the first two iterations, the algorithm's own warm-up runs
    rates.append(matrix_rate(rows, width, repeats=100).best)
    achieved = flops.total * measurement["env_steps_per_second"]
    return measurement | {
        "mflop_per_env_step": flops.total / 1e6,
        "matrix_gflops": [rate / 1e9 for rate in rates],
        "fraction_of_matrix_rate": achieved / statistics.mean(rates),
    }


def pong(**changes: Any) -> dict[str, Any]:
    """Measure independent learners on two-player Pong: the paper's settings with screens of 84 × 84 and 42 × 42."""

    def measured(size: int) -> dict[str, Any]:
        env = make("atari/pong", size=size)
        return measure(presets.find("paper/matrl/pong", "il", env)(**changes), env, iterations=3, warm=1)

    return {"84": measured(84), "42": measured(42)}


def measure_all() -> dict[str, Any]:
    """Measure `mpe2`, `half_cheetah` and `half_cheetah_replayed`."""
    return {"mpe2": mpe2(), "mamujoco": half_cheetah(), "mamujoco replayed": half_cheetah_replayed()}
