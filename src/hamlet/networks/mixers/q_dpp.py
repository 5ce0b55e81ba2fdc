"""Agents of Q-DPP: values, and a unit vector for every choice; and the mixer that makes one of them.

See `hamlet.networks.mixers.dpp` for what the vectors do. An agent's network has two heads on one torso. Its vectors
stand where other agents have features for their mixer, so that the mixer itself has nothing to learn.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Shaped

from hamlet.errors import require
from hamlet.networks.exploration import Rate, Schedule, greedy
from hamlet.networks.heads import feature_count
from hamlet.networks.joint import Chance, FromDistributions, JointPolicy
from hamlet.networks.mixers import dpp
from hamlet.networks.mixers.base import AgentValues, squared
from hamlet.networks.torso import Layer, NetworkConfig, Plain, Torso, layer
from hamlet.networks.utility import Utilities, Utility
from hamlet.roster import Roster
from hamlet.spaces import Space
from hamlet.types import Info, Key


class DiversePolicy(eqx.Module):
    """The policy of some values and vectors: alone the best or the likeliest by the values; together as Q-DPP samples.

    Attributes:
        values: Of every choice.
        vectors: Unit vectors of every choice.
        available: Which choices there are; None for all.
        temperature: T.
        even: The share of choices that are drawn evenly.
        jitter: ε of the vectors' extension.
    """

    values: Float[Array, "*B A"]
    vectors: Float[Array, "*B A D"]
    available: Bool[Array, "*B A"] | None
    temperature: Float[Array, "*B"]
    even: float = eqx.field(static=True)
    jitter: float = eqx.field(static=True)

    def sample(self, noise: Float[Array, "*B A"]) -> Int[Array, "*B"]:
        """One action each, as if there were no other agents."""
        shares = dpp.shares(self.values / self.temperature[..., None], self.available, self.even)
        return jnp.argmax(shares + noise, axis=-1).astype(jnp.int32)

    def mode(self) -> Int[Array, "*B"]:
        """The best choice by the values."""
        return greedy(self.values, self.available)


@dataclass(frozen=True)
class ByVolume:
    """A joint action, agent after agent: aᵢ ∝ ‖residual of b(oᵢ, aᵢ)‖² exp(Qᵢ(oᵢ, aᵢ) / T); see `dpp.sample`.

    Agents choose in the order of the chance's turns, in every copy by itself. Absent agents take nothing away from the
    others.
    """

    def sample(
        self, policies: tuple[DiversePolicy, ...], chance: Chance, alive: Bool[Array, "E n"] | None
    ) -> tuple[Int[Array, "E _N"], ...]:
        """One action each."""
        offered, first = _offered(policies, alive), policies[0]
        heat = first.temperature.reshape(-1)[0]
        return dpp.sample(offered, in_turns(chance.turns), chance.noise, temperature=heat, exploration=first.even)

    def mode(self, policies: tuple[DiversePolicy, ...], alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """Each agent's best by its own values: together is how agents explore, apart is how they play."""
        return tuple(policy.mode() for policy in policies)

    def log_probability(
        self,
        policies: tuple[DiversePolicy, ...],
        actions: tuple[Int[Array, "E _N"], ...],
        turns: Float[Array, "E n"],
        alive: Bool[Array, "E n"] | None,
    ) -> Float[Array, "E n"]:
        """Of each agent's action, given those that were chosen before it."""
        offered, first = _offered(policies, alive), policies[0]
        heat = first.temperature.reshape(-1)[0]
        logs = dpp.log_probability(offered, in_turns(turns), actions, temperature=heat, exploration=first.even)
        return logs if alive is None else jnp.where(alive, logs, 0.0)


def in_turns(turns: Float[Array, "E n"]) -> Int[Array, "E n"]:
    """The agents' numbers in the order in which they choose."""
    return jnp.argsort(turns, axis=-1).astype(jnp.int32)


def _offered(policies: tuple[DiversePolicy, ...], alive: Bool[Array, "E n"] | None) -> tuple[dpp.Items, ...]:
    offered = items([(policy.values, policy.vectors, policy.available) for policy in policies], policies[0].jitter)
    return offered if alive is None else dpp.present(offered, alive)


def items(groups: list[tuple[Array, Array, Array | None]], jitter: float) -> tuple[dpp.Items, ...]:
    """Values, vectors and availability, group by group, with the vectors extended by axes of their agents."""
    agents, first, by_group = sum(values.shape[1] for values, _, _ in groups), 0, []
    for values, vectors, available in groups:
        rows = jnp.swapaxes(dpp.extended(jnp.swapaxes(vectors, 1, 2), first, agents, jitter), 1, 2)
        by_group.append(dpp.Items(rows, values, available))
        first += values.shape[1]
    return tuple(by_group)


class Diverse(eqx.Module):
    """One unit's utility, and the head of its vectors."""

    joint: ClassVar[JointPolicy] = FromDistributions(ByVolume())
    utility: Utility
    head: Layer | Plain
    even: float = eqx.field(static=True)
    jitter: float = eqx.field(static=True)

    @property
    def exploration(self) -> Rate:
        """T of the moment, a number that a learner sets."""
        return self.utility.exploration

    @property
    def torso(self) -> Torso:
        """What sees."""
        return self.utility.torso

    def vectors(self, features: Float[Array, "*B F"]) -> Float[Array, "*B A D"]:
        """b(o, ·), of unit length."""
        choices = self.utility.head.weight.shape[0]
        rows = self.head(features)
        rows = rows.reshape(*features.shape[:-1], choices, -1)
        return rows * jax.lax.rsqrt((rows**2).sum(-1, keepdims=True) + 1e-20)

    def __call__(
        self,
        observation: Shaped[Array, "B L *O"],
        memory: Float[Array, "B H"] | None,
        start: Bool[Array, "B L"],
        available: Bool[Array, "B L A"] | None = None,
    ) -> tuple[DiversePolicy, Float[Array, "B L H"] | None]:
        """The policy at every step, and the memory after it."""
        features, memories = self.utility.features(observation, memory, start)
        values = self.utility.head(features)
        temperature = jnp.broadcast_to(self.exploration.value, values.shape[:2])
        policy = DiversePolicy(values, self.vectors(features), available, temperature, self.even, self.jitter)
        return policy, memories

    def values(self, observation: Shaped[Array, "L B *O"]) -> tuple[Float[Array, "L B A"], Float[Array, "L B F"]]:
        """Of whole episodes, time first: the values of every choice, and its vectors in one row."""
        values, features = self.utility.values(observation)
        vectors = self.vectors(features)
        return values, vectors.reshape(*vectors.shape[:-2], -1)


@dataclass(frozen=True, kw_only=True)
class DiverseUtilities:
    """Agents with vectors for their choices, who explore as Q-DPP samples.

    Attributes:
        exploration: How T falls, between 0 and 1.
        embedding: D, the length of a vector.
        even: The share of choices that are drawn evenly, in [0, 1].
        jitter: ε in (0, 1).
    """

    exploration: Schedule = field(default_factory=lambda: Schedule(start=0.5, end=0.01))
    embedding: int = 32
    even: float = 0.0
    jitter: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse what cannot be sampled by."""
        coldest = min(self.exploration.start, self.exploration.end)
        require(coldest > 0, "--temperature-start and --temperature-end must be above 0; try 0.01")
        require(0 <= self.even <= 1, f"--exploration must lie in [0, 1], not at {self.even}")
        require(0 < self.jitter < 1, f"--jitter must lie in (0, 1), not at {self.jitter}; try 1e-8")
        require(self.embedding >= 1, f"--embedding must be at least 1, not {self.embedding}")

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> Diverse:
        """A fresh one for the spaces of one agent.

        Raises:
            RequestError: If its actions are no plain choices.
        """
        utility_key, head_key = jax.random.split(key)
        utility = Utilities(exploration=self.exploration).create(utility_key, observation, action, body)
        outputs = action.width * self.embedding
        head = layer(head_key, feature_count(observation, body), outputs, body, gain=1.0)
        return Diverse(utility, head, self.even, self.jitter)


class Determinant(eqx.Module):
    """Q_tot = Σᵢ Qᵢ + log det(B_a B_aᵀ), with nothing of its own to learn."""

    jitter: float = eqx.field(static=True)

    def items(self, offers: AgentValues) -> tuple[dpp.Items, ...]:
        """Those of what is offered; an absent agent's are its own axis, beside which nobody is crowded out."""

        def shape(offer):
            return (*offer.values.shape, -1)

        groups = [(offer.values, offer.features.reshape(shape(offer)), offer.available) for offer in offers.groups]
        by_group = items(groups, self.jitter)
        return by_group if offers.alive is None else dpp.present(by_group, offers.alive)

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Q_tot of the choices that are meant; the state has no part in it."""
        del state
        rows = tuple(group.rows for group in self.items(offers))
        apart = dpp.log_det(dpp.picked(rows, tuple(offer.action for offer in offers.groups)))
        return (offers.chosen.sum(-1) + apart)[:, None]


@dataclass(frozen=True, kw_only=True)
class Determinantal:
    """Q-DPP's mixer, declared.

    Attributes:
        embedding: D, the length of a vector: at least the number of agents.
        jitter: ε in (0, 1).
    """

    embedding: int = 32
    jitter: float = 1e-8
    credits: Literal["team"] = "team"

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Determinant:
        """Nothing that is learnt.

        Raises:
            RequestError: If there are more agents than vectors can be orthogonal.
        """
        agents = len(roster.names)
        require(
            self.embedding >= agents,
            f"--embedding {self.embedding} leaves no room for {agents} agents to choose unlike each other: "
            f"the least is --embedding {agents}",
        )
        return Determinant(self.jitter)

    def best(self, network: Determinant, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Agent after agent the choice that adds most."""
        by_group = network.items(offers)
        return dpp.greedy(by_group, jnp.arange(sum(group.values.shape[1] for group in by_group)))

    def loss(
        self, network: Determinant, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """(Q_tot − y)², and how much of Q_tot is the determinant's."""
        error, info = squared(network, offers, state, target)
        return error, info | {"log_det": info["value"] - offers.chosen.sum(-1)}
