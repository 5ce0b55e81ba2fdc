"""The hyperparameters of the papers: for every preset, a typed factory for each algorithm that it speaks of."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from hamlet.envs.base import Declaration
from hamlet.errors import RequestError, unknown
from hamlet.presets import credit, mamujoco, matrl, mpe, off_policy, value
from hamlet.spaces import Box

__all__ = ["PRESETS", "default", "find"]

PRESETS: Mapping[str, Mapping[str, "partial[Any]"]] = {
    "paper/mpe": {**mpe.PAPER, **credit.PAPER_MPE, **off_policy.PAPER_MPE},
    "tuned/mpe": {**mpe.TUNED, **credit.TUNED_MPE, **off_policy.TUNED_MPE},
    **{f"paper/mamujoco/{task}": {**table, **off_policy.MUJOCO[task]} for task, table in mamujoco.PAPER.items()},
    **{f"paper/matrl/{task}": table for task, table in matrl.PAPER.items()},
    "paper/value": value.PAPER,
    "tuned/matrix": value.MATRIX,
}
# What a preset says where every agent acts in a Box, if that differs.
_CONTINUOUS: Mapping[str, Mapping[str, "partial[Any]"]] = {
    "paper/mpe": {**mpe.PAPER_CONTINUOUS, **credit.PAPER_MPE, **off_policy.PAPER_MPE},
    "tuned/mpe": {**mpe.TUNED_CONTINUOUS, **credit.TUNED_MPE, **off_policy.TUNED_MPE},
}
# Which preset an environment, or a family of them, is trained with where none is named.
_DEFAULTS = {
    "mpe": "paper/mpe",
    "grid": "paper/matrl/grid",
    "atari": "paper/matrl/pong",
    "matrix": "tuned/matrix",
    **{f"mamujoco/{task}": f"paper/mamujoco/{line}" for task, line in mamujoco.DEFAULTS.items()},
}


def find(preset: str, algorithm: str, environment: Declaration | None = None) -> "partial[Any]":
    """The factory of an algorithm with a preset's values, those for continuous actions where the environment's are.

    Raises:
        RequestError: If there is no such preset, or it does not speak of the algorithm.

    >>> find("paper/mpe", "happo").keywords["clip"]
    0.2
    >>> import hamlet
    >>> find("paper/mpe", "happo", hamlet.envs.make("mpe/simple_spread", continuous=True)).keywords["entropy"]
    40.0
    """
    if preset not in PRESETS:
        raise unknown("preset", preset, PRESETS)
    if algorithm not in PRESETS[preset]:
        raise RequestError(
            f"preset {preset} has no values for {algorithm}; it has them for {', '.join(PRESETS[preset])}"
        )
    continuous = environment is not None and all(isinstance(group.action, Box) for group in environment.groups)
    return (_CONTINUOUS if continuous and preset in _CONTINUOUS else PRESETS)[preset][algorithm]


def default(environment: str, algorithm: str) -> str | None:
    """The preset used for an environment's name where none is named; None where there is none.

    >>> default("mpe/simple_spread", "happo")
    'paper/mpe'
    >>> default("mamujoco/HalfCheetah-6x1", "happo")
    'paper/mamujoco/HalfCheetah-2x3'
    """
    preset = _DEFAULTS.get(environment, _DEFAULTS.get(environment.split("/")[0]))
    return preset if preset is not None and algorithm in PRESETS[preset] else None
