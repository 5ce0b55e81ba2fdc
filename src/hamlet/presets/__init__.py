"""The hyperparameters of the papers: for every preset, a typed factory for each algorithm that it speaks of."""

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any

from hamlet.algorithms import ALGORITHMS
from hamlet.envs.base import AnyDeclaration, declared_horizon
from hamlet.errors import RequestError, unknown
from hamlet.presets import credit, mamujoco, matrl, mpe, off_policy, value
from hamlet.spaces import Box

__all__ = ["PRESETS", "default", "find", "fitted", "known", "line", "notes"]

PRESETS: Mapping[str, Mapping[str, "partial[Any]"]] = {
    "paper/mpe": {**mpe.PAPER, **credit.PAPER_MPE, **off_policy.PAPER_MPE},
    "tuned/mpe": {**mpe.TUNED, **credit.TUNED_MPE, **off_policy.TUNED_MPE, **value.TUNED},
    "tuned/mpe/shared": mpe.SHARED,
    **{f"paper/mamujoco/{task}": {**table, **off_policy.MUJOCO[task]} for task, table in mamujoco.PAPER.items()},
    **{f"paper/matrl/{task}": table for task, table in matrl.PAPER.items()},
    "tuned/pong": matrl.TUNED_PONG,
    "paper/value": value.PAPER,
    "tuned/matrix": value.MATRIX,
}
# What a preset says where every agent acts in a Box, if that differs.
_CONTINUOUS: Mapping[str, Mapping[str, "partial[Any]"]] = {
    "paper/mpe": {**mpe.PAPER_CONTINUOUS, **credit.PAPER_MPE, **off_policy.PAPER_MPE},
    "tuned/mpe": {**mpe.TUNED_CONTINUOUS, **credit.TUNED_MPE, **off_policy.TUNED_MPE},
    "tuned/mpe/shared": mpe.SHARED_CONTINUOUS,
}
# Why a preset has a value that surprises, where every agent acts in a Box, by algorithm and hyperparameter.
_NOTES_CONTINUOUS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    name: mpe.NOTES_CONTINUOUS for name in ("paper/mpe", "tuned/mpe", "tuned/mpe/shared")
}
# Where a preset of ours learns a task better than the paper's (`docs/results.md`), it is the default. HAPPO, HADDPG and
# HATD3 on spread and HAD3QN on speaker-listener were run with both; the others differ from the paper by the same
# discount.
_LEARNS_BETTER: Mapping[tuple[str, str], str] = {
    **{
        ("mpe/simple_spread", algorithm): "tuned/mpe"
        for algorithm in (*mpe.TUNED, "haddpg", "maddpg", "hatd3", "matd3")
    },
    ("mpe/simple_speaker_listener", "had3qn"): "tuned/mpe",
}
# Which presets an environment, or a family of them, is otherwise trained with where none is named: the first that
# speaks of the algorithm.
_DEFAULTS = {
    "mpe": ("paper/mpe", "tuned/mpe"),
    "grid": ("paper/matrl/grid",),
    "atari": ("paper/matrl/pong",),
    "matrix": ("tuned/matrix",),
    **{f"mamujoco/{task}": (f"paper/mamujoco/{line}",) for task, line in mamujoco.DEFAULTS.items()},
}


def find(preset: str | None, algorithm: str, environment: AnyDeclaration | None = None) -> "partial[Any]":
    """The factory of an algorithm with a preset's values, those for continuous actions where the environment's are.

    Without a preset, with its own. See `fitted` for what else depends on the environment.

    Raises:
        RequestError: If there is no such preset, or it does not speak of the algorithm, or there is no such algorithm.

    >>> find("paper/mpe", "happo").keywords["clip"]
    0.2
    >>> import hamlet
    >>> find("paper/mpe", "happo", hamlet.envs.make("mpe/simple_spread", continuous=True)).keywords["entropy"]
    40.0
    """
    if preset is None:
        if algorithm not in ALGORITHMS:
            raise unknown("algorithm", algorithm, ALGORITHMS)
        return fitted(partial(ALGORITHMS[algorithm]), environment)
    if preset not in PRESETS:
        raise unknown("preset", preset, [name for name, table in PRESETS.items() if algorithm in table] or PRESETS)
    if algorithm not in PRESETS[preset]:
        raise RequestError(
            f"preset {preset} has no values for {algorithm}; it has them for {', '.join(PRESETS[preset])}"
        )
    # Of those that act by choices alone it has no others: they refuse the environment themselves.
    others = _CONTINUOUS.get(preset, {}) if _is_continuous(environment) else {}
    return fitted(others.get(algorithm, PRESETS[preset][algorithm]), environment)


def notes(preset: str, algorithm: str, environment: AnyDeclaration | None) -> Mapping[str, str]:
    """Why a preset has a value that surprises, by hyperparameter; of most it says nothing.

    >>> import hamlet
    >>> list(notes("tuned/mpe", "happo", hamlet.envs.make("mpe/simple_spread", continuous=True)))
    ['entropy']
    """
    return _NOTES_CONTINUOUS.get(preset, {}).get(algorithm, {}) if _is_continuous(environment) else {}


def _is_continuous(environment: AnyDeclaration | None) -> bool:
    return environment is not None and all(isinstance(group.action, Box) for group in environment.groups)


def fitted(factory: "partial[Any]", environment: AnyDeclaration | None) -> "partial[Any]":
    """The factory of an algorithm for an environment: with the length of its episodes, where whole ones are replayed.

    Where nothing else is said, they are as long as the environment declares its longest, and so is a rollout.

    >>> import hamlet
    >>> env = hamlet.envs.make("mpe/simple_spread", continuous=False, max_steps=30)
    >>> fitted(partial(hamlet.algorithms.qmix), env).keywords
    {'episode_length': 30, 'rollout_length': 30}
    """
    horizon = None if environment is None else declared_horizon(environment)
    if horizon is None or "episode_length" not in inspect.signature(factory).parameters:
        return factory
    lengths = {"episode_length": horizon, "rollout_length": horizon}
    return partial(factory, **{name: steps for name, steps in lengths.items() if name not in factory.keywords})


def default(environment: str, algorithm: str) -> str | None:
    """The preset used for an environment's name where none is named; None where there is none.

    It is the one that learns the task best among those that leave every agent its own policy where the paper's does.

    >>> default("mpe/simple_spread", "happo")
    'tuned/mpe'
    >>> default("mpe/simple_reference", "happo")
    'paper/mpe'
    >>> default("mpe/simple_spread", "qmix")
    'tuned/mpe'
    >>> default("mamujoco/HalfCheetah-6x1", "happo")
    'paper/mamujoco/HalfCheetah-2x3'
    """
    if (better := _LEARNS_BETTER.get((environment, algorithm))) is not None:
        return better
    named = _DEFAULTS.get(environment, _DEFAULTS.get(environment.split("/")[0], ()))
    return next((preset for preset in named if algorithm in PRESETS[preset]), None)


def known(environment: str) -> bool:
    """Whether some algorithm has a preset for an environment's name.

    >>> known("mpe/simple_spread"), known("MyWorld")
    (True, False)
    """
    return environment in _DEFAULTS or environment.split("/")[0] in _DEFAULTS


def line(preset: str, environment: str, algorithm: str) -> str:
    """The line before a run: by which preset it is trained, and why by that one.

    >>> line("paper/mpe", "mpe/simple_spread", "happo")
    'preset paper/mpe'
    >>> line("tuned/mpe", "mpe/simple_spread", "happo")
    "preset tuned/mpe, the default: it learns mpe/simple_spread better than the paper's (--preset paper/mpe)"
    """
    if _LEARNS_BETTER.get((environment, algorithm)) != preset:
        return f"preset {preset}"
    papers = next(name for name in PRESETS if name.startswith("paper/") and algorithm in PRESETS[name])
    return f"preset {preset}, the default: it learns {environment} better than the paper's (--preset {papers})"
