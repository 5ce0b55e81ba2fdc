"""The hyperparameters of the papers: for every preset, a typed factory for each algorithm that it speaks of."""

from collections.abc import Mapping
from functools import partial

from hamlet.errors import RequestError, unknown
from hamlet.haml.template import Haml
from hamlet.presets import mpe

__all__ = ["PRESETS", "default", "find"]

PRESETS: Mapping[str, Mapping[str, "partial[Haml]"]] = {"paper/mpe": mpe.PAPER}
# Which preset a family of environments is trained with where none is named.
_DEFAULTS = {"mpe": "paper/mpe"}


def find(preset: str, algorithm: str) -> "partial[Haml]":
    """The factory of an algorithm with a preset's values.

    Raises:
        RequestError: If there is no such preset, or it does not speak of the algorithm.

    >>> find("paper/mpe", "happo").keywords["clip"]
    0.2
    """
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    if algorithm not in PRESETS[preset]:
        raise RequestError(
            f"preset {preset} has no values for {algorithm}; it has them for {', '.join(PRESETS[preset])}"
        )
    return PRESETS[preset][algorithm]


def default(environment: str, algorithm: str) -> str | None:
    """The preset used for an environment's name where none is named; None where there is none.

    >>> default("mpe/simple_spread", "happo")
    'paper/mpe'
    """
    preset = _DEFAULTS.get(environment.split("/")[0])
    return preset if preset is not None and algorithm in PRESETS[preset] else None
