"""Runs as people name them: a run, its directory, ``RUN/best`` for its best policy, or a directory of several seeds."""

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
    """A run, and whether its best policy is meant rather than its newest."""

    run: SavedRun
    best: bool


def named_runs(name: Any, *, best: bool = False, trust: bool = False) -> list[NamedRun]:
    """The runs that a name stands for: one, or those of a directory of several seeds.

    Args:
        name: A run, or the path of one, of its ``best``, or of a directory of ``seed-0``, ``seed-1``, …
        best: Whether the best policy is meant in any case.
        trust: Whether code of its own that a run names may be run, though this user did not begin it here.

    Raises:
        RequestError: There is no run; names the nearest.
    """
    if isinstance(name, SavedRun):
        return [NamedRun(SavedRun(name.path, name.trust or trust), best)]
    if not isinstance(name, str | Path):
        raise RequestError(f"a run is a hamlet.Run or the path of its directory, not {name!r}")
    path, is_best = run_or_best(name)
    best = best or is_best
    seeds = [] if (path / CONFIGURATION).exists() else list(_seeds(path))
    return [NamedRun(SavedRun(RunDirectory.open(place).path, trust), best) for place in seeds or [path]]


def named_run(name: Any, *, best: bool = False, trust: bool = False) -> NamedRun:
    """The one run that a name stands for, as `named_runs` reads it.

    Raises:
        RequestError: There is none, or it is a directory of several seeds.
    """
    runs = named_runs(name, best=best, trust=trust)
    if runs[1:]:
        names = ", ".join(entry.run.path.name for entry in runs[:8]) + (", …" if runs[8:] else "")
        near = runs[0].run.path
        raise RequestError(f"{name} holds the runs of {len(runs)} seeds ({names}): name one, as in {near}")
    return runs[0]


def _seeds(path: Path) -> Iterator[Path]:
    """The runs of a directory of several seeds, in the order of the seeds."""
    numbered = [place.parent for place in path.glob(f"seed-*/{CONFIGURATION}")]
    return iter(sorted(numbered, key=lambda place: (len(place.name), place.name)))


def places(out: str | Path | None, name: str, seed: int, seeds: int | Sequence[int] | None) -> dict[int, Path]:
    """Where each seed's run goes.

    Args:
        out: The directory of the run, or of ``seed-0``, ``seed-1``, … of several; None for a free one in ``runs``.
        name: Of the algorithm and the environment, for that.
        seed: The seed, or the first.
        seeds: How many follow one another, or which there are; None for one run.

    Raises:
        RequestError: There is no such seed, or a run stands where several are to.

    >>> places("runs/a", "happo-x", 3, 2)
    {3: PosixPath('runs/a/seed-3'), 4: PosixPath('runs/a/seed-4')}
    """
    if isinstance(seeds, int):
        require(seeds >= 1, f"--seeds must be at least 1, not {seeds}")
        check_seed(seed, seeds)
        seeds = range(seed, seed + seeds)
    numbers = [check_seed(seed)] if seeds is None else [check_seed(number) for number in seeds]
    require(len(numbers) > 0, "there are no seeds; the nearest is seeds=1")
    require(len(set(numbers)) == len(numbers), f"a seed is there twice: {', '.join(map(str, numbers))}")
    label = re.sub("[/:]", "-", name)
    if out is None:
        path = _free(Path("runs") / (f"{label}-seed-{numbers[0]}" if seeds is None else label))
    else:
        path = Path(out)
    if seeds is None:
        return {numbers[0]: path}
    if (path / CONFIGURATION).exists():
        raise RequestError(f"{path} already holds a run, not runs of several seeds: choose --out {_free(path)}")
    return {number: path / f"seed-{number}" for number in numbers}


def _free(path: Path) -> Path:
    """The path, or the first of ``path-2``, ``path-3``, … at which nothing stands."""
    path = atomic_write.named(path)
    candidates = itertools.chain([path], (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))
    return next(candidate for candidate in candidates if not candidate.exists())
