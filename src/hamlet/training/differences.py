"""Explanations of why the networks of two runs have different shapes."""

import dataclasses
from typing import Any

import jax

from hamlet.backends.select import backend_of
from hamlet.envs.base import AnyDeclaration
from hamlet.errors import RequestError
from hamlet.learners import Algorithm


def differences(theirs: tuple[Algorithm, AnyDeclaration], ours: tuple[Algorithm, AnyDeclaration]) -> str:
    """Return a line that lists all settings that determine network shapes and differ between two runs.

    Each entry gives the earlier run's value first, then this run's.

    Args:
        theirs: The earlier run's algorithm and environment.
        ours: This run's algorithm and environment.
    """
    (their_algorithm, their_env), (algorithm, env) = theirs, ours
    pairs = [
        ("agents", _team(their_env), _team(env)),
        ("the critic's state", _by(their_env.state_shape), _by(env.state_shape)),
        ("sharing", their_algorithm.sharing, algorithm.sharing),
        ("the kind of algorithm", type(their_algorithm).__name__, type(algorithm).__name__),
        ("the kind of critic", type(their_algorithm.critic).__name__, type(algorithm.critic).__name__),
        *_fields(their_algorithm.body, algorithm.body),
    ]
    changes = [f"{name} {before}, here {now}" for name, before, now in pairs if before != now]
    return "; ".join(changes) or "the critic has other hyperparameters"


def require_fit(algorithm: Algorithm, env: AnyDeclaration, other: AnyDeclaration) -> None:
    """Check that policies trained on one environment can act in another one.

    Args:
        algorithm: The algorithm that trained the policies.
        env: The environment on which they were trained.
        other: The environment in which they shall act.

    Raises:
        RequestError: The networks do not fit the other environment's agents, observations or actions. The error names
            them.
    """

    def shapes(declared: Any) -> list[tuple[int, ...]]:
        return [leaf.shape for leaf in jax.tree.leaves(backend_of(declared).outline(algorithm).learner.team.actors)]

    def kinds(declared: AnyDeclaration) -> list[tuple[type, type]]:
        return [(type(group.observation), type(group.action)) for group in declared.groups]

    if kinds(env) != kinds(other) or shapes(env) != shapes(other):
        shared = (
            ""
            if algorithm.sharing == "group"
            else "; each agent has its own policy, so the number of agents must stay the same"
        )
        raise RequestError(
            f"the policies cannot act in the environment with these options: they were trained with agents "
            f"{_team(env)}, here {_team(other)}{shared if len(_names(env)) != len(_names(other)) else ''}"
        )


def _names(env: AnyDeclaration) -> list[str]:
    return [name for group in env.groups for name in group.names]


def _team(env: AnyDeclaration) -> str:
    """Return each group's size, observation shape and action space: ``3 (observation 18, action Discrete 5)``."""
    return " and ".join(
        f"{len(group.names)} (observation {_by(group.observation.shape)}, action {_action(group.action)})"
        for group in env.groups
    )


def _action(space: Any) -> str:
    size = _by(space.shape) if type(space).__name__ == "Box" else str(space.width)
    return f"{type(space).__name__} {size}"


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _fields(before: Any, now: Any) -> list[tuple[str, Any, Any]]:
    """Return the values of two network configurations, named like the command-line options."""
    names = [field.name for field in dataclasses.fields(before)]
    return [(f"--{name.replace('_', '-')}", getattr(before, name), getattr(now, name, None)) for name in names]
