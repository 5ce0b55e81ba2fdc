"""The algorithms of Hamlet, and a registry that finds them by name.

Other packages add algorithms through the entry-point group ``hamlet.algorithms``. The entry's name is the name of the
algorithm. Its value is a callable that takes the hyperparameters as keywords and returns a declaration.
"""
# The order of these imports is the order in which algorithms are listed.
# ruff: noqa: I001

import inspect
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import entry_points
from typing import Any

from hamlet.algorithms.happo import happo as happo
from hamlet.algorithms.hatrpo import hatrpo as hatrpo
from hamlet.algorithms.haa2c import haa2c as haa2c
from hamlet.algorithms.mappo import mappo as mappo
from hamlet.algorithms.ippo import ippo as ippo
from hamlet.algorithms.maa2c import maa2c as maa2c
from hamlet.algorithms.coma import coma as coma
from hamlet.algorithms.haddpg import haddpg as haddpg
from hamlet.algorithms.hatd3 import hatd3 as hatd3
from hamlet.algorithms.hasac import hasac as hasac
from hamlet.algorithms.had3qn import had3qn as had3qn
from hamlet.algorithms.maddpg import maddpg as maddpg
from hamlet.algorithms.matd3 import matd3 as matd3
from hamlet.algorithms.masac import masac as masac
from hamlet.algorithms.matrl import matrl as matrl
from hamlet.algorithms.il_pp import il_pp as il_pp
from hamlet.algorithms.matrl_without_response import matrl_without_response as matrl_without_response
from hamlet.algorithms.il import il as il
from hamlet.algorithms.iql import iql as iql
from hamlet.algorithms.vdn import vdn as vdn
from hamlet.algorithms.qmix import qmix as qmix
from hamlet.algorithms.qtran import qtran as qtran
from hamlet.algorithms.qplex import qplex as qplex
from hamlet.algorithms.q_dpp import q_dpp as q_dpp
from hamlet.envs.conversion import Broken
from hamlet.envs.factories import user_modules
from hamlet.envs.factories.place import find
from hamlet.errors import RequestError, unknown
from hamlet.hyperparameters.factory import RENAMED
from hamlet.learners import Algorithm

ENTRY_POINTS = "hamlet.algorithms"


class Registry(Mapping[str, Callable[..., Algorithm]]):
    """A mapping from names to algorithm factories; factories of other packages are imported on first use."""

    def __init__(self, factories: Mapping[str, Callable[..., Algorithm]]) -> None:
        self._factories = dict(factories)
        self._entries = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}

    def __getitem__(self, name: str) -> Callable[..., Algorithm]:
        """Return the factory of an algorithm.

        ``MODULE:FACTORY`` names a factory in a module of the user; it is imported here.

        Raises:
            KeyError: No algorithm has this name.
            RequestError: The factory of another package or of the user cannot be imported.
        """
        if ":" in name and name not in self._factories:
            self._factories[name] = _own(name)
        if name in self._entries and name not in self._factories:
            entry = self._entries[name]
            try:
                self._factories[name] = entry.load()
            except Exception as error:
                where = f"the algorithm {name!r} is {entry.value}, which cannot be imported"
                raise RequestError(f"{where}: {type(error).__name__}: {error}") from error
        return self._factories[name]

    def __contains__(self, name: object) -> bool:
        """Check whether an algorithm has this name, without importing it."""
        return name in self._factories or name in self._entries or ":" in str(name)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names."""
        return (name for name in dict.fromkeys([*self._factories, *self._entries]) if ":" not in name)

    def __len__(self) -> int:
        """Return the number of algorithms."""
        return sum(1 for _ in self)

    def usable(self) -> dict[str, Callable[..., Algorithm]]:
        """Return all factories that can be imported, by name."""
        factories = {}
        for name in self:
            try:
                factories[name] = self[name]
            except RequestError:
                continue
        return factories


def _own(place: str) -> Callable[..., Algorithm]:
    """Import and return the factory at ``MODULE:FACTORY``."""
    module, _, name = place.partition(":")
    if not all(part.isidentifier() for part in [*module.split("."), *name.split(".")]):
        raise RequestError(f"{place!r} is not the name of an algorithm: write MODULE:FACTORY, as in happo_kl:happo_kl")
    user_modules.called(place)
    user_modules.append(place)
    try:
        factory = find(place)
    except Broken as broken:
        raise RequestError(f"the algorithm {place} cannot be used: {broken}") from None
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise RequestError(f"the algorithm {place} cannot be imported: {text}") from error
    if not callable(factory):
        raise RequestError(f"{place} is a {type(factory).__name__}, not a function that returns an algorithm")
    return factory


ALGORITHMS = Registry({name: value for name, value in list(vars().items()) if hasattr(value, "__signature__")})


def make(name: str, **hyperparameters: Any) -> Algorithm:
    """Create the declaration of an algorithm from its name and its hyperparameters.

    Raises:
        RequestError: If no algorithm has this name, or it has no such hyperparameter.

    >>> make("happo", clip=0.1).drift
    ClipDrift(epsilon=0.1)
    """
    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS)
    known = inspect.signature(ALGORITHMS[name]).parameters
    for given in hyperparameters:
        if given not in known and RENAMED.get(given) not in known:
            raise unknown(f"hyperparameter of {name}", given, known)
    return ALGORITHMS[name](**hyperparameters)
