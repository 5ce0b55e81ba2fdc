"""What a PettingZoo environment is, found out from one copy: its agents and spaces as plain values.

Workers import this file: it needs the standard library, numpy and what the environment itself has imported.
"""

from dataclasses import astuple, dataclass
from typing import Any

import numpy as np

from hamlet.envs.player import Broken, takes_turns


@dataclass(frozen=True)
class Kind:
    """A space.

    Attributes:
        name: Box, Discrete or MultiDiscrete.
        shape: Of one element.
        dtype: Of one element.
        sizes: How many choices each component has; empty for a Box.
        low: A Box's lower bound: one number, or one for each entry.
        high: The upper one.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    sizes: tuple[int, ...] = ()
    low: float | tuple[float, ...] = 0.0
    high: float | tuple[float, ...] = 0.0


@dataclass(frozen=True)
class Agent:
    """An agent: its spaces, and whether some of its choices may be unavailable."""

    name: str
    observation: Kind
    action: Kind
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
            tuple(Agent(name, Kind(*seen), Kind(*action), masked) for name, seen, action, masked in agents), *rest
        )


def describe(env: Any, seed: int) -> Description:
    """Reset an environment with the parallel interface once, and say what it is.

    Raises:
        Broken: It has a space that is not supported; the line names the agent.
    """
    infos = env.reset(seed=seed)[1]
    turns = takes_turns(env)
    agents = []
    for name in env.possible_agents:
        if not isinstance(name, str):
            raise Broken(f"agent {name!r} is named by a {type(name).__name__}; use strings")
        seen, masked = _observed(name, env.observation_space(name))
        action = _action(name, env.action_space(name))
        masked |= "action_mask" in infos.get(name, ())
        if masked and not action.sizes:
            raise Broken(f"agent {name!r} has an action_mask, and a Box has no choices that it could mask")
        agents.append(Agent(name, seen, action, masked or (turns and bool(action.sizes))))
    if not agents:
        raise Broken("possible_agents is empty")
    state, complaint = _state(env)
    return Description(tuple(agents), state, complaint, turns)


def _observed(name: str, space: Any) -> tuple[Kind, bool]:
    """What an agent sees, and whether a mask comes with it."""
    if type(space).__name__ == "Dict":
        if set(space.spaces) != {"observation", "action_mask"}:
            keys = ", ".join(map(str, space.spaces))
            raise Broken(
                f"the observation of agent {name!r} is a dictionary of {keys}; of dictionaries, "
                '{"observation", "action_mask"} is supported: flatten it in the environment'
            )
        return _observed(name, space.spaces["observation"])[0], True
    kind = _kind(space)
    if kind is None:
        raise Broken(
            f"the observation space of agent {name!r} is {_spoken(space)}; use Box, Discrete, MultiDiscrete, "
            'or a Dict of {"observation", "action_mask"}'
        )
    return kind, False


def _action(name: str, space: Any) -> Kind:
    kind = _kind(space)
    if kind is None:
        raise Broken(f"the action space of agent {name!r} is {_spoken(space)}; use Discrete, MultiDiscrete or Box")
    if kind.name == "Box" and np.dtype(kind.dtype).kind != "f":
        raise Broken(
            f"the action space of agent {name!r} is a Box of {kind.dtype}; use MultiDiscrete for whole numbers"
        )
    return kind


def _kind(space: Any) -> Kind | None:
    match type(space).__name__:
        case "Box" if np.dtype(space.dtype).kind in "biuf":
            return Kind("Box", tuple(space.shape), str(space.dtype), (), _bound(space.low), _bound(space.high))
        case "Discrete":
            return Kind("Discrete", (), "int32", (int(space.n),))
        case "MultiDiscrete" if np.ndim(space.nvec) == 1:
            return Kind("MultiDiscrete", tuple(space.shape), "int32", tuple(int(n) for n in space.nvec))
        case "MultiBinary" if len(space.shape) == 1:
            return Kind("MultiDiscrete", tuple(space.shape), "int32", (2,) * space.shape[0])
        case _:
            return None


def _bound(values: Any) -> float | tuple[float, ...]:
    flat = np.asarray(values, np.float64).ravel()
    return float(flat[0]) if flat.size and (flat == flat[0]).all() else tuple(float(value) for value in flat)


def _spoken(space: Any) -> str:
    text = str(space)
    return text if len(text) < 100 else f"{text[:100]}…"


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
