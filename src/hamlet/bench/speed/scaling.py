"""Measure how the cost of an update grows with the number of agents, per counted operation and per agent."""

import time
from typing import Any

import jax

from hamlet.algorithms import happo
from hamlet.backends.iteration import roster_of
from hamlet.backends.jax_backend import begin_training
from hamlet.bench.baseline.fixed import Imitation
from hamlet.bench.baseline.flops import count
from hamlet.envs.base import Environment
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.haml.template import Haml
from hamlet.learners import policy
from hamlet.rollouts.rollout import rollout

AGENTS = (3, 6, 12, 24, 48)


def measure(agents: tuple[int, ...] = AGENTS, *, repeats: int = 5) -> dict[str, list[dict[str, Any]]]:
    """Time the rollout and the update separately, on spread and on `Imitation`; the times are minima of ``repeats``.

    The observation and state sizes of `Imitation` do not depend on the number of agents.
    """
    algorithm = happo()
    return {
        "spread": [_one(algorithm, SimpleSpread(agents=n), n, repeats) for n in agents],
        "fixed_widths": [_one(algorithm, Imitation(n), n, repeats) for n in agents],
    }


def _one(algorithm: Haml, env: Environment, agents: int, repeats: int) -> dict[str, Any]:
    roster, sampling = roster_of(algorithm, env), algorithm.sampling
    training = begin_training(algorithm, env, 0)

    def play(training: Any) -> Any:
        actors, key = training.learner.team.actors, jax.random.key(1)
        return rollout(env, roster, actors, training.play, steps=sampling.steps, length=1, key=key)[1]

    def learn(training: Any, trajectory: Any) -> Any:
        return policy.step(algorithm, roster, env.state_shape, training.learner, trajectory, jax.random.key(2))

    began = time.perf_counter()
    play_program = jax.jit(play).lower(training).compile()
    trajectory = play_program(training)
    learn_program = jax.jit(learn).lower(training, trajectory).compile()
    compile_seconds = time.perf_counter() - began
    play_seconds = _fastest(play_program, (training,), repeats)
    update_seconds = _fastest(learn_program, (training, trajectory), repeats)
    flops = count(algorithm, env)
    operations = flops.update * sampling.batch
    return {
        "agents": agents,
        "rollout_seconds": play_seconds,
        "update_seconds": update_seconds,
        "update_gflop": operations / 1e9,
        "update_seconds_per_gflop": update_seconds / operations * 1e9,
        "seconds_per_agent_step": (play_seconds + update_seconds) / sampling.batch / agents,
        "compile_seconds": compile_seconds,
    }


def _fastest(program: Any, arguments: tuple[Any, ...], repeats: int) -> float:
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        times.append(time.perf_counter() - began)
    return min(times[1:])
