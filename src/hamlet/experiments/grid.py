"""A grid: what a table or a figure of a paper compares, as runs that can be made here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from hamlet import algorithms, envs, presets
from hamlet.backends.select import backend_of
from hamlet.envs.host import AnyEnvironment
from hamlet.learners import Algorithm


@dataclass(frozen=True, kw_only=True)
class ExperimentCell:
    """One algorithm on one task, to be run with some seeds.

    Attributes:
        task: As the paper names it.
        algorithm: A name from `hamlet.algorithms`.
        environment: A name from ``hamlet list envs``.
        steps: Environment steps of each run.
        options: Of the environment.
        preset: Hyperparameters; None for those usual for the environment.
        changes: Hyperparameters that differ from the preset's.
        label: What the row is called, where that is not the algorithm's name.
        published: The paper's number in the units of the table here, or None where it names none.
        each: Whether a score is the return of one agent rather than the team's sum.
    """

    task: str
    algorithm: str
    environment: str
    steps: int
    options: Mapping[str, Any] = field(default_factory=dict)
    preset: str | None = None
    changes: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""
    published: float | None = None
    each: bool = False

    @property
    def row(self) -> str:
        """What the row is called."""
        return self.label or self.algorithm

    @property
    def place(self) -> Path:
        """Where its runs stand within the grid's directory."""
        return Path(_plain(self.task)) / _plain(self.row)

    def run(self, out: Path, seed: int) -> Path:
        """The directory of one run."""
        return out / self.place / f"seed-{seed}"

    @property
    def labels(self) -> dict[str, Any]:
        """What a run's configuration says of it."""
        return {"algorithm_name": self.algorithm, "environment_name": self.environment, "preset": self._preset}

    @property
    def _preset(self) -> str | None:
        return self.preset or presets.default(self.environment, self.algorithm)

    def declare(self) -> tuple[Algorithm, AnyEnvironment]:
        """What is trained, and on what.

        Raises:
            RequestError: If the environment's package is not installed, or something here is not to be had.
        """
        env = envs.make(self.environment, **self.options)
        preset = self._preset
        if preset is None:
            algorithm = algorithms.make(self.algorithm, **self.changes)
        else:
            algorithm = presets.find(preset, self.algorithm, env)(**self.changes)
        return algorithm, backend_of(env).sized(algorithm.sampling.copies)


@dataclass(frozen=True, kw_only=True)
class ExperimentGrid:
    """A table or a figure.

    Attributes:
        name: ``harl/fig5``.
        says: What it shows, in a line.
        cells: What is run for it.
        seeds: How many runs of each cell.
        measures: Whether the table is of returns or of seconds of training.
        notes: What a reader must know to read ours beside the published.
        missing: What of the original is not run here, and why.
    """

    name: str
    says: str
    cells: tuple[ExperimentCell, ...]
    seeds: int = 3
    measures: Literal["return", "seconds"] = "return"
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def shortened(self, *, seeds: int | None, steps: int | None) -> "ExperimentGrid":
        """With other seeds, and runs of at most so many steps."""
        cells = self.cells if steps is None else tuple(replace(c, steps=min(c.steps, steps)) for c in self.cells)
        return replace(self, cells=cells, seeds=self.seeds if seeds is None else seeds)

    @property
    def tasks(self) -> list[str]:
        """In the order of the cells."""
        return list(dict.fromkeys(cell.task for cell in self.cells))


def _plain(text: str) -> str:
    """A name that is a directory everywhere.

    >>> _plain("Spread (continuous)")
    'spread-continuous'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
