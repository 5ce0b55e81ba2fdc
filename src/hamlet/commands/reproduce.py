"""``hamlet reproduce``: run a paper's experiment, and compare the results with the paper's."""

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hamlet.errors import RequestError, RunError
from hamlet.experiments import cluster, cost, execute, registry, tables
from hamlet.experiments.claim import claim
from hamlet.experiments.execute import FailedCells
from hamlet.experiments.grid import ExperimentGrid
from hamlet.options import layout
from hamlet.options.parsing import HELP, Command, OptionGroup
from hamlet.options.values import Steps, format_steps
from hamlet.training.loop import Interrupted

MANIFEST = "grid.json"


@dataclass(frozen=True, kw_only=True)
class ReproduceOptions:
    """Options of ``hamlet reproduce``.

    Attributes:
        out: The directory of the runs and of the table. Without it, runs/NAME, or runs/NAME-steps-STEPS.
        seeds: The number of runs of each algorithm on each task. Without it, the paper's number.
        steps: Limit each run to this number of environment steps. The table then states that the runs are shorter.
        dry_run: Only print the estimated cost.
        workers: The number of runs at the same time, each in its own process. Without it, 1. On a Ray cluster, one per
            CPU core of this machine.
        ray: Run the training as tasks of the Ray cluster at this address. Without an address, the command starts a
            cluster on this machine.
        quiet: Print only errors and the table.
    """

    out: Path | None = None
    seeds: int | None = None
    steps: Steps | None = None
    dry_run: bool = False
    workers: int | None = None
    ray: str | None = None
    quiet: bool = False


COMMAND = Command(
    "hamlet reproduce",
    ("NAME",),
    (OptionGroup("grid", ReproduceOptions, pairs=False),),
    "Run the experiment of a paper's table or figure with the paper's hyperparameters, and print the\n"
    "results next to the published results. The command first prints an estimate of the cost. You may\n"
    "stop it at any time: the same command continues and does not repeat finished runs. Without NAME, it\n"
    "lists the experiments.\n\n"
    "examples:\n"
    "  hamlet reproduce harl/fig5 --dry-run\n"
    "  hamlet reproduce harl/fig5 --steps 100k --seeds 1 --workers 2",
)


def main(argv: Sequence[str]) -> int:
    """List the experiments, or run one."""
    if not argv:
        print("\n".join(_listing()))
        return 0
    name, options = read(argv)
    full = registry.find(name)
    _check(options)
    grid = full.shortened(seeds=options.seeds, steps=options.steps)
    out = options.out or _place(name, options)
    if options.ray is not None:
        cluster.require_ray()
    if grid.measures == "seconds" and ((options.workers or 1) > 1 or options.ray is not None):
        raise RequestError(
            f"{name} measures time, and simultaneous runs slow each other down: leave out --workers and --ray"
        )
    costs = cost.estimate(grid, out)
    if options.dry_run or not options.quiet:
        print("\n".join([f"{name}: {full.says}", *cost.lines(costs, options.workers or 1)]), flush=True)
    if options.dry_run:
        return 0
    # A later command may add seeds to the directory. With another number of steps it is another experiment.
    claim(out, MANIFEST, {"name": grid.name, "steps": {str(c.place): c.steps for c in grid.cells}}, "grid")
    try:
        failures = _carry(grid, out, options)
    except (Interrupted, KeyboardInterrupt):
        raise RunError(f"stopped as requested; to continue: {_again(name, out, options)}") from None
    text = tables.write(grid, full, out, failures)
    print(f"\n{text}\nthe table is in {out / 'table.md'} and {out / 'table.json'}")
    if failures.by_run:
        raise RunError(
            f"{len(failures.by_run)} runs failed (see the table); to try them again: {_again(name, out, options)}"
        )
    return 0


def read(argv: Sequence[str]) -> tuple[str, ReproduceOptions]:
    """Return the name of the experiment and the options. The option ``--ray`` may be given without an address."""
    words = list(argv)
    for number, word in enumerate(words):
        if word == "--ray" and (number + 1 == len(words) or words[number + 1].startswith("-")):
            words[number] = f"--ray={cluster.LOCAL}"
    if not any(word in HELP for word in words) and not COMMAND.split(words)[0]:
        raise RequestError(
            f"NAME is missing: give one of {', '.join(registry.GRIDS)}, for example hamlet reproduce harl/fig5"
        )
    (name,), parsed = COMMAND.parse(words)
    return name, ReproduceOptions(**parsed.values["grid"])


def _check(options: ReproduceOptions) -> None:
    for flag, value in (("seeds", options.seeds), ("steps", options.steps), ("workers", options.workers)):
        if value is not None and value < 1:
            raise RequestError(f"--{flag} must be at least 1, got {value}")


def _listing() -> list[str]:
    here = {name: grid.says for name, grid in registry.GRIDS.items()}
    return [layout.rows(here.items()), "", "not available:", layout.rows(registry.ELSEWHERE.items())]


def _place(name: str, options: ReproduceOptions) -> Path:
    short = "" if options.steps is None else f"-steps-{format_steps(options.steps)}"
    return Path("runs") / (name.replace("/", "-") + short)


def _carry(grid: ExperimentGrid, out: Path, options: ReproduceOptions) -> FailedCells:
    quiet = options.quiet
    say = (lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))
    workers = options.workers or (1 if options.ray is None else os.cpu_count() or 1)
    work = execute.units(grid, out, workers)
    if not work:
        return FailedCells()
    if options.ray is not None:
        return cluster.on_ray(work, out, options.ray, workers, say=say)
    if workers > 1:
        return execute.processes(work, out, workers, say=say)
    return execute.here(work, out, say=say, quiet=quiet)


def _again(name: str, out: Path, options: ReproduceOptions) -> str:
    """Return the command that continues the experiment."""
    words = [f"hamlet reproduce {name} --out {out}"]
    words += [f"--seeds {options.seeds}"] if options.seeds is not None else []
    words += [f"--steps {format_steps(options.steps)}"] if options.steps is not None else []
    words += [f"--workers {options.workers}"] if options.workers is not None else []
    words += [f"--ray {options.ray}"] if options.ray is not None else []
    return " ".join(words)
