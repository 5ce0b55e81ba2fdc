"""The mixer of QPLEX: a duplex duelling network.

It can represent every joint value whose best joint action consists of the agents' own best actions.

    Q̄ᵢ = wᵢ(s) Qᵢ + bᵢ(s),   wᵢ = |·| + 10⁻¹⁰,      V̄ᵢ = max over aᵢ of Q̄ᵢ,   Āᵢ = Q̄ᵢ(aᵢ) − V̄ᵢ ≤ 0,

    Q_tot(s, a) = Σᵢ V̄ᵢ + Σᵢ λᵢ(s, a) Āᵢ = Σᵢ Q̄ᵢ(aᵢ) + Σᵢ (λᵢ(s, a) − 1) ⌊Āᵢ⌋,

    λᵢ(s, a) = Σₖ (|keyₖ(s)| + 10⁻¹⁰) · σ(agentₖᵢ(s)) · σ(actionₖᵢ(s, a)) > 0.

s is the state, a the joint action, Qᵢ the value of agent i, and σ the sigmoid. w, b, key, agent and action are
networks. No gradient flows through ⌊Āᵢ⌋.

All weights are positive, so Q_tot has its maximum where every Āᵢ is 0: the agents' own best actions form the best joint
action, whatever λ is. If an agent's values of two actions differ little but the joint values differ much, λ must be
large. It can be: |key| has no upper bound.

Reference: Wang et al., 2021, arXiv:2008.01062.

Differences from the reference code: (1) Unavailable actions are excluded from the maximum. (2) All K kernels of a kind
are one network with K outputs per agent; the code has K networks. (3) Inactive agents are excluded from all sums. (4)
wᵢ depends on the state only; the code's optional attention over agents' observations for StarCraft is not implemented.
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
    """Return Q_tot = Σᵢ (wᵢ Qᵢ(aᵢ) + bᵢ) + Σᵢ (λᵢ − 1) ⌊wᵢ (Qᵢ(aᵢ) − max Qᵢ)⌋.

    No gradient flows through ⌊·⌋. All inputs of inactive agents are 0.

    Args:
        chosen: Qᵢ(aᵢ), the values of the selected actions.
        best: max over the available actions of Qᵢ.
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
    """λᵢ(s, a) = Σₖ (|keyₖ(s)| + 10⁻¹⁰) σ(agentₖᵢ(s)) σ(actionₖᵢ(s, a)), for the state s and the joint action a."""

    key: Perceptron
    agents: Perceptron
    actions: Perceptron
    kernels: int = eqx.field(static=True)

    @classmethod
    def create(
        cls, key: Key, state: int, choices: int, agents: int, *, kernels: int, width: int, layers: int
    ) -> "ImportanceNetwork":
        """Create initial weights.

        Args:
            key: For the random weights.
            state: S, the number of entries of the state.
            choices: The number of actions of all agents together.
            agents: n, the number of agents.
            kernels: K, the number of products in λ.
            width: Width of the hidden layers.
            layers: Number of linear layers in each network; 1 for no hidden layer.
        """
        keys, hidden = jax.random.split(key, 3), (width,) * (layers - 1)
        return cls(
            Perceptron.create(keys[0], state, *hidden, kernels),
            Perceptron.create(keys[1], state, *hidden, kernels * agents),
            Perceptron.create(keys[2], state + choices, *hidden, kernels * agents),
            kernels,
        )

    def __call__(self, action: Float[Array, "B C"], state: Float[Array, "B S"]) -> Float[Array, "B n"]:
        """Return λ of every agent for joint actions, given as the agents' concatenated one-hot actions."""
        rows = state.shape[0]
        scale = jnp.abs(self.key(state)) + _LEAST
        agent_weights = jax.nn.sigmoid(self.agents(state)).reshape(rows, self.kernels, -1)
        taken = self.actions(jnp.concatenate((state, action), axis=-1))
        return (scale[..., None] * agent_weights * jax.nn.sigmoid(taken).reshape(rows, self.kernels, -1)).sum(1)


class DuplexNetwork(eqx.Module):
    """The mixing network of QPLEX."""

    weight: Perceptron
    offset: Perceptron
    importance: ImportanceNetwork

    @classmethod
    def create(
        cls, key: Key, state: int, choices: int, agents: int, *, kernels: int, width: int, layers: int
    ) -> "DuplexNetwork":
        """Create initial weights; see `ImportanceNetwork.create`."""
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
        """Return Q_tot(s, a) for the state s and the joint action a.

        Args:
            chosen: Qᵢ(aᵢ), 0 for inactive agents.
            best: max over the available actions of Qᵢ, 0 for inactive agents.
            action: The agents' concatenated one-hot actions; zeros for inactive agents.
            state: The state of the whole team.
            alive: Which agents are active; None if all are.
        """
        weight, offset = jnp.abs(self.weight(state)) + _LEAST, self.offset(state)
        if alive is not None:
            offset = jnp.where(alive, offset, 0.0)
        return duplex(chosen, best, weight, offset, self.importance(action, state))

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Return Q_tot of the selected actions."""
        action = jnp.concatenate(offers.hot, axis=-1)
        return self(offers.chosen, offers.best, action, state, offers.alive)[:, None]


@dataclass(frozen=True, kw_only=True)
class Duplex:
    """The declaration of QPLEX's mixer.

    Attributes:
        kernels: K, the number of products whose sum is λ.
        hidden: Width of the hidden layers of all its networks.
        layers: Linear layers in each network of λ; 1 for no hidden layer.
    """

    kernels: int = 10
    hidden: int = 64
    layers: int = 3
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse sizes below 1."""
        for flag, size in (("kernels", self.kernels), ("hypernetwork-hidden", self.hidden), ("layers", self.layers)):
            require(size >= 1, f"--{flag} must be at least 1, not {size}")

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> DuplexNetwork:
        """Create initial weights."""
        choices = sum(group.action.width * len(group.names) for group in roster.groups)
        sizes = {"kernels": self.kernels, "width": self.hidden, "layers": self.layers}
        return DuplexNetwork.create(key, state_width, choices, len(roster.names), **sizes)

    def best(self, network: DuplexNetwork, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Return every agent's own best action."""
        return offers.greedy

    def loss(
        self, network: DuplexNetwork, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """Return (Q_tot − y)², where y is the target."""
        return squared(network, offers, state, target)
