"""QPLEX's mixer: a duplex duelling network, which represents every joint value whose best choices are the agents' own.

    Q̄ᵢ = wᵢ(s) Qᵢ + bᵢ(s),   wᵢ = |·| + 10⁻¹⁰,      V̄ᵢ = max over aᵢ of Q̄ᵢ,   Āᵢ = Q̄ᵢ(aᵢ) − V̄ᵢ ≤ 0,

    Q_tot(s, a) = Σᵢ V̄ᵢ + Σᵢ λᵢ(s, a) Āᵢ = Σᵢ Q̄ᵢ(aᵢ) + Σᵢ (λᵢ(s, a) − 1) ⌊Āᵢ⌋,

    λᵢ(s, a) = Σₖ (|keyₖ(s)| + 10⁻¹⁰) · σ(agentₖᵢ(s)) · σ(actionₖᵢ(s, a)) > 0,

where nothing is learnt through ⌊Āᵢ⌋. All weights are positive, so that Q_tot is best where every Āᵢ is 0: the agents'
own best choices are the joint ones, whatever λ is. Where an agent barely prefers one choice to another and the joint
value prefers it by far, λ has to be large: |key| bounds it by nothing.

Reference: Wang et al., 2021, arXiv:2008.01062.

Differences from the reference code: (1) what is unavailable is left out of the maximum; (2) all K kernels of a kind are
one network with K outputs an agent, where the code has K networks; (3) absent agents have no part in any sum; (4) wᵢ
is the state's alone, without the attention over what agents see that the code offers for StarCraft.
"""

from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.errors import require
from hamlet.networks.mixers.base import AgentValues, squared
from hamlet.networks.mixers.perceptron import Perceptron
from hamlet.roster import Roster
from hamlet.types import Info, Key

_LEAST = 1e-10


def duplex(
    chosen: Float[Array, "B n"],
    best: Float[Array, "B n"],
    weight: Float[Array, "B n"],
    offset: Float[Array, "B n"],
    importance: Float[Array, "B n"],
) -> Float[Array, " B"]:
    """Q_tot = Σᵢ (wᵢ Qᵢ(aᵢ) + bᵢ) + Σᵢ (λᵢ − 1) ⌊wᵢ (Qᵢ(aᵢ) − max Qᵢ)⌋.

    Args:
        chosen: Qᵢ(aᵢ); 0 for absent agents, as all else of theirs.
        best: max over the available choices of Qᵢ.
        weight: wᵢ, above 0.
        offset: bᵢ.
        importance: λᵢ, above 0.

    >>> one = jnp.ones((1, 2))
    >>> duplex(jnp.array([[0.0, 2.0]]), jnp.array([[3.0, 2.0]]), one, 0 * one, 5 * one)
    Array([-10.], dtype=float32)
    """
    behind = jax.lax.stop_gradient(weight * (chosen - best))
    return (weight * chosen + offset + (importance - 1.0) * behind).sum(-1)


class ImportanceNetwork(eqx.Module):
    """λᵢ(s, a) = Σₖ (|keyₖ(s)| + 10⁻¹⁰) σ(agentₖᵢ(s)) σ(actionₖᵢ(s, a))."""

    key: Perceptron
    agents: Perceptron
    actions: Perceptron
    kernels: int = eqx.field(static=True)

    @classmethod
    def create(
        cls, key: Key, state: int, choices: int, agents: int, *, kernels: int, width: int, layers: int
    ) -> "ImportanceNetwork":
        """Fresh networks.

        Args:
            key: Of the weights.
            state: S, numbers of the state.
            choices: Of all agents together.
            agents: n.
            kernels: K.
            width: Of hidden layers.
            layers: Of linear maps in each network; 1 for none hidden.
        """
        keys, hidden = jax.random.split(key, 3), (width,) * (layers - 1)
        return cls(
            Perceptron.create(keys[0], state, *hidden, kernels),
            Perceptron.create(keys[1], state, *hidden, kernels * agents),
            Perceptron.create(keys[2], state + choices, *hidden, kernels * agents),
            kernels,
        )

    def __call__(self, action: Float[Array, "B C"], state: Float[Array, "B S"]) -> Float[Array, "B n"]:
        """λ of every agent for joint actions, each agent's one-hot after the other's."""
        rows = state.shape[0]
        scale = jnp.abs(self.key(state)) + _LEAST
        agent_weights = jax.nn.sigmoid(self.agents(state)).reshape(rows, self.kernels, -1)
        taken = self.actions(jnp.concatenate((state, action), axis=-1))
        return (scale[..., None] * agent_weights * jax.nn.sigmoid(taken).reshape(rows, self.kernels, -1)).sum(1)


class DuplexNetwork(eqx.Module):
    """QPLEX's mixing network."""

    weight: Perceptron
    offset: Perceptron
    importance: ImportanceNetwork

    @classmethod
    def create(
        cls, key: Key, state: int, choices: int, agents: int, *, kernels: int, width: int, layers: int
    ) -> "DuplexNetwork":
        """Fresh networks; see `ImportanceNetwork.create`."""
        keys = jax.random.split(key, 3)
        return cls(
            Perceptron.create(keys[0], state, width, agents),
            Perceptron.create(keys[1], state, width, agents),
            ImportanceNetwork.create(keys[2], state, choices, agents, kernels=kernels, width=width, layers=layers),
        )

    def __call__(
        self,
        chosen: Float[Array, "B n"],
        best: Float[Array, "B n"],
        action: Float[Array, "B C"],
        state: Float[Array, "B S"],
        alive: Bool[Array, "B n"] | None,
    ) -> Float[Array, " B"]:
        """Q_tot(s, a).

        Args:
            chosen: Qᵢ(aᵢ), 0 for absent agents.
            best: max over the available choices of Qᵢ, 0 for absent agents.
            action: Every agent's choice as one-hot, one after the other; zeros for absent agents.
            state: Of the whole team.
            alive: Who acts; None for all.
        """
        weight, offset = jnp.abs(self.weight(state)) + _LEAST, self.offset(state)
        if alive is not None:
            offset = jnp.where(alive, offset, 0.0)
        return duplex(chosen, best, weight, offset, self.importance(action, state))

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Q_tot of the choices that are meant."""
        action = jnp.concatenate(offers.hot, axis=-1)
        return self(offers.chosen, offers.best, action, state, offers.alive)[:, None]


@dataclass(frozen=True, kw_only=True)
class Duplex:
    """QPLEX's mixer, declared.

    Attributes:
        kernels: K, products of which λ is the sum.
        hidden: Width of the hidden layers of all its networks.
        layers: Linear maps in each network of λ; 1 for none hidden.
    """

    kernels: int = 10
    hidden: int = 64
    layers: int = 3
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse sizes that are none."""
        for flag, size in (("kernels", self.kernels), ("hypernetwork-hidden", self.hidden), ("layers", self.layers)):
            require(size >= 1, f"--{flag} must be at least 1, not {size}")

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> DuplexNetwork:
        """Fresh weights."""
        choices = sum(group.action.width * len(group.names) for group in roster.groups)
        sizes = {"kernels": self.kernels, "width": self.hidden, "layers": self.layers}
        return DuplexNetwork.create(key, state_width, choices, len(roster.names), **sizes)

    def best(self, network: DuplexNetwork, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Every agent's own best choice."""
        return offers.greedy

    def loss(
        self, network: DuplexNetwork, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """(Q_tot − y)²."""
        return squared(network, offers, state, target)
