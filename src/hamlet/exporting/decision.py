"""The function of one agent that every export format contains.

    observation, available, memory  →  action, next_memory, and the parameters of the action distribution

For one agent and one observation, it equals `hamlet.load_policy(…).act(…, deterministic=True)`.
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
    """An input or output array of an exported policy.

    Attributes:
        name: The name of the array in all formats.
        shape: The shape of the array.
        dtype: The type of the array.
        says: A description of the array, with its range.
        default: For an optional input, the value of all entries if it is left out (True or 0); None for any other
            array.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    says: str
    default: bool | float | None = None

    def blank(self) -> np.ndarray:
        """Return the default array of an optional input."""
        return np.full(self.shape, self.default or 0, self.dtype)


@dataclass(frozen=True)
class ExportedAgent:
    """The spaces and the memory of one agent whose policy is exported.

    Attributes:
        name: The agent's name in PettingZoo.
        seen: The observation space of the environment.
        done: The action space of the environment.
        observation: The observation space of the networks.
        action: The action space of the networks.
        memory: The width of the memory; 0 for a policy without memory.
    """

    name: str
    seen: SpaceKind
    done: SpaceKind
    observation: Space
    action: Space
    memory: int

    @property
    def observed(self) -> tuple[tuple[tuple[str | int, ...], Port, SpaceKind], ...]:
        """The arrays of an observation: each one's keys in the environment's observation, its port and its space."""
        arrays: list[tuple[tuple[str | int, ...], Port, SpaceKind]] = []
        for path, kind in self.seen.leaves():
            name = re.sub(r"\W", "_", "_".join(map(str, ("observation", *path))), flags=re.ASCII)
            while name in [port.name for _, port, _ in arrays]:
                name += "_"
            arrays.append((path, Port(name, kind.shape, observed_type(kind), spoken(kind)), kind))
        return tuple(arrays)

    @property
    def inputs(self) -> tuple[Port, ...]:
        """The inputs of the policy."""
        ports = [port for _, port, _ in self.observed]
        if not isinstance(self.action, Box):
            says = "action mask: True for available actions" + (
                "" if isinstance(self.action, Discrete) else ", of all components concatenated"
            )
            ports.append(Port("available", (self.action.width,), "bool", f"{says}; default: all True", True))
        if self.memory:
            says = "next_memory of the previous step; default, for the first step of an episode: zeros"
            ports.append(Port("memory", (self.memory,), "float32", says, 0.0))
        return tuple(ports)

    def shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
        """Return the shapes and types of the inputs, for a JAX trace."""
        return {port.name: jax.ShapeDtypeStruct(port.shape, port.dtype) for port in self.inputs}

    def decide(self, actor: Any, inputs: dict[str, Any]) -> dict[str, Any]:
        """Return the deterministic action, the next memory (if any), and the parameters of the distribution."""
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
        """Return the ports of the outputs, the action first, from the shapes of the arrays that `decide` returns."""
        order = sorted(arrays, key=lambda name: (name != "action", name != "next_memory"))
        return tuple(
            Port(name, tuple(arrays[name].shape), np.dtype(arrays[name].dtype).name, self._says(name, arrays))
            for name in order
        )

    def _numbers(self, policy: Any) -> list[tuple[str, Any, tuple[int, ...]]]:
        """Return the parameters of a distribution; an empty list for an unknown distribution."""
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
                best = "action with the highest value: " if "values" in arrays else "most probable action: "
                kind = best if not isinstance(self.action, Box) else ""
                clipped = "; the mean, clipped to this range" if "mean" in arrays else ""
                return f"{kind}{spoken(self.done)}{clipped}"
            case "next_memory":
                return "the input memory of the next step"
            case "log_probs":
                joined = "" if isinstance(self.action, Discrete) else ", of all components concatenated"
                return f"log probability of every action in nats{joined}"
            case "values":
                return "for every action, available or not: the agent's estimate of its contribution to the return"
            case "mean" | "std":
                word = "mean" if name == "mean" else "standard deviation"
                return f"{word} of the normal distribution from which actions were sampled in training, before clipping"
            case _:
                word = "mean" if name == "base_mean" else "standard deviation"
                return f"{word} of the normal variable u; in training, actions were low + (high − low)·(1 + tanh u)/2"


def gathered(arrays: Mapping[tuple[str | int, ...], Any]) -> Any:
    """Build an observation in the environment's form from its arrays, which are given by their keys.

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
    """Return the type of an exported policy's observation.

    Numbers are float32 and discrete entries int32; images keep the environment's type.
    """
    return kind.inner_dtype if kind.sizes or kind.is_picture else "float32"


def spoken(kind: SpaceKind) -> str:
    """Describe the range of a space.

    >>> spoken(SpaceKind("MultiDiscrete", (2,), "int32", (2, 3), start=(0, 5)))
    'integers from 0 to 1, 5 to 7'
    """
    if kind.sizes:
        starts = kind.start or (0,) * len(kind.sizes)
        ranges = ", ".join(f"{first} to {first + n - 1}" for first, n in zip(starts, kind.sizes, strict=True))
        return f"an integer from {ranges}" if kind.name == "Discrete" else f"integers from {ranges}"
    low, high = kind.bounds
    if (low == low.flat[0]).all() and (high == high.flat[0]).all():
        return f"from {_number(low.flat[0])} to {_number(high.flat[0])}"
    pairs = ", ".join(f"{_number(a)} to {_number(b)}" for a, b in zip(low.flat, high.flat, strict=True))
    return f"each entry in its own range: {pairs}"


def _number(value: Any) -> str:
    return f"{float(value):g}".replace("inf", "∞").replace("-", "−")
