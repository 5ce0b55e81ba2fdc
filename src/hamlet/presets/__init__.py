"""Presets of hyperparameters, from papers and tuned ones: for every preset, a factory for each of its algorithms."""

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
# The values of a preset if every agent has a Box action space, where they differ.
_CONTINUOUS: Mapping[str, Mapping[str, "partial[Any]"]] = {
    "paper/mpe": {**mpe.PAPER_CONTINUOUS, **credit.PAPER_MPE, **off_policy.PAPER_MPE},
    "tuned/mpe": {**mpe.TUNED_CONTINUOUS, **credit.TUNED_MPE, **off_policy.TUNED_MPE},
    "tuned/mpe/shared": mpe.SHARED_CONTINUOUS,
}
# Reasons for surprising values of presets for Box action spaces, by algorithm and hyperparameter.
_NOTES_CONTINUOUS: Mapping[str, Mapping[str, Mapping[str, str]]] = {
    name: mpe.NOTES_CONTINUOUS for name in ("paper/mpe", "tuned/mpe", "tuned/mpe/shared")
}
# A tuned preset is the default where it learns a task better than the paper's preset (`docs/results.md`). HAPPO, HADDPG
# and HATD3 on spread, and HAD3QN on speaker-listener, were run with both. The tuned presets of the other algorithms
# differ from the paper by the same discount.
_LEARNS_BETTER: Mapping[tuple[str, str], str] = {
    **{
        ("mpe/simple_spread", algorithm): "tuned/mpe"
        for algorithm in (*mpe.TUNED, "haddpg", "maddpg", "hatd3", "matd3")
    },
    ("mpe/simple_speaker_listener", "had3qn"): "tuned/mpe",
}
# The default presets of an environment or a family of environments: the first one that has the algorithm is used.
_DEFAULTS = {
    "mpe": ("paper/mpe", "tuned/mpe"),
    "grid": ("paper/matrl/grid",),
    "atari": ("paper/matrl/pong",),
    "matrix": ("tuned/matrix",),
    **{f"mamujoco/{task}": (f"paper/mamujoco/{line}",) for task, line in mamujoco.DEFAULTS.items()},
}


def find(preset: str | None, algorithm: str, environment: AnyDeclaration | None = None) -> "partial[Any]":
    """Return the factory of an algorithm with a preset's values, for continuous actions if the environment has them.

    Without a preset, the factory keeps its defaults. `fitted` adds the values that depend on the environment.

    Raises:
        RequestError: If the preset or the algorithm does not exist, or the preset does not have the algorithm.

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
    # Algorithms for discrete actions only have no continuous values; they refuse the environment themselves.
    others = _CONTINUOUS.get(preset, {}) if _is_continuous(environment) else {}
    return fitted(others.get(algorithm, PRESETS[preset][algorithm]), environment)


def notes(preset: str, algorithm: str, environment: AnyDeclaration | None) -> Mapping[str, str]:
    """Return the reasons for a preset's surprising values, by hyperparameter; most values have none.

    >>> import hamlet
    >>> list(notes("tuned/mpe", "happo", hamlet.envs.make("mpe/simple_spread", continuous=True)))
    ['entropy']
    """
    return _NOTES_CONTINUOUS.get(preset, {}).get(algorithm, {}) if _is_continuous(environment) else {}


def _is_continuous(environment: AnyDeclaration | None) -> bool:
    return environment is not None and all(isinstance(group.action, Box) for group in environment.groups)


def fitted(factory: "partial[Any]", environment: AnyDeclaration | None) -> "partial[Any]":
    """Return the factory with the environment's episode length, for algorithms that replay whole episodes.

    If they are not set, ``episode_length`` and ``rollout_length`` become the environment's maximum episode length.

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
    """Return the default preset of an environment and an algorithm, or None if there is none.

    Among the presets with the parameter sharing of the paper, it is the one that learns the task best.

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
    """Check whether some algorithm has a preset for an environment.

    >>> known("mpe/simple_spread"), known("MyWorld")
    (True, False)
    """
    return environment in _DEFAULTS or environment.split("/")[0] in _DEFAULTS


def line(preset: str, environment: str, algorithm: str) -> str:
    """Return the line that is printed before a run: its preset and the reason for this preset.

    >>> line("paper/mpe", "mpe/simple_spread", "happo")
    'preset paper/mpe'
    >>> line("tuned/mpe", "mpe/simple_spread", "happo")
    "preset tuned/mpe, the default: it learns mpe/simple_spread better than the paper's (--preset paper/mpe)"
    """
    if _LEARNS_BETTER.get((environment, algorithm)) != preset:
        return f"preset {preset}"
    papers = next(name for name in PRESETS if name.startswith("paper/") and algorithm in PRESETS[name])
    return f"preset {preset}, the default: it learns {environment} better than the paper's (--preset {papers})"
