"""Find runs by name: a run, its directory, ``RUN/best`` for its best policy, or a directory of several seeds."""

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hamlet.errors import RequestError, require
from hamlet.files import atomic_write
from hamlet.runs.directory import CONFIGURATION, RunDirectory, run_or_best
from hamlet.runs.seeds import check_seed
from hamlet.training.run import SavedRun


class NamedRun(NamedTuple):
    """A run, and whether the name refers to its best policy (True) or its newest policy (False)."""

    run: SavedRun
    best: bool


def named_runs(name: Any, *, best: bool = False, trust: bool = False) -> list[NamedRun]:
    """Return the runs that a name refers to: one run, or all runs in a directory of several seeds.

    Args:
        name: A run, the path of a run, the path of its ``best``, or a directory of ``seed-0``, ``seed-1``, …
        best: Whether to use the best policy even if the name does not end in ``best``.
        trust: Whether user code that a run's config.json names may be executed, even if this user did not start the
            run on this machine.

    Raises:
        RequestError: There is no run. The error names the run with the most similar name.
    """
    if isinstance(name, SavedRun):
        return [NamedRun(SavedRun(name.path, name.trust or trust), best)]
    if not isinstance(name, str | Path):
        raise RequestError(f"a run must be a hamlet.Run or the path of its directory, got {name!r}")
    path, is_best = run_or_best(name)
    best = best or is_best
    seeds = [] if (path / CONFIGURATION).exists() else list(_seeds(path))
    return [NamedRun(SavedRun(RunDirectory.open(place).path, trust), best) for place in seeds or [path]]


def named_run(name: Any, *, best: bool = False, trust: bool = False) -> NamedRun:
    """Return the single run that a name refers to; see `named_runs` for the possible names.

    Raises:
        RequestError: There is no run, or the name is a directory of several seeds.
    """
    runs = named_runs(name, best=best, trust=trust)
    if runs[1:]:
        names = ", ".join(entry.run.path.name for entry in runs[:8]) + (", …" if runs[8:] else "")
        near = runs[0].run.path
        raise RequestError(f"{name} contains the runs of {len(runs)} seeds ({names}): name one of them, such as {near}")
    return runs[0]


def _seeds(path: Path) -> Iterator[Path]:
    """Yield the runs in a directory of several seeds, in the order of the seeds."""
    numbered = [place.parent for place in path.glob(f"seed-*/{CONFIGURATION}")]
    return iter(sorted(numbered, key=lambda place: (len(place.name), place.name)))


def places(out: str | Path | None, name: str, seed: int, seeds: int | Sequence[int] | None) -> dict[int, Path]:
    """Return the directory of each seed's run.

    Args:
        out: The directory of the run, or for several seeds the directory that contains ``seed-0``, ``seed-1``, …; None
            for an unused directory in ``runs``.
        name: Name of the algorithm and the environment, from which that unused directory is named.
        seed: The seed, or the first of several seeds.
        seeds: The number of consecutive seeds, or a list of seeds; None for one run.

    Raises:
        RequestError: A seed is not valid, or the directory for several runs already contains a run.

    >>> places("runs/a", "happo-x", 3, 2)
    {3: PosixPath('runs/a/seed-3'), 4: PosixPath('runs/a/seed-4')}
    """
    if isinstance(seeds, int):
        require(seeds >= 1, f"--seeds must be at least 1, got {seeds}")
        check_seed(seed, seeds)
        seeds = range(seed, seed + seeds)
    numbers = [check_seed(seed)] if seeds is None else [check_seed(number) for number in seeds]
    require(len(numbers) > 0, "the list of seeds is empty; the nearest is seeds=1")
    require(len(set(numbers)) == len(numbers), f"a seed occurs twice in the list: {', '.join(map(str, numbers))}")
    label = re.sub("[/:]", "-", name)
    if out is None:
        path = _free(Path("runs") / (f"{label}-seed-{numbers[0]}" if seeds is None else label))
    else:
        path = Path(out)
    if seeds is None:
        return {numbers[0]: path}
    if (path / CONFIGURATION).exists():
        raise RequestError(f"{path} already contains a single run, not a directory of seeds: use --out {_free(path)}")
    return {number: path / f"seed-{number}" for number in numbers}


def _free(path: Path) -> Path:
    """Return the path, or the first of ``path-2``, ``path-3``, … that does not exist yet."""
    path = atomic_write.named(path)
    candidates = itertools.chain([path], (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))
    return next(candidate for candidate in candidates if not candidate.exists())
