"""What a policy is made of: the kinds of actors that a declaration can ask for.

Every actor maps observations ``[B, L, …]`` to a distribution of actions and the memory after each step; a kind makes
the actor of one unit.
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
    """Makes actors."""

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> Any:
        """A fresh policy for the spaces of one agent.

        Raises:
            RequestError: If it cannot act in that space.
        """
        ...


@dataclass(frozen=True)
class Stochastic:
    """Categorical over choices, normal with a learned scale over a Box (`hamlet.networks.heads.Actor`)."""

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> Actor:
        """A fresh policy for the spaces of one agent."""
        return Actor.create(key, observation, action, body)


@dataclass(frozen=True)
class Deterministic:
    """μ(o) within the bounds of a Box, each entry mid + s·tanh(x), and normal noise on it while exploring.

    Attributes:
        exploration: σ of the noise, in units of s, half of the distance between an entry's bounds.
    """

    exploration: float = 0.1

    def __post_init__(self) -> None:
        """Refuse what is no scale."""
        require(self.exploration >= 0, f"--exploration-noise must not be negative: {self.exploration}")

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> "DeterministicActor":
        """A fresh policy for the spaces of one agent.

        Raises:
            RequestError: If its actions have no bounds, or are choices.
        """
        torso_key, head_key = jax.random.split(key)
        space = _bounded(action)
        head = layer(head_key, feature_count(observation, body), space.width, body, gain=0.01)
        return DeterministicActor(Torso.create(torso_key, observation, body), head, self.exploration, space)


@dataclass(frozen=True)
class Squashed:
    """A tanh-normal policy whose scale depends on what is seen, over a Box; over choices, categorical."""

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> "Actor | SquashedActor":
        """A fresh policy for the spaces of one agent.

        Raises:
            RequestError: If it has a Box without bounds.
        """
        if not isinstance(action, Box):
            return Actor.create(key, observation, action, body)
        torso_key, head_key = jax.random.split(key)
        space = _bounded(action)
        head = layer(head_key, feature_count(observation, body), 2 * space.width, body, gain=0.01)
        return SquashedActor(Torso.create(torso_key, observation, body), head, space)


@dataclass(frozen=True)
class Exploring:
    """Categorical over choices, of which a share ε is even over what is available; ε falls while a run plays.

    Attributes:
        exploration: How ε falls.
    """

    exploration: Schedule = field(default_factory=Schedule)

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> ExploringActor:
        """A fresh policy for the spaces of one agent.

        Raises:
            RequestError: If its actions are no plain choices.
        """
        require(
            isinstance(action, Discrete),
            f"a share of even choices needs a Discrete space, and {action} is another: "
            "use mappo --advantage counterfactual",
        )
        assert isinstance(action, Discrete)
        return ExploringActor.create(key, observation, action, body, self.exploration)


class DeterministicActor(eqx.Module):
    """Torso, head, tanh."""

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
        """The action at every step, and the memory after it."""
        features, memories = self.torso(observation, memory, start)
        low, high = (jnp.asarray(bound.reshape(1, 1, -1)) for bound in self.space.bounds)
        mean = 0.5 * (low + high) + 0.5 * (high - low) * jnp.tanh(self.head(features))
        return Noisy(mean, self.exploration, self.space), memories


class SquashedActor(eqx.Module):
    """Torso, and a head for means and log σ, which is held in [−20, 2] (as in the reference)."""

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
        """The distribution of the action at every step, and the memory after it."""
        features, memories = self.torso(observation, memory, start)
        mean, log_scale = jnp.split(self.head(features), 2, axis=-1)
        return TanhNormal(DiagonalNormal(mean, jnp.exp(jnp.clip(log_scale, -20.0, 2.0))), self.space), memories


def _bounded(action: Space) -> Box:
    require(
        isinstance(action, Box) and action.bounded,
        f"a policy through tanh needs a Box with two bounds for every entry, and {action} is none: "
        "bound the action space, or use happo",
    )
    assert isinstance(action, Box)
    return action


def coded(action: Array, space: Space) -> Float[Array, "... W"]:
    """Actions ``[…, *shape]`` as a critic takes them: choices one-hot side by side, a Box's entries from −1 to 1."""
    if isinstance(space, Box):
        return scaled(action.reshape(*action.shape[: action.ndim - len(space.shape)], -1), space)
    if action.ndim and space.shape:
        parts = [jax.nn.one_hot(action[..., k], n) for k, n in enumerate(space.sizes)]  # type: ignore[union-attr]
        return jnp.concatenate(parts, axis=-1)
    return jax.nn.one_hot(action, space.width)


def scaled(action: Float[Array, "... W"], space: Space) -> Float[Array, "... W"]:
    """What `relaxed` gives as a critic takes it: a Box's entries from −1 to 1, choices as they are."""
    if not isinstance(space, Box):
        return action
    low, high = (jnp.asarray(bound.reshape((1,) * (action.ndim - 1) + (-1,))) for bound in space.bounds)
    return (2.0 * action - low - high) / (high - low)
