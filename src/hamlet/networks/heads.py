"""Heads: from features to a distribution over a space's actions, or to a value; and the networks they complete."""

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

# Small first outputs keep the first policy near uniform and its ratios near 1; the reference uses the same number.
_GAIN = 0.01


class NormalScale(eqx.Module):
    """σ = ½·sigmoid(s), one learned s for every dimension, 1 at first (σ ≈ 0.366).

    The reference's parametrisation ("std x coef" 1, "std y coef" 0.5): it bounds σ by 0.5.
    """

    raw: Float[Array, " D"]

    def __call__(self) -> Float[Array, " D"]:
        """Standard deviations."""
        return 0.5 * jax.nn.sigmoid(self.raw)


class Actor(eqx.Module):
    """One unit's policy: torso, head, and a scale where actions are continuous."""

    torso: Torso
    head: Layer | Plain
    scale: NormalScale | None
    space: Space = eqx.field(static=True)
    squash: bool = eqx.field(static=True, default=False)

    @classmethod
    def create(cls, key: Key, observation: Space, action: Space, body: NetworkConfig) -> "Actor":
        """A fresh policy for the spaces of one agent.

        Raises:
            RequestError: If actions are to be squashed to bounds that they do not have.
        """
        if body.squash and isinstance(action, Box):
            require(
                action.bounded, f"--squash takes actions with two bounds, and {action} has none in places; leave it out"
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
        """The distribution of the action at every step, and the memory after it."""
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
    """A policy over choices of which a share ε is even: (1 − ε) softmax(z) + ε / |available|.

    It is the mixture that is sampled and learnt by. ε is no parameter: it falls while a run plays (`after`).
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
        """A fresh policy for the spaces of one agent."""
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
        """The distribution of the action at every step, and the memory after it."""
        features, memories = self.torso(observation, memory, start)
        return mixed(self.head(features), available, jax.lax.stop_gradient(self.exploration.value)), memories

    def after(self, steps: int) -> "ExploringActor":
        """The same policy so many environment steps later: ε goes on along its line, and stays at its end."""
        ends = sorted((self.schedule.start, self.schedule.end))
        step = (self.schedule.end - self.schedule.start) * steps / max(self.schedule.steps, 1)
        epsilon = jnp.clip(self.exploration.value + step, *ends)
        return eqx.tree_at(lambda a: a.exploration.value, self, epsilon)


# What samples, and is moved by the probability of what it did.
AnyActor: TypeAlias = Actor | ExploringActor


class Value(eqx.Module):
    """A value network: torso and one output."""

    torso: Torso
    head: Layer | Plain

    @classmethod
    def create(cls, key: Key, seen: Space, body: NetworkConfig) -> "Value":
        """Fresh weights for what is seen."""
        torso_key, head_key = jax.random.split(key)
        return cls(Torso.create(torso_key, seen, body), layer(head_key, feature_count(seen, body), 1, body, gain=1.0))

    def __call__(
        self, inputs: Shaped[Array, "B L *I"], memory: Float[Array, "B H"] | None, start: Bool[Array, "B L"]
    ) -> tuple[Float[Array, "B L"], Float[Array, "B L H"] | None]:
        """The value at every step, and the memory after it."""
        features, memories = self.torso(inputs, memory, start)
        return self.head(features)[..., 0], memories


class Choices(eqx.Module):
    """Values of choices: a torso without memory, and one output for each."""

    torso: Torso
    head: Layer | Plain

    @classmethod
    def create(cls, key: Key, seen: Space, choices: int, body: NetworkConfig) -> "Choices":
        """Fresh weights for what is seen."""
        torso_key, head_key = jax.random.split(key)
        head = layer(head_key, feature_count(seen, body), choices, body, gain=1.0)
        return cls(Torso.create(torso_key, seen, body), head)

    def __call__(self, inputs: Float[Array, "*B I"]) -> Float[Array, "*B A"]:
        """The values of every row."""
        rows = inputs.reshape(-1, 1, inputs.shape[-1])
        features, _ = self.torso(rows, None, jnp.zeros(rows.shape[:2], bool))
        return self.head(features).reshape(*inputs.shape[:-1], -1)


def feature_count(seen: Space, body: NetworkConfig) -> int:
    """How many features a torso ends in."""
    return body.memory or (body.hidden[-1] if body.hidden else width(seen, body))


Network = TypeVar("Network", Actor, ExploringActor, Value, Choices)


def observe(network: Network, seen: Shaped[Array, "..."], alive: Bool[Array, "*B L"] | None) -> Network:
    """The same network with what was seen taken into its running mean and deviation, where it has them."""
    return eqx.tree_at(lambda n: n.torso, network, network.torso.observe(seen, alive))


def parameter_count(networks: Any) -> int:
    """How many numbers some networks, or stacks of them, have to learn."""
    parts = jax.tree.leaves(networks, is_leaf=lambda part: isinstance(part, RunningMeanStd | Rate))
    return sum(int(np.prod(leaf.shape)) for leaf in parts if not isinstance(leaf, RunningMeanStd | Rate))
