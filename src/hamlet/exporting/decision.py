"""What one agent does with what it sees: the function that every format holds.

    observation, available, memory  →  action, next_memory, and the numbers of its distribution

It is that of `hamlet.load_policy(…).act(…, deterministic=True)` for one agent and one observation.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hamlet.distributions import Categorical, DiagonalNormal, MultiCategorical, TanhNormal
from hamlet.envs.conversion import SpaceKind, inner, outer
from hamlet.envs.limits import limited
from hamlet.networks.exploration import EpsilonGreedy
from hamlet.networks.mixers.q_dpp import DiversePolicy
from hamlet.networks.torso import encode
from hamlet.spaces import Box, Discrete, Space


@dataclass(frozen=True)
class Port:
    """An array that goes in or comes out.

    Attributes:
        name: As all formats call it.
        shape: Of the array.
        dtype: Of the array.
        says: What it is, and its range.
        default: What stands for it where it is left out: all True, or zeros; None where it must be given.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    says: str
    default: bool | float | None = None

    def blank(self) -> np.ndarray:
        """What stands for it where it is left out."""
        return np.full(self.shape, self.default or 0, self.dtype)


@dataclass(frozen=True)
class ExportedAgent:
    """One agent, as its policy is exported.

    Attributes:
        name: Of PettingZoo.
        seen: What it sees, as its environment has it.
        done: What it does, as its environment has it.
        observation: What it sees, as networks take it.
        action: What it does, as networks give it.
        memory: The width of its memory; 0 for none.
    """

    name: str
    seen: SpaceKind
    done: SpaceKind
    observation: Space
    action: Space
    memory: int

    @property
    def observed(self) -> tuple[tuple[tuple[str | int, ...], Port, SpaceKind], ...]:
        """What it sees, array by array: by which keys it is reached in what the environment gives, and its port."""
        arrays: list[tuple[tuple[str | int, ...], Port, SpaceKind]] = []
        for path, kind in self.seen.leaves():
            name = re.sub(r"\W", "_", "_".join(map(str, ("observation", *path))), flags=re.ASCII)
            while name in [port.name for _, port, _ in arrays]:
                name += "_"
            arrays.append((path, Port(name, kind.shape, observed_type(kind), spoken(kind)), kind))
        return tuple(arrays)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """What its policy takes."""
        ports = [port for _, port, _ in self.observed]
        if not isinstance(self.action, Box):
            says = "which choices there are" + (
                "" if isinstance(self.action, Discrete) else ", of all components joined"
            )
            ports.append(Port("available", (self.action.width,), "bool", f"{says}; left out: all", True))
        if self.memory:
            says = "next_memory of the step before; left out, as in the first step of an episode: zeros"
            ports.append(Port("memory", (self.memory,), "float32", says, 0.0))
        return tuple(ports)

    def shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        """The inputs as a trace takes them."""
        return {port.name: jax.ShapeDtypeStruct(port.shape, port.dtype) for port in self.inputs}

    def decide(self, actor: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """The deterministic action, the memory after it where there is one, and the distribution's numbers."""
        given = gathered({path: inputs[port.name] for path, port, _ in self.observed})
        observation = encode(limited(self.seen, inner(self.seen, given, jnp), jnp), self.observation)[None, None]
        memory, available = inputs.get("memory"), inputs.get("available")
        policy, after = actor(
            observation,
            None if memory is None else memory[None],
            jnp.zeros((1, 1), bool),
            None if available is None else available[None, None],
        )
        decision = {"action": outer(self.done, policy.mode()[0, 0].reshape(self.action.shape), jnp)}
        if after is not None:
            decision["next_memory"] = after[0, 0]
        return decision | {name: value[0, 0].reshape(shape) for name, value, shape in self._numbers(policy)}

    def outputs(self, arrays: dict[str, Any]) -> tuple[Port, ...]:
        """What its policy gives, the action first, from the shapes of what `decide` gives."""
        order = sorted(arrays, key=lambda name: (name != "action", name != "next_memory"))
        return tuple(
            Port(name, tuple(arrays[name].shape), np.dtype(arrays[name].dtype).name, self._says(name, arrays))
            for name in order
        )

    def _numbers(self, policy: Any) -> list[tuple[str, Any, tuple[int, ...]]]:
        """What a distribution is made of, where that is known."""
        match policy:
            case Categorical():
                return [("log_probs", policy.log_probs, (-1,))]
            case EpsilonGreedy() | DiversePolicy():
                return [("values", policy.values, (-1,))]
            case MultiCategorical():
                joined = jnp.concatenate([part.log_probs for part in policy.parts], axis=-1)
                return [("log_probs", joined, (-1,))]
            case DiagonalNormal():
                return [("mean", policy.mean, self.action.shape), ("std", policy.std, self.action.shape)]
            case TanhNormal(base=base):
                return [("base_mean", base.mean, self.action.shape), ("base_std", base.std, self.action.shape)]
            case _:
                return []

    def _says(self, name: str, arrays: dict[str, Any]) -> str:
        match name:
            case "action":
                best = "the best, " if "values" in arrays else "the likeliest, "
                kind = best if not isinstance(self.action, Box) else ""
                clipped = ", the mean clipped to that" if "mean" in arrays else ""
                return f"{kind}{spoken(self.done)}{clipped}"
            case "next_memory":
                return "memory of the next step"
            case "log_probs":
                joined = "" if isinstance(self.action, Discrete) else ", the components' joined"
                return f"logarithm of the probability of every choice{joined}, nats"
            case "values":
                return "of every choice, available or not: what the agent reckons it adds to the return"
            case "mean" | "std":
                return f"of the normal distribution that it explored with, before clipping: its {name}"
            case _:
                part = name.removeprefix("base_")
                return f"{part} of the normal u; it explored with low + (high − low)·(1 + tanh u)/2"


def gathered(arrays: Mapping[tuple[str | int, ...], Any]) -> Any:
    """An observation as its environment gives it, from its arrays by the keys that lead to them.

    >>> gathered({("near", 0): 1, ("near", 1): 2, ("far",): 3})
    {'near': {0: 1, 1: 2}, 'far': 3}
    """
    if () in arrays:
        return arrays[()]
    observation: dict[str | int, Any] = {}
    for path, array in arrays.items():
        place = observation
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = array
    return observation


def observed_type(kind: SpaceKind) -> str:
    """The type in which an agent is shown what it sees: numbers float32, choices int32, pictures as they come."""
    return kind.inner_dtype if kind.sizes or kind.is_picture else "float32"


def spoken(kind: SpaceKind) -> str:
    """A space in words.

    >>> spoken(SpaceKind("MultiDiscrete", (2,), "int32", (2, 3), start=(0, 5)))
    'choices from 0 to 1, 5 to 7'
    """
    if kind.sizes:
        starts = kind.start or (0,) * len(kind.sizes)
        ranges = ", ".join(f"{first} to {first + n - 1}" for first, n in zip(starts, kind.sizes, strict=True))
        return f"a choice from {ranges}" if kind.name == "Discrete" else f"choices from {ranges}"
    low, high = kind.bounds
    if (low == low.flat[0]).all() and (high == high.flat[0]).all():
        return f"from {_number(low.flat[0])} to {_number(high.flat[0])}"
    pairs = ", ".join(f"{_number(a)} to {_number(b)}" for a, b in zip(low.flat, high.flat, strict=True))
    return f"from, entry by entry, {pairs}"


def _number(value: Any) -> str:
    return f"{float(value):g}".replace("inf", "∞").replace("-", "−")
