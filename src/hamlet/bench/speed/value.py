"""Measure the speed of QMIX on discrete spread: with another JAX library's replay ratio, and as first published."""

import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp

from hamlet import presets
from hamlet.backends import devices
from hamlet.backends.iteration import roster_of
from hamlet.backends.jax_backend import CAPACITY, JaxBackend
from hamlet.bench.speed import training_speed
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.evaluation.evaluate import horizon

# The other library's evaluation: 512 episodes after every 5 % of a million steps.
_EVERY, _EPISODES = 50_000, 512


def measure(rounds: int = 5) -> dict[str, Any]:
    """Measure environment steps per second: training with evaluation, and the first published settings without it.

    The other library makes one update of 32 episodes for every 8 new episodes. Hamlet makes four updates for every 32
    new episodes, which is the same ratio. As in the other library, the agents share their parameters, and the recurrent
    layer has 64 units. A round consists of 50,000 steps and an evaluation of 512 episodes.
    """
    env = SimpleSpread(continuous=False)
    algorithm = presets.find("tuned/mpe", "qmix", env)(
        sharing="group", hidden=(64,), rnn_size=64, num_envs=32, updates_per_rollout=4, batch_size=32
    )
    place = JaxBackend(env)
    device = devices.select(None)
    program = place.compile(algorithm, device, 0)
    training = program.place(place.begin(algorithm)(0))
    roster, count = roster_of(algorithm, env), round(_EVERY / algorithm.sampling.batch)
    played = (roster, training.learner.team.actors, algorithm.body, _EPISODES, 1, "deterministic", device[0])
    trials = place.trials(*played, horizon=horizon(env))
    trained, evaluated = [], []
    for _ in range(rounds + 1):
        began, remaining = time.perf_counter(), count
        while remaining:
            some = min(remaining, CAPACITY)
            training, _ = program.call(training, jnp.int32(some), jnp.int32(1_000_000))
            remaining -= some
        jax.block_until_ready(training)
        between = time.perf_counter()
        trials.play(training.learner.team.actors, 1, _EPISODES)
        trained.append(between - began)
        evaluated.append(time.perf_counter() - between)
    trained, evaluated = trained[1:], evaluated[1:]  # the first round starts without updates
    round_seconds = [train_seconds + other for train_seconds, other in zip(trained, evaluated, strict=True)]
    steps = count * algorithm.sampling.batch
    return {
        "env_steps_per_second": steps / statistics.median(round_seconds),
        "without_evaluation": steps / statistics.median(trained),
        "seconds_of_training": trained,
        "seconds_of_evaluation": evaluated,
        "env_steps_per_round": steps,
        "compile_seconds": program.compile_seconds,
        "as_first_published": training_speed.measure(presets.find("paper/value", "qmix", env)(), env),
    }
