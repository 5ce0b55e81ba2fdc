"""The description of a PettingZoo environment, found from one copy: its agents and spaces as plain values.

Workers import this file, so it uses only the standard library, numpy and the environment's own imports.
"""

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from hamlet.envs.conversion import Broken, SpaceKind, kind_of, spoken
from hamlet.envs.pettingzoo.env_driver import opening, takes_turns

__all__ = ["Agent", "Description", "SpaceKind", "describe"]


@dataclass(frozen=True)
class Agent:
    """An agent: its spaces, and whether it has an action mask."""

    name: str
    observation: SpaceKind
    action: SpaceKind
    masked: bool


@dataclass(frozen=True)
class Description:
    """The description of an environment.

    Attributes:
        agents: The agents, in the order of ``possible_agents``.
        state: The shape and type of the result of ``state()``; None if ``state()`` does not work.
        complaint: Why ``state()`` does not work; empty if the environment has no ``state()``.
        turns: Whether the agents act in turns, one at a time.
    """

    agents: tuple[Agent, ...]
    state: tuple[tuple[int, ...], str] | None
    complaint: str
    turns: bool

    def plain(self) -> tuple[Any, ...]:
        """Return nested tuples of plain values."""
        return astuple(self)

    @classmethod
    def of(cls, plain: tuple[Any, ...]) -> "Description":
        """Build a description from the tuples of `plain`; its inverse."""
        agents, *rest = plain
        return cls(
            tuple(Agent(name, SpaceKind.of(obs), SpaceKind.of(action), masked) for name, obs, action, masked in agents),
            *rest,
        )


def describe(env: Any, seed: int) -> Description:
    """Reset an environment with the parallel interface once, and describe it.

    Raises:
        Broken: It has a space that is not supported; the message names the agent.
    """
    infos = opening(env, seed)[1]
    turns = takes_turns(env)
    agents = []
    for name in env.possible_agents:
        if not isinstance(name, str):
            raise Broken(f"the name of agent {name!r} is a {type(name).__name__}; use strings as names")
        obs, masked = _observed(name, env.observation_space(name))
        action = _action(name, env.action_space(name))
        masked |= "action_mask" in infos.get(name, ())
        if masked and not action.sizes:
            raise Broken(
                f"agent {name!r} has an action_mask, but its action space is a Box, which has no discrete actions:"
                " remove the mask"
            )
        agents.append(Agent(name, obs, action, masked or (turns and bool(action.sizes))))
    if not agents:
        raise Broken("possible_agents is empty; list every agent in it")
    state, complaint = _state(env)
    return Description(tuple(agents), state, complaint, turns)


def _observed(name: str, space: Any) -> tuple[SpaceKind, bool]:
    """Return the space of an agent's observation, and whether it contains a mask; the mask is not part of the space."""
    subject = f"the observation space of agent {name!r}"
    if type(space).__name__ != "Dict" or "action_mask" not in space.spaces:
        return kind_of(space, subject), False
    rest = {key: part for key, part in space.spaces.items() if key != "action_mask"}
    if set(rest) == {"observation"}:
        return kind_of(rest["observation"], subject), True
    return kind_of(type(space)(rest), subject), True


def _action(name: str, space: Any) -> SpaceKind:
    subject = f"the action space of agent {name!r}"
    if type(space).__name__ in ("Dict", "Tuple"):
        raise Broken(
            f"{subject} is {spoken(space)}, which Hamlet does not support; use MultiDiscrete for several discrete"
            " actions or a Box for several numbers; both kinds in one action are not supported"
        )
    kind = kind_of(space, subject, "Discrete, MultiDiscrete, MultiBinary or Box")
    if kind.name == "Box" and np.dtype(kind.dtype).kind != "f":
        raise Broken(f"{subject} is a Box of {kind.dtype}, which is not a float type; use MultiDiscrete for integers")
    return kind


def _state(env: Any) -> tuple[tuple[tuple[int, ...], str] | None, str]:
    """Return the shape and type of the state, or why there is none."""
    try:
        value = np.asarray(env.state())
    except (NotImplementedError, AttributeError):
        return None, ""
    except Exception as error:
        return None, f"state() raises {type(error).__name__}: {error}".splitlines()[0]
    if value.dtype.kind not in "biuf" or value.ndim == 0:
        return None, f"state() returns {value.dtype} of shape {value.shape}, not an array of numbers"
    if not np.isfinite(value).all():
        return None, "state() contains NaN or infinite numbers"
    return (value.shape, "uint8" if value.dtype == np.uint8 else "float32"), ""
