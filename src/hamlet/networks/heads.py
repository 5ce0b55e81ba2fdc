"""Heads: from features to a distribution over a space's actions, or to a value; and the networks they complete."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hamlet.distributions import Categorical, DiagonalNormal, Distribution, MultiCategorical
from hamlet.networks.torso import Body, Layer, Torso, repeated
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
    head: Layer
    scale: NormalScale | None
    space: Space = eqx.field(static=True)

    @classmethod
    def create(cls, key: Key, observation: Space, action: Space, body: Body) -> "Actor":
        """A fresh policy for the spaces of one agent."""
        torso_key, head_key = jax.random.split(key)
        features = body.memory or (body.hidden[-1] if body.hidden else width(observation))
        scale = NormalScale(jnp.ones(action.width)) if isinstance(action, Box) else None
        return cls(
            Torso.create(torso_key, width(observation), body),
            Layer.create(head_key, features, action.width, gain=_GAIN),
            scale,
            action,
        )

    def __call__(
        self,
        observation: Float[Array, "B L O"],
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
            case Box():
                assert self.scale is not None
                scale = repeated(self.scale(), out.shape[0] * out.shape[1])
                return DiagonalNormal(out, scale.reshape(out.shape)), memories


class Value(eqx.Module):
    """A value network: torso and one output."""

    torso: Torso
    head: Layer

    @classmethod
    def create(cls, key: Key, inputs: int, body: Body) -> "Value":
        """Fresh weights."""
        torso_key, head_key = jax.random.split(key)
        features = body.memory or (body.hidden[-1] if body.hidden else inputs)
        return cls(Torso.create(torso_key, inputs, body), Layer.create(head_key, features, 1, gain=1.0))

    def __call__(
        self, inputs: Float[Array, "B L I"], memory: Float[Array, "B H"] | None, start: Bool[Array, "B L"]
    ) -> tuple[Float[Array, "B L"], Float[Array, "B L H"] | None]:
        """The value at every step, and the memory after it."""
        features, memories = self.torso(inputs, memory, start)
        return self.head(features)[..., 0], memories


def width(observation: Space) -> int:
    """How many numbers an observation is to a network."""
    return observation.width


def encode(observation: Array, space: Space) -> Array:
    """Observations ``[…, *shape]`` as flat float32 features ``[…, O]``; choices become one-hot."""
    match space:
        case Box(shape=shape):
            lead = observation.shape[: observation.ndim - len(shape)]
            return observation.reshape(*lead, -1).astype(jnp.float32)
        case Discrete(n):
            return jax.nn.one_hot(observation, n)
        case MultiDiscrete(sizes):
            cuts = [jax.nn.one_hot(observation[..., k], n) for k, n in enumerate(sizes)]
            return jnp.concatenate(cuts, axis=-1)


def parameter_count(networks: Any) -> int:
    """How many numbers some networks, or stacks of them, have to learn."""
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(networks))
