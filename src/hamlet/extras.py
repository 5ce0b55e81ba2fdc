"""The optional packages: which extra brings each, and the line that installs an extra for this copy of Hamlet.

The right line depends on how this copy came here. A clone brings the extra itself, installed or not
(``pip install -e '/path/of/the/clone[mpe]'``). A copy installed from a wheel, a repository or another address names
that address, which pip has written down (PEP 610). Any other copy names the packages of the extra, which its metadata
lists (``pip install 'mpe2>=1.1'``). The name of the distribution alone would be looked up in the package index, where
it may be anybody's.
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
    """An optional package: the extra that brings it, and its name in the package index."""

    extra: str
    name: str


# By the name of the module that is imported.
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
        module: Its name; that of the package is in `PACKAGES`.
        purpose: What needs it, with which the refusal begins.
        otherwise: What to do without it, with which the refusal ends.
        extra: The extra that brings it here; None for the package's usual one.

    Raises:
        RequestError: The package is absent, and the line says what installs it; or it cannot be imported, and the line
            says why.
    """
    line = lacking(module, purpose, otherwise, extra=extra)
    if line is not None:
        raise RequestError(line)
    return importlib.import_module(module)


def lacking(module: str, purpose: str, otherwise: str = "", *, extra: str | None = None) -> str | None:
    """Why a module of an optional package cannot be imported, in one line as `bring` raises it; None where it can."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not installed(module.partition(".")[0]):
            return absent(module, purpose, otherwise, extra=extra)
        return _broken(module, purpose, error, otherwise)
    except Exception as error:  # whatever the package does when it is imported
        return _broken(module, purpose, error, otherwise)
    return None


def absent(module: str, purpose: str, otherwise: str = "", *, extra: str | None = None) -> str:
    """The line for an optional package that is not installed."""
    package = _package(module)
    advice = f"run {install_line(extra or package.extra, package.name)}"
    return f"{purpose} needs {package.name}, which is not installed: {advice}{otherwise and ', or ' + otherwise}"


def installed(module: str) -> bool:
    """Whether a package is installed, without importing it."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def install_line(extra: str, fallback: str) -> str:
    """What brings the packages of an extra to this copy, as words for a shell.

    Args:
        extra: The name of the extra.
        fallback: The package to name where this copy says nowhere which packages the extra has.
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
    """The packages of an extra, as pip takes them; none where this copy does not say."""
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
        f": install it again by pip install --force-reinstall {again}{otherwise and ', or ' + otherwise}"
    )


def _clone() -> Path | None:
    """The clone that this file lies in, if it does."""
    root = _PACKAGE.parents[1]
    in_clone = _PACKAGE.parent.name == "src" and _project(root).get("name") == DISTRIBUTION
    return root if in_clone else None


def _project(root: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("project", {})
    except (OSError, ValueError):
        return {}


def _installation() -> Distribution | None:
    """The metadata of this copy: not that of another one, which some other environment may show."""
    try:
        copy = distribution(DISTRIBUTION)
        return copy if Path(str(copy.locate_file(_PACKAGE.name))).resolve() == _PACKAGE else None
    except (PackageNotFoundError, OSError, ValueError):
        return None


def _address(copy: Distribution) -> str | None:
    """Where a copy was installed from, for pip; None if nothing says so, or nothing is there any more."""
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
