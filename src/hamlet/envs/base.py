"""The interface of an environment written in JAX.

An environment is a frozen dataclass of Python numbers. It is hashable, so JAX can treat it as a static argument. It has
two pure functions, `reset` and `step`, which each work on a single environment copy. `hamlet.envs.copies` runs many
copies in parallel and resets the copies whose episode ended.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
from jaxtyping import Array, Bool, Float

from hamlet.roster import Group
from hamlet.streams import Stream
from hamlet.types import Key

__all__ = [
    "AnyDeclaration",
    "Environment",
    "Group",
    "KnownReturns",
    "Outcome",
    "Stream",
    "View",
    "declared_horizon",
    "declared_returns",
]

# The attribute or option names under which environments store the number of steps of their longest episode.
HORIZONS = ("horizon", "max_steps", "rounds", "max_cycles", "max_episode_steps", "episode_limit")


def declared_horizon(declared: Any) -> int | None:
    """Return the number of steps of the longest episode; None if it is not declared.

    Args:
        declared: An environment, or the mapping of options that it was made with.

    >>> declared_horizon({"max_cycles": 25}), declared_horizon({"n_agents": 3})
    (25, None)
    """
    read = declared.get if isinstance(declared, Mapping) else lambda name: getattr(declared, name, None)
    horizons = (read(name) for name in HORIZONS)
    return next((steps for steps in horizons if isinstance(steps, int) and steps >= 1), None)


@dataclass(frozen=True)
class KnownReturns:
    """What an environment knows about its team return: the sum over agents and steps, averaged over episodes.

    An environment that knows these numbers has them as an attribute or property ``known_returns``. Reports then
    normalise returns by them and state how far a run is from the optimum.

    Attributes:
        optimum: The upper bound: no joint policy has a larger mean return.
        random: The mean return of uniformly random actions; None if it is not known exactly.
    """

    optimum: float
    random: float | None = None


def declared_returns(env: Any) -> KnownReturns | None:
    """Return the known returns of an environment; None if it declares none.

    >>> declared_returns(object()) is None
    True
    """
    known = getattr(env, "known_returns", None)
    return known if isinstance(known, KnownReturns) else None


class View(eqx.Module):
    """The observations of all agents at one time, with the state and the masks.

    A view is of one environment copy, or of E copies; then every array has a leading axis E. Agents are in the order of
    the groups. N is the number of agents in a group, n the number of all agents, A the number of discrete actions, and
    S the size of the state.

    Attributes:
        observation: For every group, the observations ``[N, …]`` of its agents.
        state: The state that a centralised critic receives: ``[S]``, or an image.
        available: For every group, the action mask ``[N, A]``: True for available discrete actions. None if all actions
            are always available.
        alive: The mask of active agents, ``[n]``: True for agents that act next. None if all agents are always active.
    """

    observation: tuple[Any, ...]
    state: Any
    available: tuple[Bool[Any, "*E _N _A"] | None, ...]
    alive: Bool[Any, "*E n"] | None


class Outcome(eqx.Module):
    """The result of one step, in one environment copy or in E copies (then with a leading axis E).

    Attributes:
        reward: The reward of each agent, ``[n]``, in the unit of the environment.
        terminated: True if the episode terminated. Learners do not bootstrap.
        truncated: True if the episode was truncated (cut off by a time limit). Learners bootstrap from the final
            observation.
        cut: The agents that were truncated while other agents continue, ``[n]``. Their own value bootstraps from their
            final observation. An agent that becomes inactive without this flag has terminated. None if agents are never
            truncated individually.
        failed: True if the episode ended because the environment failed. The step is also marked as truncated, and
            the episode does not count as a result. None if no copy failed.
        streams: Further payments of the step besides the reward, by the name of the declared stream
            (`hamlet.streams.Stream`): ``[n]`` with one number for each agent, or ``[1]`` for the team.
    """

    reward: Float[Any, "*E n"]
    terminated: Bool[Any, "*E"]
    truncated: Bool[Any, "*E"]
    cut: Bool[Any, "*E n"] | None = None
    failed: Bool[Any, "*E"] | None = None
    streams: dict[str, Float[Any, "*E _k"]] = eqx.field(default_factory=dict)


class AnyDeclaration(Protocol):
    """The declarations that every environment has, with every environment backend."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of agents with equal observation and action spaces."""
        ...

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of the state that the critic receives: ``(S,)``, or the shape of an image."""
        ...


class Environment(Protocol):
    """An environment in JAX; its functions work on one environment copy.

    Every leaf of a state must have a strong type. With a weakly typed leaf, JAX compiles the step twice.

    An environment that pays more than the reward declares these payments as ``streams``
    (`hamlet.streams.declared_streams`).
    """

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of agents with equal observation and action spaces."""
        ...

    @property
    def state_shape(self) -> tuple[int, ...]:
        """The shape of the state that the critic receives: ``(S,)``, or the shape of an image."""
        ...

    def reset(self, key: Key) -> tuple[Any, View]:
        """Start an episode; return the environment's state and the first view."""
        ...

    def step(self, key: Key, state: Any, actions: tuple[Array, ...]) -> tuple[Any, View, Outcome]:
        """Take one step; return the next state, its view and the outcome.

        ``actions`` holds for every group the actions ``[N, …]`` of its agents. The view always shows the state that the
        step reached. If the episode ends in this step, it holds the final observations.
        """
        ...
