"""The agents' spaces in the environment's own form, in which a trained policy takes observations and gives actions."""

from collections.abc import Mapping, Sequence

import jax
import numpy as np

from hamlet.envs.conversion import SpaceKind
from hamlet.envs.host import AnyEnvironment
from hamlet.envs.pettingzoo.description import Agent
from hamlet.envs.pettingzoo.environment import PettingZoo
from hamlet.roster import Group
from hamlet.spaces import Box, Composite, Discrete, MultiDiscrete, Space


def outside(env: AnyEnvironment) -> Mapping[str, Agent]:
    """Return every agent by its name, with its spaces in the environment's own form."""
    if isinstance(env, PettingZoo):
        return {agent.name: agent for agent in env.agents}
    if hasattr(env, "reset"):
        view = jax.eval_shape(env.reset, jax.random.key(0))[1]  # type: ignore[attr-defined]
        return of_groups(env.groups, [np.dtype(observation.dtype).name for observation in view.observation])
    return of_groups(env.groups)


def joins_observations(env: AnyEnvironment) -> bool:
    """Return whether the critic's state is the joined observations of all agents."""
    return isinstance(env, PettingZoo) and env.joins_observations


def of_groups(groups: Sequence[Group], types: Sequence[str] | None = None) -> Mapping[str, Agent]:
    """Return every agent of these groups by its name, for an environment whose spaces networks use unchanged.

    Args:
        groups: The agents.
        types: For every group, the type of its agents' picture observations; None for float32.
    """
    agents = {}
    for group, shown in zip(groups, types or ["float32"] * len(groups), strict=True):
        observation, done = _kind(group.observation, shown), _kind(group.action, "float32")
        agents |= {name: Agent(name, observation, done, not isinstance(group.action, Box)) for name in group.names}
    return agents


def _kind(space: Space, shown: str) -> SpaceKind:
    match space:
        case Discrete(n):
            return SpaceKind("Discrete", (), "int32", (n,))
        case MultiDiscrete(sizes):
            return SpaceKind("MultiDiscrete", (len(sizes),), "int32", sizes)
        case Box(shape=shape):
            low, high = (tuple(bound.ravel().tolist()) for bound in space.bounds)
            return SpaceKind("Box", shape, shown if len(shape) == 3 else "float32", (), low, high)
        case Composite():
            return SpaceKind("Box", space.shape, "float32", (), -float("inf"), float("inf"))
