"""Learners as pure functions: one for each family of declarations. A declaration names its family."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import equinox as eqx

from hamlet.buffers import replay as ring
from hamlet.buffers.replay import Replay as Ring
from hamlet.estimation.fitting import check_divides
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.meta_game import MetaGame, MetaStep
from hamlet.haml.neighbourhood import Unconstrained
from hamlet.haml.template import Haml
from hamlet.learners import decomposition, policy, replay, value
from hamlet.learners.decomposition import Decomposition
from hamlet.learners.value import JointValue
from hamlet.roster import Roster
from hamlet.types import Info, Key, Scalar

__all__ = ["FAMILIES", "Algorithm", "Family", "begun_from", "check", "empty", "init", "step"]

# All declarations that can be trained: those of the HAML template, and those with a separate learner.
Algorithm: TypeAlias = Haml | JointValue | Decomposition


@dataclass(frozen=True)
class Family:
    """The functions of one kind of learner; a declaration names its family with the property ``family``.

    Attributes:
        init: ``(algorithm, roster, state_shape, key) -> learner``, the untrained learner.
        step: ``(algorithm, roster, state_shape, learner, remembered, trajectory, key, remaining)``; returns the
            learner, the replay buffer or None, and the metrics of the actors and of the critic.
        check: ``(algorithm, roster, state_shape)``; refuses settings that do not fit each other or the team.
    """

    init: Callable[..., Any]
    step: Callable[..., tuple[Any, Ring | None, Info, Info]]
    check: Callable[[Any, Roster, tuple[int, ...]], None]


def _step_fresh(
    algorithm: Haml,
    roster: Roster,
    state_shape: tuple[int, ...],
    learner: Any,
    remembered: None,
    trajectory: Trajectory,
    key: Key,
    remaining: Scalar | float,
) -> tuple[Any, None, Info, Info]:
    learner, actors, critic = policy.step(algorithm, roster, state_shape, learner, trajectory, key, remaining)
    return learner, None, actors, critic


def _check_fresh(algorithm: Haml, roster: Roster, state_shape: tuple[int, ...]) -> None:
    sampling, _, critic = policy.parts(algorithm)
    sequences = sampling.batch // sampling.length(memory=algorithm.body.memory)
    _check_move(algorithm, roster, sequences)
    check_divides("--critic-minibatches", critic.minibatches, sequences, critic.roster(roster, state_shape))


def _step_replayed(
    algorithm: Haml,
    roster: Roster,
    state_shape: tuple[int, ...],
    learner: Any,
    remembered: Ring,
    trajectory: Trajectory,
    key: Key,
    remaining: Scalar | float,
) -> tuple[Any, Ring, Info, Info]:
    return replay.step(algorithm, roster, learner, remembered, trajectory, key, remaining)


def _check_replayed(algorithm: Haml, roster: Roster, state_shape: tuple[int, ...]) -> None:
    sampling = replay.parts(algorithm).sampling
    _check_move(algorithm, roster, sampling.batch // sampling.length(memory=algorithm.body.memory))
    algorithm.critic.roster(roster, state_shape)


def _check_move(algorithm: Haml, roster: Roster, sequences: int) -> None:
    """Check that the settings of the update fit the roster and the number of sequences."""
    move, scheme = algorithm.neighbourhood, algorithm.scheme
    if isinstance(move, Unconstrained):
        move.shares(roster)
        check_divides("--minibatches", move.minibatches, sequences, roster)
    if isinstance(scheme, MetaGame | MetaStep):
        scheme.check(len(roster.group_of), move)


def _of_values(module: Any) -> Family:
    """Return a family that fits values by regression, without learning rate decay and without the state's shape."""

    def step(
        algorithm: Any,
        roster: Roster,
        state_shape: tuple[int, ...],
        learner: Any,
        remembered: Ring,
        trajectory: Trajectory,
        key: Key,
        remaining: Scalar | float,
    ) -> tuple[Any, Ring, Info, Info]:
        return module.step(algorithm, roster, learner, remembered, trajectory, key)

    def check(algorithm: Any, roster: Roster, state_shape: tuple[int, ...]) -> None:
        algorithm.sampling.length(memory=algorithm.body.memory)
        algorithm.critic.roster(roster, state_shape)

    return Family(module.init, step, check)


FAMILIES: dict[str, Family] = {
    "fresh rollouts": Family(policy.init, _step_fresh, _check_fresh),
    "replayed steps": Family(replay.init, _step_replayed, _check_replayed),
    "joint values": _of_values(value),
    "decomposed values": _of_values(decomposition),
}
"""The families by name; the property ``family`` of a declaration is one of these names."""


def init(algorithm: Algorithm, roster: Roster, state_shape: tuple[int, ...], key: Key) -> Any:
    """Return the untrained learner of a declaration."""
    return FAMILIES[algorithm.family].init(algorithm, roster, state_shape, key)


def check(algorithm: Algorithm, roster: Roster, state_shape: tuple[int, ...]) -> None:
    """Check that the parts and settings of a declaration fit each other and the team.

    Raises:
        RequestError: If they do not fit; the message has the reason and the nearest valid choice.
    """
    FAMILIES[algorithm.family].check(algorithm, roster, state_shape)


def begun_from(learner: Any, actors: tuple[Any, ...], critics: Any) -> Any:
    """Return the learner with given actor and critic networks; target networks become copies of them."""

    def networks(tree: Any) -> Any:
        return tree.team.actors, tree.critic.networks

    learner = eqx.tree_at(networks, learner, (actors, critics))
    if getattr(learner, "targets", None) is not None:
        learner = eqx.tree_at(lambda tree: tree.targets, learner, actors)
    if getattr(learner.critic, "targets", None) is not None:
        learner = eqx.tree_at(lambda tree: tree.critic.targets, learner, critics)
    return learner


def empty(algorithm: Algorithm, trajectory: Callable[[], Trajectory]) -> Ring | None:
    """Return an empty replay buffer, or None for on-policy algorithms.

    ``trajectory`` returns the shapes of a rollout. It is called only if there is a buffer, because it traces a rollout.
    """
    sampling: Any = algorithm.sampling
    return ring.init(trajectory(), sampling.rows) if sampling.replays else None


def step(
    algorithm: Algorithm,
    roster: Roster,
    state_shape: tuple[int, ...],
    learner: Any,
    remembered: Ring | None,
    trajectory: Trajectory,
    key: Key,
    remaining: Scalar | float = 1.0,
) -> tuple[Any, Ring | None, Info, Info]:
    """Learn from one rollout.

    Returns:
        The learner, the replay buffer or None, and the metrics of the actors and of the critic.
    """
    family = FAMILIES[algorithm.family]
    return family.step(algorithm, roster, state_shape, learner, remembered, trajectory, key, remaining)
