"""The definition of a grid: the runs behind a table or a figure of a paper, as runs of Hamlet."""

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
    """One cell of a grid: one algorithm on one task, run with several seeds.

    Attributes:
        task: The paper's name of the task.
        algorithm: A name from `hamlet.algorithms`.
        environment: A name from ``hamlet list envs``.
        steps: Environment steps of each run.
        options: Options of the environment.
        preset: The preset of the hyperparameters; None for the environment's default preset.
        changes: Hyperparameters whose values differ from the preset.
        label: The name of the row, if it is not the algorithm's name.
        published: The paper's number, in the units of Hamlet's table; None if the paper reports no number.
        each: Whether a score is the return of one agent instead of the sum over the team.
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
        """The name of the row in the table."""
        return self.label or self.algorithm

    @property
    def place(self) -> Path:
        """The directory of the cell's runs, relative to the grid's directory."""
        return Path(_plain(self.task)) / _plain(self.row)

    def run(self, out: Path, seed: int) -> Path:
        """Return the directory of the run with this seed."""
        return out / self.place / f"seed-{seed}"

    @property
    def labels(self) -> dict[str, Any]:
        """The names that a run's configuration stores: algorithm, environment, preset."""
        return {"algorithm_name": self.algorithm, "environment_name": self.environment, "preset": self._preset}

    @property
    def _preset(self) -> str | None:
        return self.preset or presets.default(self.environment, self.algorithm)

    def declare(self) -> tuple[Algorithm, AnyEnvironment]:
        """Create the algorithm and the environment of the cell.

        Raises:
            RequestError: If the environment's package is not installed, or a name or an option does not exist.
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
    """A grid: the runs that reproduce one table or one figure of a paper.

    Attributes:
        name: The name, for example ``harl/fig5``.
        says: The description of the table or figure, in one line.
        cells: The cells.
        seeds: The number of runs of each cell.
        measures: Whether the table contains returns or seconds of training.
        notes: Notes that a reader needs to compare Hamlet's numbers with the published numbers.
        missing: The parts of the original that Hamlet does not run, with the reasons.
    """

    name: str
    says: str
    cells: tuple[ExperimentCell, ...]
    seeds: int = 3
    measures: Literal["return", "seconds"] = "return"
    notes: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def shortened(self, *, seeds: int | None, steps: int | None) -> "ExperimentGrid":
        """Return the grid with another number of seeds, and runs of at most ``steps`` steps; None changes nothing."""
        cells = self.cells if steps is None else tuple(replace(c, steps=min(c.steps, steps)) for c in self.cells)
        return replace(self, cells=cells, seeds=self.seeds if seeds is None else seeds)

    @property
    def tasks(self) -> list[str]:
        """The names of the tasks, in the order of the cells."""
        return list(dict.fromkeys(cell.task for cell in self.cells))


def _plain(text: str) -> str:
    """Return a name that is a valid directory name on every file system.

    >>> _plain("Spread (continuous)")
    'spread-continuous'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
