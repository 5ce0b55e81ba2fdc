"""The agents of Q-DPP, with values and a unit vector for every action; and the mixer that combines them.

`hamlet.networks.mixers.dpp` explains the vectors. An agent's network has two heads on one torso. Its vectors are passed
to the mixer in place of the features that other algorithms pass. The mixer itself has no parameters.
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
    """An agent's policy from values and vectors.

    Alone, an agent acts by its values only. Together, agents act as the sampler of Q-DPP specifies (`ByVolume`).

    Attributes:
        values: The value of every action.
        vectors: The unit vector of every action.
        available: The action mask; None if all actions are available.
        temperature: T, the temperature of sampling.
        even: The share of actions that are sampled uniformly.
        jitter: ε of the vectors' extension.
    """

    values: Float[Array, "*B A"]
    vectors: Float[Array, "*B A D"]
    available: Bool[Array, "*B A"] | None
    temperature: Float[Array, "*B"]
    even: float = eqx.field(static=True)
    jitter: float = eqx.field(static=True)

    def sample(self, noise: Float[Array, "*B A"]) -> Int[Array, "*B"]:
        """Sample one action per row, as if there were no other agents."""
        shares = dpp.shares(self.values / self.temperature[..., None], self.available, self.even)
        return jnp.argmax(shares + noise, axis=-1).astype(jnp.int32)

    def mode(self) -> Int[Array, "*B"]:
        """Return the best available action by the values."""
        return greedy(self.values, self.available)


@dataclass(frozen=True)
class ByVolume:
    """Agents choose sequentially: aᵢ ∝ ‖residual of b(oᵢ, aᵢ)‖² exp(Qᵢ(oᵢ, aᵢ) / T); see `dpp.sample`.

    b(oᵢ, aᵢ) is the unit vector of action aᵢ, Qᵢ its value and T the temperature. ``chance.turns`` gives the order of
    the agents, separately in every environment copy. Inactive agents do not change the residuals of other agents.
    """

    def sample(
        self, policies: tuple[DiversePolicy, ...], chance: Chance, alive: Bool[Array, "E n"] | None
    ) -> tuple[Int[Array, "E _N"], ...]:
        """Sample one action per agent."""
        offered, first = _offered(policies, alive), policies[0]
        heat = first.temperature.reshape(-1)[0]
        return dpp.sample(offered, in_turns(chance.turns), chance.noise, temperature=heat, exploration=first.even)

    def mode(self, policies: tuple[DiversePolicy, ...], alive: Bool[Array, "E n"] | None) -> tuple[Array, ...]:
        """Return each agent's best action by its own values.

        Only exploration uses the joint sampler; in deterministic mode the agents act independently.
        """
        return tuple(policy.mode() for policy in policies)

    def log_probability(
        self,
        policies: tuple[DiversePolicy, ...],
        actions: tuple[Int[Array, "E _N"], ...],
        turns: Float[Array, "E n"],
        alive: Bool[Array, "E n"] | None,
    ) -> Float[Array, "E n"]:
        """Return each agent's log-probability, given the actions chosen before it; 0 for inactive agents."""
        offered, first = _offered(policies, alive), policies[0]
        heat = first.temperature.reshape(-1)[0]
        logs = dpp.log_probability(offered, in_turns(turns), actions, temperature=heat, exploration=first.even)
        return logs if alive is None else jnp.where(alive, logs, 0.0)


def in_turns(turns: Float[Array, "E n"]) -> Int[Array, "E n"]:
    """Return the agents' indices in the order in which they choose."""
    return jnp.argsort(turns, axis=-1).astype(jnp.int32)


def _offered(policies: tuple[DiversePolicy, ...], alive: Bool[Array, "E n"] | None) -> tuple[dpp.Items, ...]:
    offered = items([(policy.values, policy.vectors, policy.available) for policy in policies], policies[0].jitter)
    return offered if alive is None else dpp.present(offered, alive)


def items(groups: list[tuple[Array, Array, Array | None]], jitter: float) -> tuple[dpp.Items, ...]:
    """Return the items of all groups, from tuples (values, vectors, action mask) and with extended vectors."""
    agents, first, by_group = sum(values.shape[1] for values, _, _ in groups), 0, []
    for values, vectors, available in groups:
        rows = jnp.swapaxes(dpp.extended(jnp.swapaxes(vectors, 1, 2), first, agents, jitter), 1, 2)
        by_group.append(dpp.Items(rows, values, available))
        first += values.shape[1]
    return tuple(by_group)


class Diverse(eqx.Module):
    """The utility network of one unit, with a second head for the vectors."""

    joint: ClassVar[JointPolicy] = FromDistributions(ByVolume())
    utility: Utility
    head: Layer | Plain
    even: float = eqx.field(static=True)
    jitter: float = eqx.field(static=True)

    @property
    def exploration(self) -> Rate:
        """Return the current temperature T, which the learner sets."""
        return self.utility.exploration

    @property
    def torso(self) -> Torso:
        """Return the torso of both heads."""
        return self.utility.torso

    def vectors(self, features: Float[Array, "*B F"]) -> Float[Array, "*B A D"]:
        """Return b(o, ·), the unit vectors of all actions."""
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
        """Return the policy at every step, and the memory after every step."""
        features, memories = self.utility.features(observation, memory, start)
        values = self.utility.head(features)
        temperature = jnp.broadcast_to(self.exploration.value, values.shape[:2])
        policy = DiversePolicy(values, self.vectors(features), available, temperature, self.even, self.jitter)
        return policy, memories

    def values(self, observation: Shaped[Array, "L B *O"]) -> tuple[Float[Array, "L B A"], Float[Array, "L B F"]]:
        """Return the values of every action in whole episodes, time first, and the actions' vectors in one row."""
        values, features = self.utility.values(observation)
        vectors = self.vectors(features)
        return values, vectors.reshape(*vectors.shape[:-2], -1)


@dataclass(frozen=True, kw_only=True)
class DiverseUtilities:
    """Agents with a value and a vector for every action, which explore with the sampler of Q-DPP.

    Attributes:
        exploration: How the temperature T decreases; its start and end are in (0, 1].
        embedding: D, the length of a vector.
        even: The share of actions that are sampled uniformly, in [0, 1].
        jitter: ε in (0, 1), of the vectors' extension.
    """

    exploration: Schedule = field(default_factory=lambda: Schedule(start=0.5, end=0.01))
    embedding: int = 32
    even: float = 0.0
    jitter: float = 1e-8

    def __post_init__(self) -> None:
        """Refuse settings that the sampler cannot use."""
        coldest = min(self.exploration.start, self.exploration.end)
        require(coldest > 0, "--temperature-start and --temperature-end must be above 0; try 0.01")
        require(0 <= self.even <= 1, f"--exploration must be in [0, 1], got {self.even}")
        require(0 < self.jitter < 1, f"--jitter must be in (0, 1), got {self.jitter}; try 1e-8")
        require(self.embedding >= 1, f"--embedding must be at least 1, not {self.embedding}")

    def create(self, key: Key, observation: Space, action: Space, body: NetworkConfig) -> Diverse:
        """Create an untrained network for the observation and action spaces of one agent.

        Raises:
            RequestError: If the action space is not Discrete.
        """
        utility_key, head_key = jax.random.split(key)
        utility = Utilities(exploration=self.exploration).create(utility_key, observation, action, body)
        outputs = action.width * self.embedding
        head = layer(head_key, feature_count(observation, body), outputs, body, gain=1.0)
        return Diverse(utility, head, self.even, self.jitter)


class Determinant(eqx.Module):
    """Q_tot = Σᵢ Qᵢ + log det(B_a B_aᵀ), without parameters; B_a are the vectors of the selected actions."""

    jitter: float = eqx.field(static=True)

    def items(self, offers: AgentValues) -> tuple[dpp.Items, ...]:
        """Return the items from the agents' values and vectors.

        The vectors of an inactive agent lie on its own axis, so they do not reduce the residuals of other agents.
        """

        def shape(offer):
            return (*offer.values.shape, -1)

        groups = [(offer.values, offer.features.reshape(shape(offer)), offer.available) for offer in offers.groups]
        by_group = items(groups, self.jitter)
        return by_group if offers.alive is None else dpp.present(by_group, offers.alive)

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Return Q_tot of the selected actions; the state is not used."""
        del state
        rows = tuple(group.rows for group in self.items(offers))
        apart = dpp.log_det(dpp.picked(rows, tuple(offer.action for offer in offers.groups)))
        return (offers.chosen.sum(-1) + apart)[:, None]


@dataclass(frozen=True, kw_only=True)
class Determinantal:
    """The declaration of Q-DPP's mixer.

    Attributes:
        embedding: D, the length of a vector: at least the number of agents.
        jitter: ε in (0, 1), of the vectors' extension.
    """

    embedding: int = 32
    jitter: float = 1e-8
    credits: Literal["team"] = "team"

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> Determinant:
        """Create the network, which has no parameters.

        Raises:
            RequestError: If there are more agents than a vector has entries, because they cannot all be orthogonal
                then.
        """
        agents = len(roster.names)
        require(
            self.embedding >= agents,
            f"--embedding {self.embedding} is too small: the vectors of {agents} agents cannot all be orthogonal; "
            f"the least is --embedding {agents}",
        )
        return Determinant(self.jitter)

    def best(self, network: Determinant, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Return a joint action in which each agent in turn takes the action that adds most."""
        by_group = network.items(offers)
        return dpp.greedy(by_group, jnp.arange(sum(group.values.shape[1] for group in by_group)))

    def loss(
        self, network: Determinant, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """Return (Q_tot − y)² with the target y, and the determinant's part of Q_tot."""
        error, info = squared(network, offers, state, target)
        return error, info | {"log_det": info["value"] - offers.chosen.sum(-1)}
