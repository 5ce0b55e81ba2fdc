"""Where modules of the user's own are found: a directory for each, besides Python's own search path.

A module is found in its directory by its name, and its neighbours after everything else, so that nothing in such a
directory takes the place of an installed package. The working directory is searched for a module that the user named in
this process, and for no other. Workers import this file: it needs the standard library alone.
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

# Directory by top-level module.
_DIRECTORIES: dict[str, str] = {}
# What was appended to the search path here, and is no part of Python's own.
_APPENDED: list[str] = []
# Never searched for in a directory of the user's.
_INSTALLED = {"hamlet", "pettingzoo", "mpe2", "gymnasium", "numpy", "jax"} | set(sys.stdlib_module_names)


def top(place: str) -> str:
    """The top-level module of ``package.module:name``."""
    return place.partition(":")[0].partition(".")[0]


def called(place: str) -> None:
    """Have a module that the user names in this call found: where it was imported from, or in the working directory."""
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
    if local_spec is None or (local_spec.origin is None and other is not None):  # a mere directory of that name
        return
    if other is not None and _home(other) != os.path.realpath(here):
        warnings.warn(f"the module {name} is taken from the working directory, not from {_home(other)}", stacklevel=2)
    remember({name: here})


def remember(directories: Mapping[str, str]) -> None:
    """Have these top-level modules found in these directories."""
    _DIRECTORIES.update({name: home for name, home in directories.items() if name not in _INSTALLED})
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def directories(places: Iterable[str]) -> dict[str, str]:
    """By top-level module, the directories of those that are not installed; no module is imported for it."""
    homes = {}
    for name in dict.fromkeys(map(top, places)):
        home = _DIRECTORIES.get(name) or _imported(sys.modules.get(name)) or _home(_elsewhere(name))
        if home is not None and name not in _INSTALLED and not _is_installed(home):
            homes[name] = home
    return homes


def append(place: str) -> None:
    """Have the neighbours of the module of ``package.module:name`` found in this process, after everything else."""
    name = top(place)
    home = _DIRECTORIES.get(name)
    if home is None:
        return
    before = _imported(sys.modules.get(name))
    if before is not None and os.path.realpath(before) != os.path.realpath(home):
        warnings.warn(f"the module {name} of {before} is imported already: that of {home} is not", stacklevel=2)
    if home not in sys.path:
        sys.path.append(home)
        _APPENDED.append(home)


def load(place: str) -> ModuleType:
    """Import the module of ``package.module:name``."""
    append(place)
    return importlib.import_module(place.partition(":")[0])


def search_path(place: str) -> list[str]:
    """Where a worker imports from: Python's own path but for the working directory, and the directory of a module."""
    entries = [os.path.abspath(entry) for entry in sys.path if entry not in ("", ".") and entry not in _APPENDED]
    home = _DIRECTORIES.get(top(place))
    return list(dict.fromkeys([*entries, *([home] if home is not None else [])]))


def known() -> dict[str, str]:
    """Directories by top-level module, for `remember` in a worker."""
    return dict(_DIRECTORIES)


class _Finder:
    """Finds the modules that were remembered."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Of a top-level module, in its directory alone."""
        home = _DIRECTORIES.get(name) if path is None else None
        return None if home is None else PathFinder.find_spec(name, [home])


_FINDER: Any = _Finder()


def _elsewhere(name: str) -> ModuleSpec | None:
    """The module on Python's own search path but for the working directory."""
    entries = [entry for entry in sys.path if entry not in ("", ".") and entry not in _APPENDED]
    spec = PathFinder.find_spec(name, entries)
    if spec is not None or name in _DIRECTORIES:
        return spec
    try:  # editable installations have finders of their own
        others = [finder for finder in sys.meta_path if finder is not PathFinder and finder is not _FINDER]
        specs = (finder.find_spec(name, None) for finder in others)
        return next((spec for spec in specs if spec is not None), None)
    except Exception:  # a third party's
        return None


def _home(spec: ModuleSpec | None) -> str | None:
    """The directory in which a top-level module stands."""
    if spec is None:
        return None
    package = next(iter(spec.submodule_search_locations or ()), None)
    origin = spec.origin if spec.has_location else None
    place = package or origin
    return None if place is None else os.path.dirname(os.path.realpath(place))


def _imported(module: ModuleType | None) -> str | None:
    return None if module is None else _home(getattr(module, "__spec__", None))


def _is_installed(home: str) -> bool:
    """Whether a directory belongs to the installation of Python or its packages."""
    roots = [*site.getsitepackages(), site.getusersitepackages()]
    roots += [
        path for name, path in sysconfig.get_paths().items() if name in ("stdlib", "platstdlib", "purelib", "platlib")
    ]
    return any(Path(home).is_relative_to(os.path.realpath(root)) for root in roots)
