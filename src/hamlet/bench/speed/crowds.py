"""What a team costs before its first iteration, and in memory: by its agents, and by its groups of unlike spaces."""

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
    """Each team in a process of its own; the environment is a module of a person's own, which needs no JAX."""
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        # Not imported: it needs PettingZoo, which this package does not.
        shutil.copy(Path(__file__).parents[1] / "baseline" / "crowd.py", directory)
        for team in ((n, g) for n in agents for g in groups if g <= n):
            done = subprocess.run(
                [sys.executable, "-c", _CHILD, *map(str, team)], cwd=directory, stdout=subprocess.PIPE, check=True
            )
            rows.append(json.loads(done.stdout))
    return rows


def one(agents: int, groups: int) -> dict[str, Any]:
    """One team: HAPPO, 4 copies, rollouts of 50 steps, its own defaults else.

    Returns:
        Seconds by the clock, and of this process's cores: to ``declare`` the environment, to open its games and
        ``compile`` its iterations, to ``compile_evaluation``, to ``begin`` with fresh weights, for the ``first``
        iteration and for the ``next`` three; the bytes that training needs as the compiler says, and the most memory
        that this process held.
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
    """Seconds by the clock, and of this process's cores, between laps."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.core_seconds: dict[str, float] = {}
        self._last = self._now()

    def lap(self, name: str) -> None:
        """Name what passed since the last lap."""
        before, self._last = self._last, self._now()
        self.seconds[name], self.core_seconds[name] = (now - then for now, then in zip(self._last, before, strict=True))

    def _now(self) -> tuple[float, float]:
        return time.perf_counter(), time.process_time()
