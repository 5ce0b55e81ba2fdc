"""Estimate the time and the disk space of a grid on this machine, before any run starts.

Time: if runs of a cell already exist, the estimate uses their measured speed. Otherwise it is the sum of two parts:

* the matrix operations of one environment step (`hamlet.bench.baseline.flops`), divided by the rate that training
  reaches. This rate is a recorded share of the machine's matrix rate;
* the time of the environment alone for one step.

The estimate is within a factor of two of the recorded speeds (a test checks this). Disk: the estimate is computed from
the shapes of the saved arrays.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hamlet.backends.select import backend_of
from hamlet.bench.baseline.flops import count
from hamlet.bench.baseline.matrix import matrix_rate
from hamlet.envs.host import AnyEnvironment
from hamlet.experiments.grid import ExperimentCell, ExperimentGrid
from hamlet.learners import Algorithm
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Metrics
from hamlet.training import budget
from hamlet.training.run_completion import steps_done

# The share of the matrix rate that training reaches (benchmarks/records/speed-*): on-policy, off-policy.
_SHARE_FRESH, _SHARE_REPLAYED = 0.54, 0.70
# Steps per second of the environments without training, on two cores (benchmarks/records/speed-environments,
# speed-mamujoco).
_PLAYED = {
    "mpe/": 800_000,
    "mamujoco/HalfCheetah": 34_000,
    "mamujoco/Hopper": 16_000,
    "mamujoco/Walker2d": 13_000,
    "mamujoco/Ant": 7_700,
    "mamujoco/Humanoid": 6_000,
}
_PLAYED_ELSEWHERE = 100_000
# Seconds of each run for the start, the compilation and the evaluation.
_BESIDES_SECONDS = 20.0
# The approximate size of a row of metrics, and the number of rows per iteration.
_ROW_BYTES, _ROWS = 50, 30


@dataclass(frozen=True)
class Cost:
    """The estimated cost of one cell's runs.

    Attributes:
        cell: The cell.
        left: The environment steps that remain, summed over all seeds.
        seconds: The estimated time on this machine if the runs are trained sequentially.
        kept: The bytes on disk when all runs are finished.
        meanwhile: The additional bytes on disk while one run trains: the replay buffer, at most.
        measured: Whether the estimate uses the measured speed of runs of this cell.
    """

    cell: ExperimentCell
    left: int
    seconds: float
    kept: int
    meanwhile: int
    measured: bool


def estimate(grid: ExperimentGrid, out: Path, rate: float | None = None) -> list[Cost]:
    """Estimate the cost of the runs of a grid that are not finished, cell by cell.

    Args:
        grid: The grid.
        out: The directory of the grid's runs. It may not exist yet.
        rate: Matrix operations per second of this machine. If None, it is measured, which takes one or two seconds.

    Raises:
        RequestError: If a cell cannot be run here.
    """
    rate = matrix_rate(repeats=20).best if rate is None else rate
    return [_cell(cell, range(grid.seeds), out, rate) for cell in grid.cells]


def seconds_per_step(algorithm: Algorithm, env: AnyEnvironment, environment: str, rate: float) -> float:
    """Return the estimated seconds of training per environment step, from the counted operations."""
    share = _SHARE_REPLAYED if algorithm.sampling.replays else _SHARE_FRESH
    played = next((speed for start, speed in _PLAYED.items() if environment.startswith(start)), _PLAYED_ELSEWHERE)
    return count(algorithm, env).total / (share * rate) + 1 / played


def lines(costs: list[Cost], workers: int) -> list[str]:
    """Return the estimate as text: the total first, then one line per cell."""
    hours = sum(cost.seconds for cost in costs) / 3600
    kept_bytes = sum(cost.kept for cost in costs)
    aside = sum(sorted((cost.meanwhile for cost in costs if cost.left), reverse=True)[:workers])
    steps = sum(cost.left for cost in costs)
    summary = (
        "all runs are trained" if not steps else f"about {_hours(hours)} on this machine for {steps / 1e6:,.4g} M steps"
    )
    width = max(len(cost.cell.task) for cost in costs)
    rows = [
        f"  {cost.cell.task:{width}}  {cost.cell.row:20} {_hours(cost.seconds / 3600):>9}"
        f"{'  (measured)' if cost.measured else ''}"
        for cost in costs
        if cost.left
    ]
    return [f"{summary}; disk: {_bytes(kept_bytes)} at the end, up to {_bytes(aside)} more during training", *rows]


def _cell(cell: ExperimentCell, seeds: range, out: Path, rate: float) -> Cost:
    algorithm, env = cell.declare()
    paths = [cell.run(out, seed) for seed in seeds]
    steps_left = [max(0, cell.steps - steps_done(path)) for path in paths]
    speed = _own_speed(paths)
    each = seconds_per_step(algorithm, env, cell.environment, rate) if speed is None else 1 / speed
    seconds = sum(steps_left) * each + _BESIDES_SECONDS * sum(1 for steps in steps_left if steps)
    state = budget.taken(backend_of(env).outline(algorithm).learner)
    iterations = math.ceil(cell.steps / algorithm.sampling.batch)
    kept_bytes = len(paths) * (2 * state + iterations * _ROWS * _ROW_BYTES)
    return Cost(cell, sum(steps_left), seconds, kept_bytes, _remembered(algorithm, env, cell.steps), speed is not None)


def _own_speed(paths: list[Path]) -> float | None:
    """Return the median of the steps per second that the runs recorded; None if there are no records."""
    speeds: list[float] = []
    for path in paths:
        if (path / "metrics.sqlite").exists():
            with Metrics(RunDirectory.open(path).metrics, write=False) as metrics:
                speeds += metrics.read("env_steps_per_second")[1].tolist()
    return float(np.median(speeds)) if speeds else None


def _remembered(algorithm: Algorithm, env: AnyEnvironment, steps: int) -> int:
    """Return the bytes of the replay buffer: observations and states before and after a step, actions, rewards."""
    most = algorithm.sampling.steps_remembered
    observation_size = sum(len(group.names) * math.prod(group.observation.shape) for group in env.groups)
    acted = sum(len(group.names) * (group.action.width + 1) for group in env.groups)
    return 4 * min(steps, most) * (2 * observation_size + 2 * math.prod(env.state_shape) + acted)


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _bytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
