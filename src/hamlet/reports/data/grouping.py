"""Group the runs of a report: runs that differ only in their seed form one group.

Reports compare groups only within one environment.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hamlet.reports.data.run_data import RunData
from hamlet.runs.configuration import completed

# The maximum number of hyperparameters that a label adds to a name to distinguish it.
_TOLD = 3


@dataclass(frozen=True)
class RunGroup:
    """The runs of one algorithm, with one set of hyperparameters, on one environment.

    Attributes:
        label: The algorithm's name. If other groups on this environment have the same name, the label adds the
            hyperparameters that distinguish this group.
        runs: All runs of the group, sorted by seed.
        counted: The runs that the group's numbers are computed from: the finished runs with the largest requested
            number of steps in the group. If there is none, these are all runs with at least one step, or else all runs.
    """

    label: str
    runs: tuple[RunData, ...]
    counted: tuple[RunData, ...]

    @property
    def left_out(self) -> list[str]:
        """Lines that state how many runs are left out of the group's numbers, and why."""
        out = [run for run in self.runs if not any(run is counted_run for counted_run in self.counted)]
        shorter = [run for run in out if run.state == "done"]
        lines, of = [], f"of {len(self.runs)} runs"
        if open_ := len(out) - len(shorter):
            lines.append(f"{open_} {of} {_are(open_)} unfinished and left out of the group's numbers")
        if shorter:
            shared = min(run.asked or 0 for run in shorter)
            lines.append(
                f"{len(shorter)} {of} {_are(len(shorter))} shorter than {self.counted[0].asked:,} steps and left out "
                f"of the group's numbers; --steps {shared} reports all finished runs after {shared:,} steps"
            )
        return lines


@dataclass(frozen=True)
class ReportTask:
    """One environment with its options, and the groups of runs that were trained on it."""

    name: str
    options: tuple[tuple[str, str], ...]
    groups: tuple[RunGroup, ...]


def tasks(readings: Sequence[RunData]) -> list[ReportTask]:
    """Group the runs by environment, then by algorithm, sorted by name; leave out runs without a configuration."""
    known = [run for run in readings if run.config.get("environment") is not None]
    by_task: dict[str, list[RunData]] = {}
    for reading in known:
        by_task.setdefault(reading.task, []).append(reading)
    names = [runs[0].environment for runs in by_task.values()]
    report_tasks = []
    for runs in by_task.values():
        name = runs[0].environment
        alike = [other[0] for other in by_task.values() if other[0].environment == name]
        options = _options(runs[0], alike) if names.count(name) > 1 else ()
        report_tasks.append(ReportTask(name, options, _groups(runs)))
    return sorted(report_tasks, key=lambda task: (task.name, task.options))


def flat(value: Any, name: str = "") -> dict[str, str]:
    """Return a configuration as texts, by dotted names.

    >>> flat({"type": "clip_drift", "epsilon": 0.2, "hidden": [64, 64]}, "drift")
    {'drift': 'clip_drift', 'drift.epsilon': '0.2', 'drift.hidden': '64, 64'}
    >>> flat({"import": "chi_square:ChiSquareDrift", "weight": 2.0}, "drift")
    {'drift': 'chi_square:ChiSquareDrift', 'drift.weight': '2'}
    """
    if isinstance(value, Mapping) and set(value) != {"float"}:
        part = value.get("type", value.get("import"))
        kind = {name: str(part)} if name and part is not None else {}
        return kind | _parts({key: item for key, item in value.items() if key not in ("type", "import")}, name)
    if isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
        return _parts({str(number): item for number, item in enumerate(value)}, name)
    return {name: _word(value)}


def _parts(items: Mapping[str, Any], name: str) -> dict[str, str]:
    words: dict[str, str] = {}
    for key, item in items.items():
        words |= flat(item, f"{name}.{key}" if name else str(key))
    return words


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return str(value.get("float"))
    if isinstance(value, list | tuple):
        return ", ".join(map(_word, value))
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if value is None else str(value)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _groups(runs: Sequence[RunData]) -> tuple[RunGroup, ...]:
    by_declaration: dict[str, list[RunData]] = {}
    for run in runs:
        by_declaration.setdefault(run.declaration, []).append(run)
    firsts = [members[0] for members in by_declaration.values()]
    groups = []
    for members in by_declaration.values():
        ordered = sorted(members, key=lambda run: (run.seed is None, run.seed or 0, str(run.path)))
        longest = max((run.asked or 0) for run in members)
        finished = [run for run in ordered if run.state == "done" and (run.asked or 0) == longest]
        counted = finished or [run for run in ordered if run.done > 0] or ordered
        groups.append(RunGroup(_label(members[0], firsts), tuple(ordered), tuple(counted)))
    return tuple(sorted(_distinct(groups), key=lambda group: group.label))


def _label(run: RunData, others: Sequence[RunData]) -> str:
    """Return the algorithm's name; if other groups have this name, add the hyperparameters in which they differ."""
    alike = [other for other in others if other.algorithm == run.algorithm]
    if len(alike) < 2:
        return run.algorithm
    settings, *rest = (flat(completed(reading.config.get("algorithm"))) for reading in (run, *alike))
    differing = [name for name in settings if any(other.get(name) != settings[name] for other in rest)]
    differences = [f"{name.rpartition('.')[2]} {settings[name]}" for name in differing[:_TOLD]]
    return " ".join([run.algorithm, "(" + ", ".join(differences) + ")"]) if differences else run.algorithm


def _distinct(groups: Sequence[RunGroup]) -> list[RunGroup]:
    """Add a number to each label that an earlier group has too."""
    counts: dict[str, int] = {}
    numbered = []
    for group in groups:
        counts[group.label] = counts.get(group.label, 0) + 1
        number = counts[group.label]
        numbered.append(RunGroup(f"{group.label} #{number}" if number > 1 else group.label, group.runs, group.counted))
    return numbered


def _options(run: RunData, alike: Sequence[RunData]) -> tuple[tuple[str, str], ...]:
    """Return the options in which the environment differs from other environments of the same name."""
    settings, *rest = (flat(completed(reading.config.get("environment"))) for reading in (run, *alike))
    return tuple((name, value) for name, value in settings.items() if any(other.get(name) != value for other in rest))


def finite(value: Any) -> bool:
    """Return whether the value is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)
