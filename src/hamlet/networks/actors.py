"""Kinds of actors. An algorithm's declaration names one of them.

An actor is a policy network. It maps observations ``[B, L, …]`` to a distribution over actions and to its memory after
each step. A kind creates the actor of one unit. (A unit is one set of policy parameters: the parameters of one agent,
or of all agents that share them.)
"""

from dataclasses import dataclass, field
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

from hamlet.distributions import DiagonalNormal, Noisy, TanhNormal
from hamlet.errors import require
from hamlet.networks.exploration import Schedule
from hamlet.networks.heads import Actor, ExploringActor, feature_count
from hamlet.networks.torso import Layer, NetworkConfig, Plain, Torso, layer
from hamlet.spaces import Box, Discrete, Space
from hamlet.types import Key


class ActorKind(Protocol):
    """Creates actors of one kind."""

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> Any:
        """Create an untrained policy for the observation and action spaces of one agent.

        Raises:
            RequestError: If this kind of policy cannot act in that action space.
        """
        ...


@dataclass(frozen=True)
class Stochastic:
    """Categorical for discrete actions; normal with a learned scale for a Box (`hamlet.networks.heads.Actor`)."""

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> Actor:
        """Create an untrained policy for the observation and action spaces of one agent."""
        return Actor.create(key, observation, action, body)


@dataclass(frozen=True)
class Deterministic:
    """A deterministic policy μ(o) of the observation o, within the bounds of a Box, with normal noise for exploration.

    Each entry of μ is mid + s·tanh(x). x is the network's output, mid is the middle between the entry's two bounds, and
    s is half of the distance between them.

    Attributes:
        exploration: Standard deviation of the noise, in units of s, half of the distance between an entry's bounds.
    """

    exploration: float = 0.1

    def __post_init__(self) -> None:
        """Refuse a negative standard deviation."""
        require(self.exploration >= 0, f"--exploration-noise must not be negative: {self.exploration}")

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> "DeterministicActor":
        """Create an untrained policy for the observation and action spaces of one agent.

        Raises:
            RequestError: If its actions are discrete or have no bounds.
        """
        torso_key, head_key = jax.random.split(key)
        space = _bounded(action)
        head = layer(head_key, feature_count(observation, body), space.width, body, gain=0.01)
        return DeterministicActor(Torso.create(torso_key, observation, body), head, self.exploration, space)


@dataclass(frozen=True)
class Squashed:
    """Tanh-normal for a Box, with a scale that depends on the observation; categorical for discrete actions."""

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> "Actor | SquashedActor":
        """Create an untrained policy for the observation and action spaces of one agent.

        Raises:
            RequestError: If the action space is a Box without bounds.
        """
        if not isinstance(action, Box):
            return Actor.create(key, observation, action, body)
        torso_key, head_key = jax.random.split(key)
        space = _bounded(action)
        head = layer(head_key, feature_count(observation, body), 2 * space.width, body, gain=0.01)
        return SquashedActor(Torso.create(torso_key, observation, body), head, space)


@dataclass(frozen=True)
class Exploring:
    """Categorical for discrete actions, mixed with a share ε of the uniform distribution over the available actions.

    ε decreases during the run.

    Attributes:
        exploration: How ε decreases.
    """

    exploration: Schedule = field(default_factory=Schedule)

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> ExploringActor:
        """Create an untrained policy for the observation and action spaces of one agent.

        Raises:
            RequestError: If the action space is not Discrete.
        """
        require(
            isinstance(action, Discrete),
            f"ε-uniform exploration needs a Discrete action space, got {action}: use mappo --advantage counterfactual",
        )
        assert isinstance(action, Discrete)
        return ExploringActor.create(key, observation, action, body, self.exploration)


class DeterministicActor(eqx.Module):
    """The network of a `Deterministic` policy: torso, head and tanh."""

    torso: Torso
    head: Layer | Plain
    exploration: float = eqx.field(static=True)
    space: Box = eqx.field(static=True)

    def __call__(
        self,
        observation: Shaped[Array, "B L *O"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
        available: None = None,
    ) -> tuple[Noisy, Float[Array, "B L H"] | None]:
        """Return the action (with its exploration noise) at every step, and the memory after every step."""
        features, memories = self.torso(observation, memory, start)
        low, high = (jnp.asarray(bound.reshape(1, 1, -1)) for bound in self.space.bounds)
        mean = 0.5 * (low + high) + 0.5 * (high - low) * jnp.tanh(self.head(features))
        return Noisy(mean, self.exploration, self.space), memories


class SquashedActor(eqx.Module):
    """The network of a `Squashed` policy: a torso, and a head for means and log σ.

    log σ is clipped to [−20, 2], as in the reference code.
    """

    torso: Torso
    head: Layer | Plain
    space: Box = eqx.field(static=True)

    def __call__(
        self,
        observation: Shaped[Array, "B L *O"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
        available: None = None,
    ) -> tuple[TanhNormal, Float[Array, "B L H"] | None]:
        """Return the action distribution at every step, and the memory after every step."""
        features, memories = self.torso(observation, memory, start)
        mean, log_scale = jnp.split(self.head(features), 2, axis=-1)
        return TanhNormal(DiagonalNormal(mean, jnp.exp(jnp.clip(log_scale, -20.0, 2.0))), self.space), memories


def _bounded(action: Space) -> Box:
    require(
        isinstance(action, Box) and action.bounded,
        f"a tanh policy needs a Box with a lower and an upper bound for every entry, got {action}: "
        "bound the action space, or use happo",
    )
    assert isinstance(action, Box)
    return action


def coded(action: Array, space: Space) -> Float[Array, "... W"]:
    """Encode actions ``[…, *shape]`` as a critic's input.

    Discrete actions become one-hot vectors, concatenated; entries of a Box are scaled to [−1, 1].
    """
    if isinstance(space, Box):
        return scaled(action.reshape(*action.shape[: action.ndim - len(space.shape)], -1), space)
    if action.ndim and space.shape:
        parts = [jax.nn.one_hot(action[..., k], n) for k, n in enumerate(space.sizes)]  # type: ignore[union-attr]
        return jnp.concatenate(parts, axis=-1)
    return jax.nn.one_hot(action, space.width)


def scaled(action: Float[Array, "... W"], space: Space) -> Float[Array, "... W"]:
    """Encode the actions that a distribution's ``relaxed`` returns as a critic's input.

    Entries of a Box are scaled to [−1, 1]. Discrete actions are one-hot already and stay unchanged.
    """
    if not isinstance(space, Box):
        return action
    low, high = (jnp.asarray(bound.reshape((1,) * (action.ndim - 1) + (-1,))) for bound in space.bounds)
    return (2.0 * action - low - high) / (high - low)
