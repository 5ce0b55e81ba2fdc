"""Heads, which map features to an action distribution or to a value, and the networks that they complete."""

from typing import Any, TypeAlias, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from hamlet.distributions import Categorical, DiagonalNormal, Distribution, MultiCategorical, TanhNormal
from hamlet.errors import require
from hamlet.networks.exploration import Rate, Schedule, mixed
from hamlet.networks.running import RunningMeanStd
from hamlet.networks.torso import Layer, NetworkConfig, Plain, Torso, layer, repeated, width
from hamlet.spaces import Box, Discrete, MultiDiscrete, Space
from hamlet.types import Key

# Small initial outputs keep the initial policy near uniform and its ratios near 1; the reference code uses this number.
_GAIN = 0.01


class NormalScale(eqx.Module):
    """The standard deviation σ = ½·sigmoid(s), with one learned s per action dimension; s starts at 1 (σ ≈ 0.366).

    This is the parametrisation of the reference code ("std x coef" 1, "std y coef" 0.5). It bounds σ by 0.5.
    """

    raw: Float[Array, " D"]

    def __call__(self) -> Float[Array, " D"]:
        """Return the standard deviations."""
        return 0.5 * jax.nn.sigmoid(self.raw)


class Actor(eqx.Module):
    """The policy of one unit: a torso, a head, and a learned scale if actions are continuous.

    A unit is one set of policy parameters: the parameters of one agent, or of all agents that share them.
    """

    torso: Torso
    head: Layer | Plain
    scale: NormalScale | None
    space: Space = eqx.field(static=True)
    squash: bool = eqx.field(static=True, default=False)

    @classmethod
    def create(cls, key: Key, observation: Space, action: Space, body: NetworkConfig) -> "Actor":
        """Create an untrained policy for the observation and action spaces of one agent.

        Raises:
            RequestError: If actions are to be squashed into bounds, but the Box has none.
        """
        if body.squash and isinstance(action, Box):
            require(
                action.bounded, f"--squash needs two bounds for every entry of an action, got {action}; leave it out"
            )
        torso_key, head_key = jax.random.split(key)
        scale = NormalScale(jnp.ones(action.width)) if isinstance(action, Box) else None
        return cls(
            Torso.create(torso_key, observation, body),
            layer(head_key, feature_count(observation, body), action.width, body, gain=_GAIN),
            scale,
            action,
            body.squash,
        )

    def __call__(
        self,
        observation: Shaped[Array, "B L *O"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
        available: Bool[Array, "B L A"] | None = None,
    ) -> tuple[Distribution, Float[Array, "B L H"] | None]:
        """Return the action distribution at every step, and the memory after every step."""
        features, memories = self.torso(observation, memory, start)
        out = self.head(features)
        match self.space:
            case Discrete():
                return Categorical.from_logits(out, available), memories
            case MultiDiscrete(sizes):
                return MultiCategorical.from_logits(out, sizes, available), memories
            case _:
                assert self.scale is not None and isinstance(self.space, Box)
                scale = repeated(self.scale(), out.shape[0] * out.shape[1]).reshape(out.shape)
                distribution = (
                    TanhNormal(DiagonalNormal(out, scale), self.space) if self.squash else DiagonalNormal(out, scale)
                )
                return distribution, memories


class ExploringActor(eqx.Module):
    """A policy for discrete actions with a uniform share ε: (1 − ε) softmax(z) + ε / |available|, with logits z.

    Actions are sampled from this mixture, and the policy gradient uses the mixture's probabilities. ε is not a
    parameter: it decreases during the run (`after`).
    """

    torso: Torso
    head: Layer | Plain
    exploration: Rate
    space: Discrete = eqx.field(static=True)
    schedule: Schedule = eqx.field(static=True)

    @classmethod
    def create(
        cls, key: Key, observation: Space, action: Discrete, body: NetworkConfig, schedule: Schedule
    ) -> "ExploringActor":
        """Create an untrained policy for the observation and action spaces of one agent."""
        torso_key, head_key = jax.random.split(key)
        head = layer(head_key, feature_count(observation, body), action.width, body, gain=_GAIN)
        return cls(Torso.create(torso_key, observation, body), head, Rate(schedule(0)), action, schedule)

    def __call__(
        self,
        observation: Shaped[Array, "B L *O"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
        available: Bool[Array, "B L A"] | None = None,
    ) -> tuple[Categorical, Float[Array, "B L H"] | None]:
        """Return the action distribution at every step, and the memory after every step."""
        features, memories = self.torso(observation, memory, start)
        return mixed(self.head(features), available, jax.lax.stop_gradient(self.exploration.value)), memories

    def after(self, steps: int) -> "ExploringActor":
        """Return the policy after ``steps`` more environment steps.

        ε moves along its line and stops at its final value.
        """
        ends = sorted((self.schedule.start, self.schedule.end))
        step = (self.schedule.end - self.schedule.start) * steps / max(self.schedule.steps, 1)
        epsilon = jnp.clip(self.exploration.value + step, *ends)
        return eqx.tree_at(lambda a: a.exploration.value, self, epsilon)


# Actors that sample actions and are trained through the probabilities of these actions.
AnyActor: TypeAlias = Actor | ExploringActor


class Value(eqx.Module):
    """A value network: a torso and one output."""

    torso: Torso
    head: Layer | Plain

    @classmethod
    def create(cls, key: Key, seen: Space, body: NetworkConfig) -> "Value":
        """Create initial weights for inputs from the space ``seen``."""
        torso_key, head_key = jax.random.split(key)
        return cls(Torso.create(torso_key, seen, body), layer(head_key, feature_count(seen, body), 1, body, gain=1.0))

    def __call__(
        self, inputs: Shaped[Array, "B L *I"], memory: Float[Array, "B H"] | None, start: Bool[Array, "B L"]
    ) -> tuple[Float[Array, "B L"], Float[Array, "B L H"] | None]:
        """Return the value at every step, and the memory after every step."""
        features, memories = self.torso(inputs, memory, start)
        return self.head(features)[..., 0], memories


class Choices(eqx.Module):
    """The values of discrete actions: a torso without memory, and one output per action."""

    torso: Torso
    head: Layer | Plain

    @classmethod
    def create(cls, key: Key, seen: Space, choices: int, body: NetworkConfig) -> "Choices":
        """Create initial weights for inputs from the space ``seen`` and for ``choices`` actions."""
        torso_key, head_key = jax.random.split(key)
        head = layer(head_key, feature_count(seen, body), choices, body, gain=1.0)
        return cls(Torso.create(torso_key, seen, body), head)

    def __call__(self, inputs: Float[Array, "*B I"]) -> Float[Array, "*B A"]:
        """Return the values of all actions for every row."""
        rows = inputs.reshape(-1, 1, inputs.shape[-1])
        features, _ = self.torso(rows, None, jnp.zeros(rows.shape[:2], bool))
        return self.head(features).reshape(*inputs.shape[:-1], -1)


def feature_count(seen: Space, body: NetworkConfig) -> int:
    """Return how many features a torso outputs."""
    return body.memory or (body.hidden[-1] if body.hidden else width(seen, body))


Network = TypeVar("Network", Actor, ExploringActor, Value, Choices)


def observe(network: Network, seen: Shaped[Array, "..."], alive: Bool[Array, "*B L"] | None) -> Network:
    """Return the network with the observations added to its running mean and standard deviation, if it has these."""
    return eqx.tree_at(lambda n: n.torso, network, network.torso.observe(seen, alive))


def parameter_count(networks: Any) -> int:
    """Return how many learned numbers some networks, or stacks of networks, have."""
    parts = jax.tree.leaves(networks, is_leaf=lambda part: isinstance(part, RunningMeanStd | Rate))
    return sum(int(np.prod(leaf.shape)) for leaf in parts if not isinstance(leaf, RunningMeanStd | Rate))
