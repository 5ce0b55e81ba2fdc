"""Mixers: what the values of all agents are together, and by which loss they learn it.

A mixer is declared by a frozen dataclass; ``create`` makes its network, and ``loss`` says what that descends at one
step. It sees `AgentValues`: the agents' values of all their choices, and which choice is meant. Two mixers are here,
and the absence of one:

    IndependentMixer   none: every agent's value predicts its own rewards (IQL)
    Sum                Q = Σ Qⁱ (VDN; Sunehag et al., 2018, arXiv:1706.05296)
    Monotonic          Q = f(Q¹, …, Qⁿ; s) with ∂f/∂Qⁱ ≥ 0 (QMIX; Rashid et al., 2018, arXiv:1803.11485)

In all of them the agents' best choices together are best for Q.
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
    """What the agents of one group bring to B steps.

    Attributes:
        values: Qⁱ of every choice, ``[B, N, A]``.
        action: The choice that is meant, ``[B, N]``.
        available: Which there are, ``[B, N, A]``; None for all.
        features: What the values were made of, ``[B, N, F]``.
    """

    values: Float[Array, "B N A"]
    action: Int[Array, "B N"]
    available: Bool[Array, "B N A"] | None
    features: Float[Array, "B N F"]


class AgentValues(eqx.Module):
    """What all agents bring to B steps, group by group; an agent that is absent counts 0.

    Attributes:
        groups: The offers of every group.
        alive: Who is there, ``[B, n]``; None where all are.
    """

    groups: tuple[Offer, ...]
    alive: Bool[Array, "B n"] | None

    def at(self, actions: tuple[Int[Array, "B _N"], ...]) -> "AgentValues":
        """The same with other choices meant."""
        groups = (
            Offer(o.values, action, o.available, o.features) for o, action in zip(self.groups, actions, strict=True)
        )
        return AgentValues(tuple(groups), self.alive)

    @property
    def greedy(self) -> tuple[Int[Array, "B _N"], ...]:
        """Every agent's best available choice."""
        return tuple(greedy(offer.values, offer.available) for offer in self.groups)

    @property
    def chosen(self) -> Float[Array, "B n"]:
        """Qⁱ of the choices that are meant."""
        taken = (jax.nn.one_hot(offer.action, offer.values.shape[-1], dtype=bool) for offer in self.groups)
        return self._present(
            [jnp.where(hot, offer.values, 0.0).sum(-1) for hot, offer in zip(taken, self.groups, strict=True)]
        )

    @property
    def best(self) -> Float[Array, "B n"]:
        """Qⁱ of the best available choices."""
        return self._present(
            [
                (o.values if o.available is None else jnp.where(o.available, o.values, -jnp.inf)).max(-1)
                for o in self.groups
            ]
        )

    @property
    def hot(self) -> tuple[Float[Array, "B _C"], ...]:
        """The choices that are meant as one-hot, group by group, one agent after the other; zeros for absent agents."""
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
    """A mixer's network."""

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B V"]:
        """What the choices that are meant are worth: V = 1 value of the team, or V = n, one for each agent."""
        ...


class Mixer(Protocol):
    """A declared mixer."""

    @property
    def credits(self) -> Literal["team", "own"]:
        """Whether the team's rewards are predicted (V = 1), or each agent's own (V = n)."""
        ...

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Any:
        """A fresh network for a state of so many numbers, and so many features of every group's agents.

        Raises:
            RequestError: If it cannot mix those agents.
        """
        ...

    def best(self, network: Any, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """The joint choice that a target judges: every agent's own best one, unless the mixer knows a better."""
        ...

    def loss(
        self, network: Any, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B V"]
    ) -> tuple[Float[Array, " B"], Info]:
        """What is descended at every step, and what is told of it, by name ``[B]``; both are averaged over steps.

        ``target`` is R + γ (1 − terminated) × `Network.joint` of the target networks, at the choices that are the
        best by the live values; nothing flows back through it.
        """
        ...


def squared(network: Network, offers: AgentValues, state: Array, target: Array) -> tuple[Float[Array, " B"], Info]:
    """(Q − y)², summed over values, and the mean of Q over them."""
    values = network.joint(offers, state)
    return ((values - target) ** 2).sum(-1), {"value": values.mean(-1)}


class Apart(eqx.Module):
    """Nothing is mixed."""

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B n"]:
        """Each agent's own value."""
        return offers.chosen


@dataclass(frozen=True)
class IndependentMixer:
    """Every agent's value predicts its own rewards: Q-learners beside each other. Absent agents lose nothing."""

    credits: Literal["own"] = "own"

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Apart:
        """Nothing that is learnt."""
        return Apart()

    def best(self, network: Apart, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Every agent's own best choice."""
        return offers.greedy

    def loss(
        self, network: Apart, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B n"]
    ) -> tuple[Float[Array, " B"], Info]:
        """Σᵢ (Qⁱ − yⁱ)² over those who are there."""
        values = network.joint(offers, state)
        error = (values - target) ** 2
        error = error if offers.alive is None else jnp.where(offers.alive, error, 0.0)
        return error.sum(-1), {"value": values.mean(-1)}


class Added(eqx.Module):
    """The sum."""

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Q = Σ Qⁱ."""
        return offers.chosen.sum(-1, keepdims=True)


@dataclass(frozen=True)
class Sum:
    """Q = Σ Qⁱ."""

    credits: Literal["team"] = "team"

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Added:
        """Nothing that is learnt."""
        return Added()

    def best(self, network: Added, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Every agent's own best choice."""
        return offers.greedy

    def loss(
        self, network: Added, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """(Q − y)²."""
        return squared(network, offers, state, target)


class Pair(eqx.Module):
    """Two linear layers with ReLU between them."""

    first: Plain
    second: Plain

    @classmethod
    def create(cls, key: Key, inputs: int, hidden: int, outputs: int) -> "Pair":
        """Fresh weights."""
        first, second = jax.random.split(key)
        return cls(Plain.create(first, inputs, hidden), Plain.create(second, hidden, outputs))

    def __call__(self, x: Float[Array, "B I"]) -> Float[Array, "B O"]:
        """The outputs of every row."""
        return self.second(jax.nn.relu(self.first(x)))


class Monotone(eqx.Module):
    """h = ELU(|W₁(s)| q + b₁(s)),  Q = |w₂(s)|·h + V(s)."""

    first: Pair
    bias: Plain
    second: Pair
    value: Pair

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Q of the choices that are meant."""
        chosen, bias = offers.chosen, self.bias(state)
        weight = jnp.abs(self.first(state)).reshape(*chosen.shape, bias.shape[-1])
        hidden = jax.nn.elu((weight * chosen[..., None]).sum(1) + bias)
        return (jnp.abs(self.second(state)) * hidden).sum(-1, keepdims=True) + self.value(state)


@dataclass(frozen=True, kw_only=True)
class Monotonic:
    """Q rises with every Qⁱ, by weights that networks of the state give.

    Attributes:
        embedding: Width of the mixed layer.
        hidden: Width of the networks that give its weights.
    """

    embedding: int = 32
    hidden: int = 64
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse widths that are none."""
        require(self.embedding >= 1, f"--mixing-width must be at least 1, not {self.embedding}")
        require(self.hidden >= 1, f"--hypernetwork-hidden must be at least 1, not {self.hidden}")

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Monotone:
        """Fresh weights."""
        keys, agents = jax.random.split(key, 4), len(roster.names)
        return Monotone(
            Pair.create(keys[0], state_width, self.hidden, agents * self.embedding),
            Plain.create(keys[1], state_width, self.embedding),
            Pair.create(keys[2], state_width, self.hidden, self.embedding),
            Pair.create(keys[3], state_width, self.embedding, 1),
        )

    def best(self, network: Monotone, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Every agent's own best choice."""
        return offers.greedy

    def loss(
        self, network: Monotone, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """(Q − y)²."""
        return squared(network, offers, state, target)
