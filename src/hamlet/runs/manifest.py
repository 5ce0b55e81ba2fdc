"""The versions, source revision and hardware of a run, as text, without file paths and user names."""

import importlib.metadata
import platform
import subprocess
from pathlib import Path
from typing import Any

import jax

import hamlet
from hamlet import machine

PACKAGES = {
    "jax": "jax",
    "jaxlib": "jaxlib",
    "equinox": "equinox",
    "optax": "optax",
    "orbax": "orbax-checkpoint",
    "numpy": "numpy",
}


def describe() -> dict[str, Any]:
    """Return the versions, revision and hardware of this process, as JSON.

    >>> sorted(describe())
    ['hardware', 'platform', 'revision', 'versions']
    """
    versions = {"hamlet": hamlet.__version__, "python": platform.python_version()}
    return {
        "versions": versions | {key: _version(name) for key, name in PACKAGES.items()},
        "revision": revision(),
        "hardware": {"cpu": _processor(), "cores": machine.cores(), "memory": _memory(), "devices": _devices()},
        "platform": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


def revision(source: Path | None = None) -> str | None:
    """Return the git commit of a file, by default of Hamlet; with ``+changes`` if files in its folder were changed.

    Changes outside the folder, such as a new benchmark record, do not affect results and are ignored. Returns None
    without git, and for an installed package, whose files are not in a repository.
    """
    source = source or Path(hamlet.__file__)
    if _git(source, "ls-files", "--error-unmatch", source.name) is None:
        return None
    commit = _git(source, "rev-parse", "HEAD")
    changes = _git(source, "status", "--porcelain", "--untracked-files=no", "--", ".")
    return commit and commit + ("+changes" if changes else "")


def _git(source: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(source.parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.processor() or platform.machine()


def _memory() -> str | None:
    size = machine.memory()
    return None if size is None else f"{size / 2**30:.1f} GiB"


def _devices() -> list[str]:
    kinds = [device.device_kind for device in jax.devices()]
    return [f"{kinds.count(kind)} x {kind}" for kind in dict.fromkeys(kinds)]
