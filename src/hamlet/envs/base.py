"""The contract of an environment written in JAX.

An environment is a frozen dataclass of Python numbers (hashable, so that it can be a static argument) with two
pure functions of one copy; `hamlet.envs.copies` runs many copies and resets those that ended.
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

# Under which names environments keep the steps of their longest episode.
HORIZONS = ("horizon", "max_steps", "rounds", "max_cycles", "max_episode_steps", "episode_limit")


def declared_horizon(declared: Any) -> int | None:
    """Steps of the longest episode, where an environment, or the options that it was made with, say so.

    >>> declared_horizon({"max_cycles": 25}), declared_horizon({"n_agents": 3})
    (25, None)
    """
    read = declared.get if isinstance(declared, Mapping) else lambda name: getattr(declared, name, None)
    horizons = (read(name) for name in HORIZONS)
    return next((steps for steps in horizons if isinstance(steps, int) and steps >= 1), None)


@dataclass(frozen=True)
class KnownReturns:
    """What is known of the team's return of an episode, the sum over agents, in the mean over episodes.

    An environment that knows it has it as an attribute or a property ``known_returns``. Reports then normalise by it,
    and say how far runs are from the optimum.

    Attributes:
        optimum: What no joint policy exceeds.
        random: What uniformly random actions earn; None where that is not known exactly.
    """

    optimum: float
    random: float | None = None


def declared_returns(env: Any) -> KnownReturns | None:
    """What an environment knows of its returns; None where it knows nothing.

    >>> declared_returns(object()) is None
    True
    """
    known = getattr(env, "known_returns", None)
    return known if isinstance(known, KnownReturns) else None


class View(eqx.Module):
    """What is seen of one copy at one time, or of several: then with a leading axis. Agents stand in the groups' order.

    Attributes:
        observation: For every group, the observations ``[N, …]`` of its agents.
        state: What a centralised critic sees, ``[S]``, or an image.
        available: For every group, which discrete choices are allowed, ``[N, A]``; None where all are, always.
        alive: Which agents act from here, ``[n]``; None where all do, always.
    """

    observation: tuple[Any, ...]
    state: Any
    available: tuple[Bool[Any, "*E _N _A"] | None, ...]
    alive: Bool[Any, "*E n"] | None


class Outcome(eqx.Module):
    """What one step brought, in one copy or in several.

    Attributes:
        reward: Each agent's own reward, ``[n]``, in the environment's own unit.
        terminated: The episode ended for good: nothing follows, and nothing is bootstrapped.
        truncated: The episode was cut by a limit of time: learners bootstrap from the final view.
        cut: Agents that were truncated while others play on, ``[n]``: their own value bootstraps from the final view.
            An agent that is no longer alive and was not cut has terminated. None where no agent is ever cut alone.
        failed: The episode was cut short because the environment failed; it is marked as truncated, and is no result.
            None where nothing failed.
        streams: What the step pays beside the reward, by the names of the streams that the environment declares
            (`hamlet.streams.Stream`): each agent's own ``[n]``, or the team's ``[1]``.
    """

    reward: Float[Any, "*E n"]
    terminated: Bool[Any, "*E"]
    truncated: Bool[Any, "*E"]
    cut: Bool[Any, "*E n"] | None = None
    failed: Bool[Any, "*E"] | None = None
    streams: dict[str, Float[Any, "*E _k"]] = eqx.field(default_factory=dict)


class AnyDeclaration(Protocol):
    """What every environment declares, wherever it is played."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of equal spaces."""
        ...

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of the critic's state: ``(S,)``, or that of an image."""
        ...


class Environment(Protocol):
    """A game of one copy. Every leaf of a state is strongly typed: a weakly typed one makes a step compile twice.

    One that pays more than the reward has the declarations of it as ``streams`` (`hamlet.streams.declared_streams`).
    """

    @property
    def groups(self) -> tuple[Group, ...]:
        """The agents, in groups of equal spaces."""
        ...

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Shape of the critic's state: ``(S,)``, or that of an image."""
        ...

    def reset(self, key: Key) -> tuple[Any, View]:
        """A fresh episode: the environment's own state, and what is seen of it."""
        ...

    def step(self, key: Key, state: Any, actions: tuple[Array, ...]) -> tuple[Any, View, Outcome]:
        """One step. ``actions`` holds for every group the actions ``[N, …]`` of its agents.

        The view is that of the state arrived at, also when the episode ends there: it is the final view.
        """
        ...
