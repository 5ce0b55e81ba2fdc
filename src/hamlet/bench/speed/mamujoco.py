"""Measure the speed of multi-agent MuJoCo without training, compared with gymnasium-robotics.

Hamlet steps many environment copies together; gymnasium-robotics steps one environment. Both use uniformly random
actions that are sampled before the timing. They are timed alternately, so that changes of the machine's speed affect
both. Two times are recorded: wall seconds, and the CPU seconds of all threads of the process. If other programs use the
machine too, the CPU seconds estimate the time on an idle machine.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from hamlet.envs import make
from hamlet.envs.mamujoco import MultiAgentMujoco
from hamlet.envs.mamujoco.layout import layout_of, original

TASKS = ("HalfCheetah-2x3", "HalfCheetah-6x1", "Hopper-3x1", "Walker2d-2x3", "Ant-4x2", "Humanoid-17x1")


def measure(name: str, count: int = 64, rounds: int = 7, seconds: float = 1.0) -> dict[str, Any]:
    """Measure the steps per second of ``count`` copies and of the original: the median of the rounds, and every round.

    Args:
        name: The name of the environment.
        count: The number of copies that are stepped together.
        rounds: The number of rounds. In each round both are timed once. One more round before them warms up and is not
            counted.
        seconds: The approximate duration of each timing.
    """
    env: MultiAgentMujoco = make(name)
    ours, reference = _Ours(env, count), _Theirs(env)
    rows = []
    for number in range(rounds + 1):
        turn = [_timed(play, seconds) for play in (ours.play, reference.play)]
        if number:
            rows.append(turn)
    outside = ours.outside()
    ours.copies.close()
    wall, core = ([[play[kind] for play in turn] for turn in rows] for kind in (0, 1))
    return {
        "name": name,
        "copies": count,
        "threads": env.workers,
        "steps_per_second": round(statistics.median(turn[0] for turn in wall)),
        "original_steps_per_second": round(statistics.median(turn[1] for turn in wall)),
        "ratio": round(statistics.median(turn[0] / turn[1] for turn in wall), 2),
        "steps_per_core_second": round(statistics.median(turn[0] for turn in core)),
        "original_steps_per_core_second": round(statistics.median(turn[1] for turn in core)),
        "rounds_steps_per_second": [[round(speed) for speed in turn] for turn in wall],
        "outside_physics_seconds_per_step": outside,
    }


def measure_all() -> list[dict[str, Any]]:
    """Measure every task of `TASKS`."""
    return [measure(f"mamujoco/{name}") for name in TASKS]


class _Ours:
    """Hamlet's environment copies, and their actions."""

    def __init__(self, env: MultiAgentMujoco, count: int):
        random = np.random.default_rng(0)
        low, high = layout_of(env.scenario, env.partition, env.obsk).bounds
        shapes = [(16, count, len(group.names), *group.action.shape) for group in env.groups]
        self._actions = [random.uniform(low, high, shape).astype(np.float32) for shape in shapes]
        self._count = count
        self.copies: Any = env.open(0, range(count))
        self.copies.begin(np.zeros(count, np.int32))

    def play(self) -> int:
        """Play 16 steps in every copy, and return the number of environment steps."""
        for turn in range(16):
            self.copies.send(tuple(actions[turn] for actions in self._actions))
            self.copies.receive()
        return 16 * self._count

    def outside(self) -> float:
        """Return the calling thread's CPU seconds for one step of all copies, without the simulating threads."""
        began = time.thread_time()
        self.play()
        return (time.thread_time() - began) / 16


class _Theirs:
    """One environment of gymnasium-robotics, which is reset when an episode ends."""

    def __init__(self, env: MultiAgentMujoco):
        self._env = original(env.scenario, env.partition, env.obsk)
        self._env.reset(seed=0)
        spaces = {name: self._env.action_space(name) for name in self._env.possible_agents}
        self._actions = [{name: space.sample() for name, space in spaces.items()} for _ in range(64)]

    def play(self) -> int:
        """Play 64 steps, and return their number."""
        for actions in self._actions:
            _, _, terminated, truncated, _ = self._env.step(actions)
            if any(terminated.values()) or any(truncated.values()):
                self._env.reset()
        return len(self._actions)


def _timed(play: Callable[[], int], seconds: float) -> tuple[float, float]:
    """Return the steps per wall second, and the steps per CPU second."""
    steps, began, worked = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - began) < seconds:
        steps += play()
    return steps / passed, steps / (time.process_time() - worked)
