"""Measure the speed of environments without training: steps per second with uniformly random actions.

One call is a scan of ``steps`` steps of all environment copies, including the sampling of the actions. The carry of the
scan contains the observations and the critic's states, so that every step writes them. The compilation is timed
separately. Two warm-up calls are not counted.
"""

import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp

from hamlet.envs import copies, make
from hamlet.envs.base import Environment
from hamlet.spaces import Discrete
from hamlet.types import Key

TASKS = (
    ("mpe/simple_spread", {"continuous": True}),
    ("mpe/simple_spread", {"continuous": False}),
    ("mpe/simple_reference", {"continuous": True}),
    ("mpe/simple_reference", {"continuous": False}),
    ("mpe/simple_speaker_listener", {"continuous": True}),
    ("mpe/simple_speaker_listener", {"continuous": False}),
    ("grid/checkers", {}),
    ("grid/switch", {"agents": 2}),
    ("grid/switch", {"agents": 4}),
)


def random_actions(env: Environment, key: Key, count: int) -> tuple[jax.Array, ...]:
    """Sample uniform actions of every agent in every environment copy, with one call for each group."""
    actions = []
    for group, group_key in zip(env.groups, jax.random.split(key, len(env.groups)), strict=True):
        shape = (count, len(group.names), *group.action.shape)
        if isinstance(group.action, Discrete):
            actions.append(jax.random.randint(group_key, shape, 0, group.action.n))
        else:
            actions.append(jax.random.uniform(group_key, shape))
    return tuple(actions)


def measure(name: str, copies_count: int, steps: int = 100, repeats: int = 7, **options: Any) -> dict[str, Any]:
    """Measure the compilation time, and the environment steps per second: the median and the best of the repeats."""
    env = make(name, **options)

    def run(batch: copies.Copies, key: Key) -> tuple[copies.Copies, jax.Array]:
        def advance(batch: copies.Copies, key: Key) -> tuple[copies.Copies, jax.Array]:
            act_key, step_key = jax.random.split(key)
            batch, _, outcome = copies.step(env, step_key, batch, random_actions(env, act_key, copies_count))
            return batch, outcome.reward.sum()

        return jax.lax.scan(advance, batch, jax.random.split(key, steps))

    batch = jax.jit(lambda key: copies.reset(env, key, copies_count))(jax.random.key(0))
    began = time.perf_counter()
    compiled = jax.jit(run).lower(batch, jax.random.key(0)).compile()
    compile_seconds = time.perf_counter() - began
    seconds, reward = [], jnp.zeros(())
    for number in range(repeats + 2):
        key = jax.random.key(number)
        jax.block_until_ready(key)
        began = time.perf_counter()
        batch, reward = jax.block_until_ready(compiled(batch, key))
        seconds.append(time.perf_counter() - began)
    assert bool(jnp.isfinite(reward).all())
    done = copies_count * steps
    return {
        "name": name,
        **options,
        "copies": copies_count,
        "steps_per_second": round(done / statistics.median(seconds[2:])),
        "best_steps_per_second": round(done / min(seconds[2:])),
        "compile_seconds": round(compile_seconds, 2),
    }


def measure_all(copies_counts: tuple[int, ...] = (20, 1024)) -> list[dict[str, Any]]:
    """Measure every entry of `TASKS` (MPE with continuous and discrete actions) with each number of copies."""
    return [measure(name, count, **options) for name, options in TASKS for count in copies_counts]
