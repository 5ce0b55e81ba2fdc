"""What a PettingZoo environment is, found out from one copy: its agents and spaces as plain values.

Workers import this file: it needs the standard library, numpy and what the environment itself has imported.
"""

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from hamlet.envs.conversion import Broken, SpaceKind, kind_of, spoken
from hamlet.envs.pettingzoo.env_driver import opening, takes_turns

__all__ = ["Agent", "Description", "SpaceKind", "describe"]


@dataclass(frozen=True)
class Agent:
    """An agent: its spaces, and whether some of its choices may be unavailable."""

    name: str
    observation: SpaceKind
    action: SpaceKind
    masked: bool


@dataclass(frozen=True)
class Description:
    """An environment.

    Attributes:
        agents: In the order of ``possible_agents``.
        state: The shape and type of what ``state()`` gives; None where it does not work.
        complaint: Why it does not; empty where the environment has none.
        turns: Whether one agent acts at a time.
    """

    agents: tuple[Agent, ...]
    state: tuple[tuple[int, ...], str] | None
    complaint: str
    turns: bool

    def plain(self) -> tuple[Any, ...]:
        """Nested tuples of plain values."""
        return astuple(self)

    @classmethod
    def of(cls, plain: tuple[Any, ...]) -> "Description":
        """The inverse of `plain`."""
        agents, *rest = plain
        return cls(
            tuple(Agent(name, SpaceKind.of(obs), SpaceKind.of(action), masked) for name, obs, action, masked in agents),
            *rest,
        )


def describe(env: Any, seed: int) -> Description:
    """Reset an environment with the parallel interface once, and say what it is.

    Raises:
        Broken: It has a space that is not supported; the line names the agent.
    """
    infos = opening(env, seed)[1]
    turns = takes_turns(env)
    agents = []
    for name in env.possible_agents:
        if not isinstance(name, str):
            raise Broken(f"agent {name!r} is named by a {type(name).__name__}; use strings")
        obs, masked = _observed(name, env.observation_space(name))
        action = _action(name, env.action_space(name))
        masked |= "action_mask" in infos.get(name, ())
        if masked and not action.sizes:
            raise Broken(f"agent {name!r} has an action_mask, and a Box has no choices that it could mask")
        agents.append(Agent(name, obs, action, masked or (turns and bool(action.sizes))))
    if not agents:
        raise Broken("possible_agents is empty")
    state, complaint = _state(env)
    return Description(tuple(agents), state, complaint, turns)


def _observed(name: str, space: Any) -> tuple[SpaceKind, bool]:
    """What an agent sees, and whether a mask comes with it: then what else is in the dictionary is what it sees."""
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
            f"{subject} is {spoken(space)}; use MultiDiscrete for several choices, or a Box for several numbers: "
            "choices beside numbers are not supported"
        )
    kind = kind_of(space, subject, "Discrete, MultiDiscrete, MultiBinary or Box")
    if kind.name == "Box" and np.dtype(kind.dtype).kind != "f":
        raise Broken(f"{subject} is a Box of {kind.dtype}; use MultiDiscrete for whole numbers")
    return kind


def _state(env: Any) -> tuple[tuple[tuple[int, ...], str] | None, str]:
    """The shape and type of the state, or why there is none."""
    try:
        value = np.asarray(env.state())
    except (NotImplementedError, AttributeError):
        return None, ""
    except Exception as error:
        return None, f"state() raises {type(error).__name__}: {error}".splitlines()[0]
    if value.dtype.kind not in "biuf" or value.ndim == 0:
        return None, f"state() gives {value.dtype} of shape {value.shape}, not an array of numbers"
    if not np.isfinite(value).all():
        return None, "state() is not finite"
    return (value.shape, "uint8" if value.dtype == np.uint8 else "float32"), ""
