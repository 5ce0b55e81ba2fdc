"""Pure learners: every family of declarations has one, which the declaration names."""

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

# What can be trained: a declaration of the template, or one with a learner of its own.
Algorithm: TypeAlias = Haml | JointValue | Decomposition


@dataclass(frozen=True)
class Family:
    """Declarations that learn in the same way; a declaration says by ``family`` which is its own.

    Attributes:
        init: ``(algorithm, roster, state_shape, key) -> learner``, one that has seen nothing.
        step: ``(algorithm, roster, state_shape, learner, remembered, trajectory, key, remaining)`` to the learner, what
            it remembers of play, and the actors' and the critic's infos.
        check: ``(algorithm, roster, state_shape)``; refuses settings that do not go together, or with the team.
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
    """Whether every unit can be moved as the declaration says."""
    move, scheme = algorithm.neighbourhood, algorithm.scheme
    if isinstance(move, Unconstrained):
        move.shares(roster)
        check_divides("--minibatches", move.minibatches, sequences, roster)
    if isinstance(scheme, MetaGame | MetaStep):
        scheme.check(len(roster.group_of), move)


def _of_values(module: Any) -> Family:
    """A family whose values are regressed: it has no falling rates, and asks nothing of the state."""

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
"""By the name that declarations have as ``family``."""


def init(algorithm: Algorithm, roster: Roster, state_shape: tuple[int, ...], key: Key) -> Any:
    """A learner that has seen nothing."""
    return FAMILIES[algorithm.family].init(algorithm, roster, state_shape, key)


def check(algorithm: Algorithm, roster: Roster, state_shape: tuple[int, ...]) -> None:
    """Refuse a declaration whose parts or settings do not go together, or not with the team.

    Raises:
        RequestError: With what, why, and the nearest that can be.
    """
    FAMILIES[algorithm.family].check(algorithm, roster, state_shape)


def begun_from(learner: Any, actors: tuple[Any, ...], critics: Any) -> Any:
    """A learner with networks of another's; where there are targets, these begin as their equals."""

    def networks(tree: Any) -> Any:
        return tree.team.actors, tree.critic.networks

    learner = eqx.tree_at(networks, learner, (actors, critics))
    if getattr(learner, "targets", None) is not None:
        learner = eqx.tree_at(lambda tree: tree.targets, learner, actors)
    if getattr(learner.critic, "targets", None) is not None:
        learner = eqx.tree_at(lambda tree: tree.critic.targets, learner, critics)
    return learner


def empty(algorithm: Algorithm, trajectory: Callable[[], Trajectory]) -> Ring | None:
    """What it remembers of play before there was any; None where it forgets at once.

    ``trajectory`` gives the shapes of a rollout, which are known by tracing one: only who remembers asks for them.
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
    """What is learnt from one rollout: the learner, what it remembers, and the actors' and the critic's infos."""
    family = FAMILIES[algorithm.family]
    return family.step(algorithm, roster, state_shape, learner, remembered, trajectory, key, remaining)
