"""The directory of an export. It is written and checked under a temporary name, and then renamed.

OUT/README.md             the inputs and outputs of every agent's policy, and how to play an episode
OUT/manifest.json         the same information for programs, and the run that was exported
OUT/play.py               a program that plays an episode in the environment without Hamlet, if possible
OUT/policies/AGENT.*      .py and .npz (NumPy), .onnx, .stablehlo
"""

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from hamlet import extras
from hamlet.backends.iteration import roster_of
from hamlet.envs.agent_spaces import outside
from hamlet.errors import RequestError, RunError, unknown
from hamlet.exporting import as_numpy, as_onnx, as_stablehlo, check, readme
from hamlet.exporting.example import example
from hamlet.exporting.graph import Node
from hamlet.exporting.literals import module_name, within_text
from hamlet.exporting.team import Exported, policies
from hamlet.files import atomic_write
from hamlet.runs import manifest
from hamlet.runs.directory import RunDirectory
from hamlet.training.run import SavedRun

FORMATS = ("numpy", "onnx", "stablehlo")
_VERSION = 2
_ENDINGS = {"numpy": ".py", "onnx": ".onnx", "stablehlo": ".stablehlo"}


def export(
    run: str | Path,
    out: str | Path | None = None,
    *,
    formats: Sequence[str] | None = None,
    best: bool = False,
    trust: bool = False,
) -> Path:
    """Export the run of a directory; see `hamlet.export`."""
    formats = writable_formats() if formats is None else check_formats(formats)
    trained_run = SavedRun(RunDirectory.open(run).path, trust)
    out = Path(out) if out is not None else trained_run.path / "export"
    _refuse_taken(out)
    algorithm, env = trained_run.declaration
    actors, step = trained_run.actors(best=best)
    roster = roster_of(algorithm, env)
    config = trained_run.directory.config()
    document = {
        "format": _VERSION,
        "run": str(run),
        "algorithm": config.get("algorithm_name"),
        "environment": config.get("environment_name"),
        "seed": config.get("seed"),
        "step": step,
        "best": best,
        "versions": manifest.describe()["versions"],
    }
    exported_policies = policies(roster, actors, algorithm.body, outside(env))
    _install(out, lambda aside: write(aside, exported_policies, document, formats, example(env)))
    return out


def check_formats(formats: Iterable[str]) -> tuple[str, ...]:
    """Return the formats in their standard order, without repetitions.

    Raises:
        RequestError: A format is unknown, there is no format, or the package of a format is missing.
    """
    wanted = set(formats)
    for name in sorted(wanted):
        if name not in FORMATS:
            raise unknown("format", name, FORMATS)
    if not wanted:
        raise RequestError("there is no format to write; the nearest is numpy (choose from numpy, onnx, stablehlo)")
    if "onnx" in wanted:
        as_onnx.require_onnx()
    return tuple(name for name in FORMATS if name in wanted)


def writable_formats() -> tuple[str, ...]:
    """Return all formats whose packages can be imported.

    For a format that is left out, the function warns with one line that says what to install.
    """
    line = extras.lacking("onnx", "ONNX files are left out: the format onnx")
    if line is None:
        return FORMATS
    warnings.warn(line, stacklevel=2)
    return tuple(name for name in FORMATS if name != "onnx")


def write(
    out: Path, exports: Iterable[Exported], document: dict[str, Any], formats: Sequence[str], play: str | None
) -> None:
    """Write the files of all agents, the manifest, the README and the program play.py.

    Args:
        out: An existing, empty directory.
        exports: The policies.
        document: The manifest's entries about the run.
        formats: The formats to write.
        play: The text of a program in which the policies play an episode, or None.
    """
    (out / "policies").mkdir()
    agents: dict[str, Any] = {}
    title = _title(document)
    for exported in exports:
        name = exported.agent.name
        stem = module_name(name, {entry["file"].lower() for entry in agents.values()})
        files = _write_one(out / "policies" / stem, exported, formats, title)
        agents[name] = {
            "file": stem,
            "files": {kind: f"policies/{path.name}" for kind, path in files.items()},
            "inputs": [_described(port) for port in exported.agent.inputs],
            "outputs": [_described(port) for port in exported.outputs],
            "largest_difference": check.differences(exported, files),
        }
    document = document | {"checked_on": check.COUNT, "agents": agents}
    if "numpy" in formats:
        modules = {name: entry["file"] for name, entry in agents.items()}
        (out / "policies" / "__init__.py").write_text(readme.team(modules, title), encoding="utf-8")
    if play is not None and "numpy" in formats:
        (out / "play.py").write_text(play, encoding="utf-8")
    else:
        play = None
    (out / "manifest.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    (out / "README.md").write_text(readme.text(document, title, play), encoding="utf-8")


def _write_one(stem: Path, exported: Exported, formats: Sequence[str], title: str) -> dict[str, Path]:
    """Write the files of one agent, and return their paths by format."""
    agent, outputs = exported.agent, exported.outputs
    files = {kind: stem.with_name(stem.name + _ENDINGS[kind]) for kind in formats}
    nodes: list[Node] = exported.nodes() if {"numpy", "onnx"} & set(formats) else []
    if "numpy" in files:
        first = f"The policy of {within_text(agent.name)}, {title}."
        text, weights = as_numpy.source(agent, stem.name, first, outputs, nodes)
        files["numpy"].write_text(text, encoding="utf-8")
        with files["numpy"].with_suffix(".npz").open("wb") as file:
            np.savez(file, allow_pickle=False, **weights)  # type: ignore[arg-type]
    if "onnx" in files:
        files["onnx"].write_bytes(as_onnx.model(stem.name, agent.inputs, outputs, nodes).SerializeToString())
    if "stablehlo" in files:
        files["stablehlo"].write_bytes(as_stablehlo.serialised(exported, agent.inputs))
    return files


def _install(out: Path, fill: Callable[[Path], None]) -> None:
    """Create a directory under a temporary name, and rename it when it is complete."""
    out = atomic_write.named(out)
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir()
        fill(aside)
        aside.rename(out)
    except OSError as error:
        raise RunError(f"the export to {out} failed: {atomic_write.one_line(error)}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _refuse_taken(out: Path) -> None:
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists():
        place = atomic_write.named(out)
        free = next(path for k in range(2, 10**6) if not (path := place.with_name(f"{place.name}-{k}")).exists())
        raise RequestError(f"{out} exists and is not empty: write to --out {free}, or remove it")


def _described(port: Any) -> dict[str, Any]:
    return {key: value for key, value in asdict(port).items() if key != "default"} | {
        "optional": port.default is not None
    }


def _title(document: dict[str, Any]) -> str:
    """Return a title for the policies that is valid in a docstring and in Markdown."""
    pairing = " on ".join(within_text(document[key]) for key in ("algorithm", "environment") if document[key])
    after = f"seed {within_text(document['seed'])}, after {document['step']:,} steps"
    return f"trained with {pairing or 'Hamlet'} ({after})"
