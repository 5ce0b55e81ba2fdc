"""The search for the user's own modules: each has a directory, in addition to Python's search path.

A module is found by its name in its directory. Other modules in that directory are found last, after Python's search
path, so they never replace an installed package. Hamlet searches the working directory only for a module that the user
named in this process. Workers import this file, so it uses only the standard library.
"""

import importlib.util
import os
import site
import sys
import sysconfig
import warnings
from collections.abc import Iterable, Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

# Directories, by the name of the top-level module.
_DIRECTORIES: dict[str, str] = {}
# Entries that Hamlet appended to the search path in this process; they do not belong to Python's own path.
_APPENDED: list[str] = []
# Modules that Hamlet never searches for in a user's directory.
_INSTALLED = {"hamlet", "pettingzoo", "mpe2", "gymnasium", "numpy", "jax"} | set(sys.stdlib_module_names)


def top(place: str) -> str:
    """Return the top-level module of ``package.module:name``."""
    return place.partition(":")[0].partition(".")[0]


def called(place: str) -> None:
    """Remember the directory of a module that the user names: where it was imported from, or the working directory."""
    name, here = top(place), os.getcwd()
    if name in _INSTALLED or _DIRECTORIES.get(name) == here:
        return
    if name in sys.modules:
        home = _imported(sys.modules[name])
        if home is not None and not _is_installed(home):
            remember({name: home})
        return
    local_spec = PathFinder.find_spec(name, [here])
    other = None if local_spec is None else _elsewhere(name)
    if local_spec is None or (local_spec.origin is None and other is not None):  # a directory of that name, no package
        return
    if other is not None and _home(other) != os.path.realpath(here):
        warnings.warn(
            f"Hamlet imports the module {name} from the working directory, not from {_home(other)}", stacklevel=2
        )
    remember({name: here})


def remember(directories: Mapping[str, str]) -> None:
    """Make Python find these top-level modules in these directories."""
    _DIRECTORIES.update({name: home for name, home in directories.items() if name not in _INSTALLED})
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def directories(places: Iterable[str]) -> dict[str, str]:
    """Return the directories of the modules that are not installed, by top-level module; imports nothing."""
    homes = {}
    for name in dict.fromkeys(map(top, places)):
        home = _DIRECTORIES.get(name) or _imported(sys.modules.get(name)) or _home(_elsewhere(name))
        if home is not None and name not in _INSTALLED and not _is_installed(home):
            homes[name] = home
    return homes


def append(place: str) -> None:
    """Make Python find the other modules in the directory of ``package.module:name``, after its own search path."""
    name = top(place)
    home = _DIRECTORIES.get(name)
    if home is None:
        return
    before = _imported(sys.modules.get(name))
    if before is not None and os.path.realpath(before) != os.path.realpath(home):
        warnings.warn(
            f"the module {name} is already imported from {before}: Hamlet does not use the one in {home}", stacklevel=2
        )
    if home not in sys.path:
        sys.path.append(home)
        _APPENDED.append(home)


def load(place: str) -> ModuleType:
    """Import the module of ``package.module:name``."""
    append(place)
    return importlib.import_module(place.partition(":")[0])


def search_path(place: str) -> list[str]:
    """Return a worker's search path: Python's own path without the working directory, and the module's directory."""
    entries = [os.path.abspath(entry) for entry in sys.path if entry not in ("", ".") and entry not in _APPENDED]
    home = _DIRECTORIES.get(top(place))
    return list(dict.fromkeys([*entries, *([home] if home is not None else [])]))


def known() -> dict[str, str]:
    """Return the directories by top-level module, for `remember` in a worker."""
    return dict(_DIRECTORIES)


class _Finder:
    """Finds the modules that `remember` received."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Find a top-level module, only in its directory."""
        home = _DIRECTORIES.get(name) if path is None else None
        return None if home is None else PathFinder.find_spec(name, [home])


_FINDER: Any = _Finder()


def _elsewhere(name: str) -> ModuleSpec | None:
    """Return the module's spec on Python's own search path, without the working directory."""
    entries = [entry for entry in sys.path if entry not in ("", ".") and entry not in _APPENDED]
    spec = PathFinder.find_spec(name, entries)
    if spec is not None or name in _DIRECTORIES:
        return spec
    try:  # editable installations have their own finders
        others = [finder for finder in sys.meta_path if finder is not PathFinder and finder is not _FINDER]
        specs = (finder.find_spec(name, None) for finder in others)
        return next((spec for spec in specs if spec is not None), None)
    except Exception:  # raised by a third-party finder
        return None


def _home(spec: ModuleSpec | None) -> str | None:
    """Return the directory that contains a top-level module."""
    if spec is None:
        return None
    package = next(iter(spec.submodule_search_locations or ()), None)
    origin = spec.origin if spec.has_location else None
    place = package or origin
    return None if place is None else os.path.dirname(os.path.realpath(place))


def _imported(module: ModuleType | None) -> str | None:
    return None if module is None else _home(getattr(module, "__spec__", None))


def _is_installed(home: str) -> bool:
    """Return whether a directory belongs to the installation of Python or its packages."""
    roots = [*site.getsitepackages(), site.getusersitepackages()]
    roots += [
        path for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib")
    ]
    return any(Path(home).is_relative_to(os.path.realpath(root)) for root in roots)
