"""What a grid would cost on this machine, before anything is begun.

Time is told from the cell's own runs, where some stand already. Else it is counted: the matrix operations of one
environment step (`hamlet.bench.baseline.flops`) over the share of this machine's matrix rate that training reached
where it was recorded, and the environment's own time for a step. Against the recorded speeds it is right to a factor of
two (a test). The disk is counted from the shapes of what is kept.
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

# The share of the matrix rate in benchmarks/records/speed-*: fresh rollouts, replayed steps.
_SHARE_FRESH, _SHARE_REPLAYED = 0.54, 0.70
# Environments alone, steps per second on two cores (benchmarks/records/speed-environments, speed-mamujoco).
_PLAYED = {
    "mpe/": 800_000,
    "mamujoco/HalfCheetah": 34_000,
    "mamujoco/Hopper": 16_000,
    "mamujoco/Walker2d": 13_000,
    "mamujoco/Ant": 7_700,
    "mamujoco/Humanoid": 6_000,
}
_PLAYED_ELSEWHERE = 100_000
# Compiling, evaluating and starting, for each run.
_BESIDES_SECONDS = 20.0
# A row of metrics and how many an iteration has, about.
_ROW_BYTES, _ROWS = 50, 30


@dataclass(frozen=True)
class Cost:
    """Of one cell's runs.

    Attributes:
        cell: Which.
        left: Environment steps still to be made, of all seeds.
        seconds: Of this machine, one run after another.
        kept: Bytes on the disk when all is done.
        meanwhile: Further bytes while one run of it trains: what it remembers of play, at most.
        measured: Whether the speed is that of runs of the grid itself.
    """

    cell: ExperimentCell
    left: int
    seconds: float
    kept: int
    meanwhile: int
    measured: bool


def estimate(grid: ExperimentGrid, out: Path, rate: float | None = None) -> list[Cost]:
    """What is left of a grid.

    Args:
        grid: Which.
        out: Where its runs stand or will.
        rate: Matrix operations per second of this machine; measured within a second or two where not given.

    Raises:
        RequestError: If a cell cannot be run here.
    """
    rate = matrix_rate(repeats=20).best if rate is None else rate
    return [_cell(cell, range(grid.seeds), out, rate) for cell in grid.cells]


def seconds_per_step(algorithm: Algorithm, env: AnyEnvironment, environment: str, rate: float) -> float:
    """What an environment step of training takes, as counted."""
    share = _SHARE_REPLAYED if algorithm.sampling.replays else _SHARE_FRESH
    played = next((speed for start, speed in _PLAYED.items() if environment.startswith(start)), _PLAYED_ELSEWHERE)
    return count(algorithm, env).total / (share * rate) + 1 / played


def lines(costs: list[Cost], workers: int) -> list[str]:
    """For a person: the whole first, then cell by cell."""
    hours = sum(cost.seconds for cost in costs) / 3600
    kept_bytes = sum(cost.kept for cost in costs)
    aside = sum(sorted((cost.meanwhile for cost in costs if cost.left), reverse=True)[:workers])
    steps = sum(cost.left for cost in costs)
    summary = (
        "nothing is left to train"
        if not steps
        else f"about {_hours(hours)} of this machine for {steps / 1e6:,.4g} M steps"
    )
    width = max(len(cost.cell.task) for cost in costs)
    rows = [
        f"  {cost.cell.task:{width}}  {cost.cell.row:20} {_hours(cost.seconds / 3600):>9}"
        f"{'  (as measured)' if cost.measured else ''}"
        for cost in costs
        if cost.left
    ]
    return [f"{summary}; disk: {_bytes(kept_bytes)} kept, up to {_bytes(aside)} more meanwhile", *rows]


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
    """The median of the steps per second that the runs measured."""
    speeds: list[float] = []
    for path in paths:
        if (path / "metrics.sqlite").exists():
            with Metrics(RunDirectory.open(path).metrics, write=False) as metrics:
                speeds += metrics.read("env_steps_per_second")[1].tolist()
    return float(np.median(speeds)) if speeds else None


def _remembered(algorithm: Algorithm, env: AnyEnvironment, steps: int) -> int:
    """Bytes of the replay buffer: what is seen before and after a step, the critic's state, actions and rewards."""
    most = algorithm.sampling.steps_remembered
    observation_size = sum(len(group.names) * math.prod(group.observation.shape) for group in env.groups)
    acted = sum(len(group.names) * (group.action.width + 1) for group in env.groups)
    return 4 * min(steps, most) * (2 * observation_size + 2 * math.prod(env.state_shape) + acted)


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.0f} min"


def _bytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
