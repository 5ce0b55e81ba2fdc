"""Pure learners, and which of them an algorithm's sampling asks for."""

from collections.abc import Callable
from typing import Any, TypeAlias

import equinox as eqx

from hamlet.buffers import replay as ring
from hamlet.buffers.replay import Replay as Ring
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.sampling import OnPolicy, ReplaySampling
from hamlet.haml.template import Haml
from hamlet.learners import decomposition, policy, replay, value
from hamlet.learners.decomposition import Decomposition
from hamlet.learners.value import JointValue
from hamlet.roster import Roster
from hamlet.types import Info, Key, Scalar

__all__ = ["Algorithm", "begun_from", "empty", "init", "step"]

# What can be trained: a declaration of the template, or one with a learner of its own.
Algorithm: TypeAlias = Haml | JointValue | Decomposition
# Those, each with its learner: `init(algorithm, roster, state_shape, key)`, and
# `step(algorithm, roster, learner, remembered, trajectory, key)`.
_OWN: dict[type, Any] = {JointValue: value, Decomposition: decomposition}


def init(algorithm: Algorithm, roster: Roster, state_shape: tuple[int, ...], key: Key) -> Any:
    """A learner that has seen nothing."""
    kind: Any = _OWN.get(type(algorithm)) or (replay if isinstance(algorithm.sampling, ReplaySampling) else policy)
    return kind.init(algorithm, roster, state_shape, key)


def begun_from(learner: Any, actors: tuple[Any, ...], critics: Any) -> Any:
    """A learner with networks of another's; where there are targets, these begin as their equals."""
    where = lambda tree: (tree.team.actors, tree.critic.networks)  # noqa: E731
    learner = eqx.tree_at(where, learner, (actors, critics))
    if getattr(learner, "targets", None) is not None:
        learner = eqx.tree_at(lambda tree: tree.targets, learner, actors)
    if getattr(learner.critic, "targets", None) is not None:
        learner = eqx.tree_at(lambda tree: tree.critic.targets, learner, critics)
    return learner


def empty(algorithm: Algorithm, trajectory: Callable[[], Trajectory]) -> Ring | None:
    """What it remembers of play before there was any; None where it forgets at once.

    ``trajectory`` gives the shapes of a rollout, which are known by tracing one: only who remembers asks for them.
    """
    sampling = algorithm.sampling
    return None if isinstance(sampling, OnPolicy) else ring.init(trajectory(), sampling.rows)


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
    if (own := _OWN.get(type(algorithm))) is not None:
        return own.step(algorithm, roster, learner, remembered, trajectory, key)
    assert isinstance(algorithm, Haml)
    if remembered is None:
        learner, actors, critic = policy.step(algorithm, roster, state_shape, learner, trajectory, key, remaining)
        return learner, None, actors, critic
    return replay.step(algorithm, roster, learner, remembered, trajectory, key, remaining)
