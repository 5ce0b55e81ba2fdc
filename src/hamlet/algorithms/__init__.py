"""The algorithms, as declarations: a name, a factory, and a registry that third parties can enter."""

import inspect
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import Any

from hamlet.algorithms.coma import coma
from hamlet.algorithms.haa2c import haa2c
from hamlet.algorithms.had3qn import had3qn
from hamlet.algorithms.haddpg import haddpg
from hamlet.algorithms.happo import happo
from hamlet.algorithms.hasac import hasac
from hamlet.algorithms.hatd3 import hatd3
from hamlet.algorithms.hatrpo import hatrpo
from hamlet.algorithms.il import il
from hamlet.algorithms.il_pp import il_pp
from hamlet.algorithms.ippo import ippo
from hamlet.algorithms.iql import iql
from hamlet.algorithms.maa2c import maa2c
from hamlet.algorithms.maddpg import maddpg
from hamlet.algorithms.mappo import mappo
from hamlet.algorithms.masac import masac
from hamlet.algorithms.matd3 import matd3
from hamlet.algorithms.matrl import matrl
from hamlet.algorithms.matrl_without_response import matrl_without_response
from hamlet.algorithms.q_dpp import q_dpp
from hamlet.algorithms.qmix import qmix
from hamlet.algorithms.qplex import qplex
from hamlet.algorithms.qtran import qtran
from hamlet.algorithms.vdn import vdn
from hamlet.errors import unknown
from hamlet.learners import Algorithm

__all__ = [
    "ALGORITHMS",
    "coma",
    "haa2c",
    "had3qn",
    "haddpg",
    "happo",
    "hasac",
    "hatd3",
    "hatrpo",
    "il",
    "il_pp",
    "ippo",
    "iql",
    "maa2c",
    "maddpg",
    "make",
    "mappo",
    "masac",
    "matd3",
    "matrl",
    "matrl_without_response",
    "q_dpp",
    "qmix",
    "qplex",
    "qtran",
    "vdn",
]

_OWN: tuple[Callable[..., Algorithm], ...] = (
    happo,
    hatrpo,
    haa2c,
    mappo,
    ippo,
    maa2c,
    coma,
    haddpg,
    hatd3,
    hasac,
    had3qn,
    maddpg,
    matd3,
    masac,
    matrl,
    il_pp,
    matrl_without_response,
    il,
    iql,
    vdn,
    qmix,
    qtran,
    qplex,
    q_dpp,
)
ALGORITHMS: dict[str, Callable[..., Algorithm]] = {factory.__name__: factory for factory in _OWN}
ALGORITHMS |= {point.name: point.load() for point in entry_points(group="hamlet.algorithms")}


def make(name: str, **hyperparameters: Any) -> Algorithm:
    """The algorithm of a name.

    Raises:
        RequestError: If there is none of that name, or it has no such hyperparameter.

    >>> make("happo", clip=0.1).drift
    ClipDrift(epsilon=0.1)
    """
    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS)
    known = inspect.signature(ALGORITHMS[name]).parameters
    for given in hyperparameters:
        if given not in known:
            raise unknown(f"hyperparameter of {name}", given, known)
    return ALGORITHMS[name](**hyperparameters)
