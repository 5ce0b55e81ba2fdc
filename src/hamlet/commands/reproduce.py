"""``hamlet reproduce``: a paper's table or figure, run here."""

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
        out: Where the runs and the table go. Without it, runs/NAME, or runs/NAME-steps-STEPS.
        seeds: Runs of each algorithm on each task. Without it, the paper's.
        steps: At most so many environment steps a run; the table then says that it is small.
        dry_run: Only say what it would cost.
        workers: Runs at once, each in a process of its own. Without it, 1; on a Ray cluster begun here, one a core.
        ray: Run as tasks of the Ray cluster at this address; without an address, of one begun here.
        quiet: Print nothing but errors and the table.
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
    "Run a table or figure of a paper with its own hyperparameters, and print ours beside the\n"
    "published. Says first what it costs. Stopped at any point and asked again, it goes on;\n"
    "what is finished is never run again. Without NAME it lists what there is.\n\n"
    "examples:\n"
    "  hamlet reproduce harl/fig5 --dry-run\n"
    "  hamlet reproduce harl/fig5 --steps 100k --seeds 1 --workers 2",
)


def main(argv: Sequence[str]) -> int:
    """List the grids, or carry one out."""
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
        raise RequestError(f"{name} measures time, and runs at once slow each other: leave out --workers and --ray")
    costs = cost.estimate(grid, out)
    if options.dry_run or not options.quiet:
        print("\n".join([f"{name}: {full.says}", *cost.lines(costs, options.workers or 1)]), flush=True)
    if options.dry_run:
        return 0
    # Seeds may be added, other steps are another grid.
    claim(out, MANIFEST, {"name": grid.name, "steps": {str(c.place): c.steps for c in grid.cells}}, "grid")
    try:
        failures = _carry(grid, out, options)
    except (Interrupted, KeyboardInterrupt):
        raise RunError(f"stopped as asked; go on with: {_again(name, out, options)}") from None
    text = tables.write(grid, full, out, failures)
    print(f"\n{text}\nthe table is in {out / 'table.md'} and {out / 'table.json'}")
    if failures.by_run:
        raise RunError(
            f"{len(failures.by_run)} runs failed, as the table says; try them again with: {_again(name, out, options)}"
        )
    return 0


def read(argv: Sequence[str]) -> tuple[str, ReproduceOptions]:
    """What the words ask for. ``--ray`` may stand without an address."""
    words = list(argv)
    for number, word in enumerate(words):
        if word == "--ray" and (number + 1 == len(words) or words[number + 1].startswith("-")):
            words[number] = f"--ray={cluster.LOCAL}"
    if not any(word in HELP for word in words) and not COMMAND.split(words)[0]:
        raise RequestError(f"NAME is missing: one of {', '.join(registry.GRIDS)}, as in hamlet reproduce harl/fig5")
    (name,), parsed = COMMAND.parse(words)
    return name, ReproduceOptions(**parsed.values["grid"])


def _check(options: ReproduceOptions) -> None:
    for flag, value in (("seeds", options.seeds), ("steps", options.steps), ("workers", options.workers)):
        if value is not None and value < 1:
            raise RequestError(f"--{flag} must be at least 1, not {value}")


def _listing() -> list[str]:
    here = {name: grid.says for name, grid in registry.GRIDS.items()}
    return [layout.rows(here.items()), "", "not here:", layout.rows(registry.ELSEWHERE.items())]


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
    """The command that goes on."""
    words = [f"hamlet reproduce {name} --out {out}"]
    words += [f"--seeds {options.seeds}"] if options.seeds is not None else []
    words += [f"--steps {format_steps(options.steps)}"] if options.steps is not None else []
    words += [f"--workers {options.workers}"] if options.workers is not None else []
    words += [f"--ray {options.ray}"] if options.ray is not None else []
    return " ".join(words)
