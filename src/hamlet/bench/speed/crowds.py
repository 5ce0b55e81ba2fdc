"""Measure a team's start-up time and memory, by the number of agents and the number of groups with different spaces."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hamlet import machine
from hamlet.algorithms import happo
from hamlet.backends import devices
from hamlet.backends.iteration import roster_of
from hamlet.backends.select import backend_of
from hamlet.envs import from_pettingzoo

AGENTS, GROUPS = (10, 30, 100), (1, 5, 10, 30)
_ITERATIONS = 3
_CHILD = (
    "import json, sys; from hamlet.bench.speed import crowds; print(json.dumps(crowds.one(*map(int, sys.argv[1:]))))"
)


def measure(agents: tuple[int, ...] = AGENTS, groups: tuple[int, ...] = GROUPS) -> list[dict[str, Any]]:
    """Measure each team in a separate process; the environment is a user's module that does not import JAX."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        # The module is copied, not imported, because it needs PettingZoo, which this package does not need.
        shutil.copy(Path(__file__).parents[1] / "baseline" / "crowd.py", directory)
        for team in ((n, g) for n in agents for g in groups if g <= n):
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, *map(str, team)], cwd=directory, stdout=subprocess.PIPE, check=True
            )
            rows.append(json.loads(done.stdout))
    return rows


def one(agents: int, groups: int) -> dict[str, Any]:
    """Measure one team: HAPPO with its defaults, but 4 environment copies and rollouts of 50 steps.

    Returns:
        Wall seconds, and CPU seconds of this process, of these parts:

        * ``declare``: create the environment object.
        * ``compile``: open the environment copies, and compile the training iteration.
        * ``compile_evaluation``: compile the evaluation.
        * ``begin``: initialise the weights.
        * ``first``: the first iteration.
        * ``next``: the next three iterations.

        Also the bytes that training needs according to the compiler, and the peak memory of this process.
    """
    watch = _Watch()
    env = from_pettingzoo("crowd:Crowd", copies=4, agents=agents, groups=groups)
    watch.lap("declare")
    algorithm, place = happo(num_envs=4, rollout_length=50), backend_of(env)
    program = place.compile(algorithm, devices.select(None), 0)
    try:
        watch.lap("compile")
        roster, like = roster_of(algorithm, env), place.outline(algorithm).learner.team.actors
        trials = place.trials(roster, like, algorithm.body, 4, 0, "deterministic", devices.select(None)[0], horizon=10)
        trials.close()
        watch.lap("compile_evaluation")
        training = program.place(place.begin(algorithm)(0))
        watch.lap("begin")
        for name, count in (("first", 1), ("next", _ITERATIONS)):
            for _ in range(count):
                training, _ = program.call(training, 1, 1 + _ITERATIONS)
            watch.lap(name)
    finally:
        program.close()
    return {
        "agents": agents,
        "groups": groups,
        "seconds": watch.seconds,
        "core_seconds": watch.core_seconds,
        "iterations": 1 + _ITERATIONS,
        "env_steps_per_iteration": algorithm.sampling.batch,
        "open_seconds": watch.seconds["compile"] - program.compile_seconds,
        "bytes_needed": program.bytes_needed,
        "peak_memory_mb": machine.peak_memory() / 2**20,
    }


class _Watch:
    """A stopwatch of the wall seconds, and of the CPU seconds of this process, between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.core_seconds: dict[str, float] = {}
        self._last = self._now()

    def lap(self, name: str) -> None:
        """Record the seconds since the last lap under this name."""
        before, self._last = self._last, self._now()
        self.seconds[name], self.core_seconds[name] = (now - then for now, then in zip(self._last, before, strict=True))

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()
