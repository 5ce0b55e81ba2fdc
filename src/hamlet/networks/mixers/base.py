"""Mixers: the joint value of all agents, computed from the agents' own values, and the loss that trains both.

A mixer is declared by a frozen dataclass. ``create`` makes its network, and ``loss`` returns the loss of one step. Its
input is `AgentValues`: every agent's values Qⁱ of all its actions, and one selected action per agent.

This module contains two mixers, and a third class for learning without a mixer (s is the state, f a mixing network):

    IndependentMixer   no mixing: every agent's value predicts the agent's own rewards (IQL)
    Sum                Q = Σ Qⁱ (VDN; Sunehag et al., 2018, arXiv:1706.05296)
    Monotonic          Q = f(Q¹, …, Qⁿ; s) with ∂f/∂Qⁱ ≥ 0 (QMIX; Rashid et al., 2018, arXiv:1803.11485)

In all three, the joint action in which every agent takes its own best action maximises Q.
"""

from dataclasses import dataclass
from typing import Any, Literal, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.errors import require
from hamlet.networks.exploration import greedy
from hamlet.networks.torso import Plain
from hamlet.roster import Roster
from hamlet.types import Info, Key


class Offer(eqx.Module):
    """The values and selected actions of one group's agents at B steps.

    Attributes:
        values: Qⁱ of every action, ``[B, N, A]``.
        action: The selected action, ``[B, N]``.
        available: The action mask, ``[B, N, A]``; None if all actions are available.
        features: The features from which the values were computed, ``[B, N, F]``.
    """

    values: Float[Array, "B N A"]
    action: Int[Array, "B N"]
    available: Bool[Array, "B N A"] | None
    features: Float[Array, "B N F"]


class AgentValues(eqx.Module):
    """The values and selected actions of all agents at B steps, group by group; the value of an inactive agent is 0.

    Attributes:
        groups: One `Offer` per group.
        alive: Which agents are active, ``[B, n]``; None if all are.
    """

    groups: tuple[Offer, ...]
    alive: Bool[Array, "B n"] | None

    def at(self, actions: tuple[Int[Array, "B _N"], ...]) -> "AgentValues":
        """Return the same values with other selected actions."""
        groups = (
            Offer(o.values, action, o.available, o.features) for o, action in zip(self.groups, actions, strict=True)
        )
        return AgentValues(tuple(groups), self.alive)

    @property
    def greedy(self) -> tuple[Int[Array, "B _N"], ...]:
        """Return every agent's best available action."""
        return tuple(greedy(offer.values, offer.available) for offer in self.groups)

    @property
    def chosen(self) -> Float[Array, "B n"]:
        """Return Qⁱ of the selected actions."""
        taken = (jax.nn.one_hot(offer.action, offer.values.shape[-1], dtype=bool) for offer in self.groups)
        return self._present(
            [jnp.where(hot, offer.values, 0.0).sum(-1) for hot, offer in zip(taken, self.groups, strict=True)]
        )

    @property
    def best(self) -> Float[Array, "B n"]:
        """Return Qⁱ of the best available actions."""
        return self._present(
            [
                (o.values if o.available is None else jnp.where(o.available, o.values, -jnp.inf)).max(-1)
                for o in self.groups
            ]
        )

    @property
    def hot(self) -> tuple[Float[Array, "B _C"], ...]:
        """Return the selected actions as one-hot vectors, concatenated per group; zeros for inactive agents."""
        by_group, first = [], 0
        for offer in self.groups:
            count, choices = offer.values.shape[1:]
            hot = jax.nn.one_hot(offer.action, choices)
            if self.alive is not None:
                hot = jnp.where(self.alive[:, first : first + count, None], hot, 0.0)
            by_group.append(hot.reshape(hot.shape[0], -1))
            first += count
        return tuple(by_group)

    def _present(self, parts: list[Array]) -> Float[Array, "B n"]:
        joined = jnp.concatenate(parts, axis=-1)
        return joined if self.alive is None else jnp.where(self.alive, joined, 0.0)


class Network(Protocol):
    """The network of a mixer."""

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B V"]:
        """Return the value of the selected actions: V = 1 value of the team, or V = n values, one for each agent."""
        ...


class Mixer(Protocol):
    """The declaration of a mixer."""

    @property
    def credits(self) -> Literal["team", "own"]:
        """Return "team" if the team's rewards are predicted (V = 1), "own" if each agent's own are (V = n)."""
        ...

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Any:
        """Create an untrained network.

        Args:
            key: For the random weights.
            roster: The agents.
            state_width: S, the number of entries of the state.
            features: Number of features of an agent, for every group.

        Raises:
            RequestError: If the mixer cannot mix these agents.
        """
        ...

    def best(self, network: Any, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Return the joint action that the target evaluates.

        It consists of every agent's own best action, unless the mixer can find a better joint action.
        """
        ...

    def loss(
        self, network: Any, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B V"]
    ) -> tuple[Float[Array, " B"], Info]:
        """Return the loss of every step, and further metrics by name, ``[B]``; both are averaged over steps.

        ``target`` is R + γ (1 − terminated) × `Network.joint` of the target networks. R is the reward, γ the discount.
        The target networks evaluate the joint action that is best by the current networks. No gradient flows through
        ``target``.
        """
        ...


def squared(network: Network, offers: AgentValues, state: Array, target: Array) -> tuple[Float[Array, " B"], Info]:
    """Return (Q − y)², summed over values, and the mean of Q over them; y is the target."""
    values = network.joint(offers, state)
    return ((values - target) ** 2).sum(-1), {"value": values.mean(-1)}


class Apart(eqx.Module):
    """A mixing network that mixes nothing."""

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B n"]:
        """Return each agent's own value."""
        return offers.chosen


@dataclass(frozen=True)
class IndependentMixer:
    """Every agent's value predicts the agent's own rewards: independent Q-learners. Inactive agents have no loss."""

    credits: Literal["own"] = "own"

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Apart:
        """Create the network, which has no parameters."""
        return Apart()

    def best(self, network: Apart, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Return every agent's own best action."""
        return offers.greedy

    def loss(
        self, network: Apart, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B n"]
    ) -> tuple[Float[Array, " B"], Info]:
        """Return Σᵢ (Qⁱ − yⁱ)² over the active agents i, where yⁱ is agent i's target."""
        values = network.joint(offers, state)
        error = (values - target) ** 2
        error = error if offers.alive is None else jnp.where(offers.alive, error, 0.0)
        return error.sum(-1), {"value": values.mean(-1)}


class Added(eqx.Module):
    """A mixing network that adds the agents' values."""

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Return Q = Σ Qⁱ."""
        return offers.chosen.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Sum:
    """The mixer Q = Σ Qⁱ."""

    credits: Literal["team"] = "team"

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Added:
        """Create the network, which has no parameters."""
        return Added()

    def best(self, network: Added, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Return every agent's own best action."""
        return offers.greedy

    def loss(
        self, network: Added, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """Return (Q − y)², where y is the target."""
        return squared(network, offers, state, target)


class Pair(eqx.Module):
    """Two linear layers with ReLU between them."""

    first: Plain
    second: Plain

    @classmethod
    def create(cls, key: Key, inputs: int, hidden: int, outputs: int) -> "Pair":
        """Create initial weights."""
        first, second = jax.random.split(key)
        return cls(Plain.create(first, inputs, hidden), Plain.create(second, hidden, outputs))

    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """Return the outputs for every row."""
        return self.second(jax.nn.relu(self.first(x)))


class Monotone(eqx.Module):
    """A monotonic mixing network: h = ELU(|W₁(s)| q + b₁(s)),  Q = |w₂(s)|·h + V(s).

    q are the agents' values and s is the state. W₁, b₁, w₂ and V are networks of the state.
    """

    first: Pair
    bias: Plain
    second: Pair
    value: Pair

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Return Q of the selected actions."""
        chosen, bias = offers.chosen, self.bias(state)
        weight = jnp.abs(self.first(state)).reshape(*chosen.shape, bias.shape[-1])
        hidden = jax.nn.elu((weight * chosen[..., None]).sum(1) + bias)
        return (jnp.abs(self.second(state)) * hidden).sum(-1, keepdims=True) + self.value(state)


@dataclass(frozen=True, kw_only=True)
class Monotonic:
    """Q increases with every Qⁱ; networks of the state output the weights of the mixing network.

    Attributes:
        embedding: Width of the mixing network's hidden layer.
        hidden: Hidden width of the networks that output its weights.
    """

    embedding: int = 32
    hidden: int = 64
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse widths below 1."""
        require(self.embedding >= 1, f"--mixing-width must be at least 1, not {self.embedding}")
        require(self.hidden >= 1, f"--hypernetwork-hidden must be at least 1, not {self.hidden}")

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Monotone:
        """Create initial weights."""
        keys, agents = jax.random.split(key, 4), len(roster.names)
        return Monotone(
            Pair.create(keys[0], state_width, self.hidden, agents * self.embedding),
            Plain.create(keys[1], state_width, self.embedding),
            Pair.create(keys[2], state_width, self.hidden, self.embedding),
            Pair.create(keys[3], state_width, self.embedding, 1),
        )

    def best(self, network: Monotone, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Return every agent's own best action."""
        return offers.greedy

    def loss(
        self, network: Monotone, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """Return (Q − y)², where y is the target."""
        return squared(network, offers, state, target)
