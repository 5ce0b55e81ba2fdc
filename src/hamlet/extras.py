"""The optional packages: the extra that contains each one, and the command that installs an extra for this copy.

The command depends on how this copy of Hamlet was installed:

* From a clone, the command names the clone and the extra: ``pip install -e '/path/of/the/clone[mpe]'``. This holds
  whether the clone is installed or only on Python's path.
* From a wheel, a repository or another address, the command names this address. pip has recorded it (PEP 610).
* From anywhere else, the command names the packages of the extra, read from the metadata: ``pip install 'mpe2>=1.1'``.

The command never names the distribution alone: pip would look the name up in the package index, where it may belong to
another project.
"""

import importlib
import importlib.util
import json
import re
import shlex
import tomllib
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urlparse

from hamlet.errors import RequestError

DISTRIBUTION = "hamlet-marl"
_PACKAGE = Path(__file__).resolve().parent


class Package(NamedTuple):
    """An optional package: the extra that contains it, and its name in the package index."""

    extra: str
    name: str


# The keys are the names of the imported modules.
PACKAGES = {
    "mpe2": Package("mpe", "mpe2"),
    "pettingzoo": Package("pettingzoo", "pettingzoo"),
    "Box2D": Package("pettingzoo", "pettingzoo[sisl]"),
    "pymunk": Package("pettingzoo", "pettingzoo[butterfly]"),
    "pygame": Package("pettingzoo", "pettingzoo[butterfly]"),
    "multi_agent_ale_py": Package("atari", "pettingzoo[atari]"),
    "ale_py": Package("atari", "ale-py"),
    "gymnasium_robotics": Package("mamujoco", "gymnasium-robotics"),
    "mujoco": Package("mamujoco", "mujoco"),
    "matplotlib": Package("plots", "matplotlib"),
    "PIL": Package("video", "pillow"),
    "av": Package("video", "av"),
    "onnx": Package("export", "onnx"),
    "onnxruntime": Package("export", "onnxruntime"),
    "tensorboardX": Package("tensorboard", "tensorboardX"),
    "wandb": Package("wandb", "wandb"),
    "ray": Package("ray", "ray"),
    "optuna": Package("sweep", "optuna"),
    "shtab": Package("completion", "shtab"),
}


def bring(module: str, purpose: str, otherwise: str = "", *, extra: str | None = None) -> Any:
    """Import a module of an optional package.

    Args:
        module: The name of the module. Its package is in `PACKAGES`.
        purpose: What needs the package. The error message starts with it.
        otherwise: What to do without the package. The error message ends with it.
        extra: The extra that contains the package for this purpose; None for the package's extra in `PACKAGES`.

    Returns:
        The module.

    Raises:
        RequestError: The package is not installed, and the message contains the command that installs it; or the
            package cannot be imported, and the message says why.
    """
    line = lacking(module, purpose, otherwise, extra=extra)
    if line is not None:
        raise RequestError(line)
    return importlib.import_module(module)


def lacking(module: str, purpose: str, otherwise: str = "", *, extra: str | None = None) -> str | None:
    """Return the message with which `bring` would fail to import a module; None if the module can be imported."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not installed(module.partition(".")[0]):
            return absent(module, purpose, otherwise, extra=extra)
        return _broken(module, purpose, error, otherwise)
    except Exception as error:  # an import can fail with any exception
        return _broken(module, purpose, error, otherwise)
    return None


def absent(module: str, purpose: str, otherwise: str = "", *, extra: str | None = None) -> str:
    """Return the message for an optional package that is not installed."""
    package = _package(module)
    advice = f"run {install_line(extra or package.extra, package.name)}"
    return f"{purpose} needs {package.name}, which is not installed: {advice}{otherwise and ', or ' + otherwise}"


def installed(module: str) -> bool:
    """Return whether a package is installed, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def install_line(extra: str, fallback: str) -> str:
    """Return the shell command that installs the packages of an extra for this copy of Hamlet.

    Args:
        extra: The name of the extra.
        fallback: The package to install if this copy has no record of the packages in the extra.
    """
    clone = _clone()
    if clone is not None:
        return f"pip install -e {shlex.quote(f'{clone}[{extra}]')}"
    copy = _installation()
    address = copy and _address(copy)
    if address:
        return f"pip install {shlex.quote(f'{DISTRIBUTION}[{extra}] @ {address}')}"
    return "pip install " + " ".join(map(shlex.quote, requirements(extra) or [fallback]))


def requirements(extra: str) -> list[str]:
    """Return the packages of an extra as requirements for pip; an empty list if this copy has no record of them."""
    clone, copy = _clone(), _installation()
    if clone is not None:
        return _project(clone).get("optional-dependencies", {}).get(extra, [])
    named = []
    for line in (copy.requires or ()) if copy else ():
        requirement, _, marker = line.partition(";")
        condition = re.fullmatch(r"\s*(?:(.+?)\s+and\s+)?extra\s*==\s*['\"]([^'\"]+)['\"]\s*", marker)
        if condition and condition[2] == extra:
            named.append(requirement.strip() + (f"; {condition[1].strip(' ()')}" if condition[1] else ""))
    return named


def _package(module: str) -> Package:
    return PACKAGES[module.partition(".")[0]]


def _broken(module: str, purpose: str, error: Exception, otherwise: str) -> str:
    package = _package(module)
    reason = " ".join(str(error).split())[:200]
    again = " ".join(map(shlex.quote, requirements(package.extra) or [package.name]))
    return (
        f"{purpose} needs {package.name}, which is installed but cannot be imported ({type(error).__name__}: {reason})"
        f": run pip install --force-reinstall {again}{otherwise and ', or ' + otherwise}"
    )


def _clone() -> Path | None:
    """Return the root of the clone that contains this file; None if this file is in no clone."""
    root = _PACKAGE.parents[1]
    in_clone = _PACKAGE.parent.name == "src" and _project(root).get("name") == DISTRIBUTION
    return root if in_clone else None


def _project(root: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return {}


def _installation() -> Distribution | None:
    """Return the metadata of this copy of Hamlet, never the metadata of another installed copy; None if it has none."""
    try:
        copy = distribution(DISTRIBUTION)
        return copy if Path(str(copy.locate_file(_PACKAGE.name))).resolve() == _PACKAGE else None
    except (PackageNotFoundError, OSError, ValueError):
        return None


def _address(copy: Distribution) -> str | None:
    """Return the address that a copy was installed from, for pip; None if it is unknown or no longer exists."""
    try:
        origin = json.loads(copy.read_text("direct_url.json") or "")
        url = str(origin["url"])
        file = urlparse(url)
        if file.scheme == "file" and not Path(unquote(file.path)).exists():
            return None
        if "vcs_info" in origin:
            url = f"{origin['vcs_info']['vcs']}+{url}@{origin['vcs_info']['commit_id']}"
        return url + (f"#subdirectory={origin['subdirectory']}" if origin.get("subdirectory") else "")
    except (ValueError, KeyError, TypeError, OSError):
        return None
