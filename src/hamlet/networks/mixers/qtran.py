"""QTRAN-base: an unconstrained joint value, and agents' own values that are fitted to it.

    L = (Q̂(s, a) − y)²                                      temporal-difference loss of the joint value
      + c_opt  (Σᵢ Qᵢ(ūᵢ) − ⌊Q̂(s, ū)⌋ + V(s))²,   ūᵢ = argmax Qᵢ     equality at the agents' best actions ū
      + c_nopt min(0, Σᵢ Qᵢ(aᵢ) − ⌊Q̂(s, a)⌋ + V(s))²                 a lower bound at all joint actions

s is the state, a the joint action, y the target, Q̂ the joint value, Qᵢ the value of agent i, V the state's correction,
and c_opt, c_nopt are weights. No gradient flows through ⌊·⌋. If the last two terms are 0 for every a, the agents' own
best actions maximise Q̂. V compensates for the part of the state that agents do not observe. All networks in L are the
current ones; only y uses target networks.

There are two kinds of joint value. "encoded" takes the agents' actions as an input: Q̂(s, Σᵢ f(hᵢ, aᵢ)), where hᵢ are
the features from which agent i's values are computed and f is an encoder. "exact" has one output for each joint action,
and is possible only if there are few joint actions.

Reference: Son et al., 2019, arXiv:1905.05408.

Differences from the reference code: (1) The encodings f of all agents have the same width, whatever their number of
actions, so that the encodings of heterogeneous agents can be added. (2) Inactive agents are excluded from all sums.
"""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.errors import require
from hamlet.networks.mixers.base import AgentValues
from hamlet.networks.mixers.perceptron import Perceptron
from hamlet.roster import Roster
from hamlet.types import Info, Key

# The largest number of outputs of an exact joint value.
LARGEST = 100_000


class QtranTerms(NamedTuple):
    """The three losses of every step, before they are weighted."""

    td: Float[Array, " B"]
    opt: Float[Array, " B"]
    nopt: Float[Array, " B"]


def terms(
    joint: Float[Array, " B"],
    greedy: Float[Array, " B"],
    value: Float[Array, " B"],
    chosen: Float[Array, " B"],
    best: Float[Array, " B"],
    target: Float[Array, " B"],
) -> QtranTerms:
    """Return the losses of QTRAN-base.

    Args:
        joint: Q̂(s, a), the joint value of the actions that were taken.
        greedy: Q̂(s, ū), the joint value of the agents' best actions ū.
        value: V(s).
        chosen: Σᵢ Qᵢ(aᵢ).
        best: Σᵢ Qᵢ(ūᵢ).
        target: y.

    >>> x = jnp.array
    >>> [float(one[0]) for one in terms(x([1.0]), x([4.0]), x([0.5]), x([-2.0]), x([3.0]), x([3.0]))]
    [4.0, 0.25, 6.25]
    """
    joint_still, greedy_still = jax.lax.stop_gradient((joint, greedy))
    below = jnp.minimum(0.0, chosen - joint_still + value)
    return QtranTerms((joint - target) ** 2, (best - greedy_still + value) ** 2, below**2)


class Encoded(eqx.Module):
    """The joint value Q̂(s, Σᵢ f(hᵢ, aᵢ)), with one encoder f for every group of agents.

    hᵢ are the features of agent i and aᵢ is its action.
    """

    encoders: tuple[Perceptron, ...]
    joint: Perceptron

    @classmethod
    def create(cls, key: Key, state: int, features: tuple[int, ...], choices: tuple[int, ...], width: int) -> "Encoded":
        """Create initial weights.

        Args:
            key: For the random weights.
            state: S, the number of entries of the state.
            features: The number of features of an agent, group by group.
            choices: The number of actions of an agent, group by group.
            width: Width of all hidden layers, and of f.
        """
        joint_key, *keys = jax.random.split(key, 1 + len(choices))
        pairs = zip(keys, features, choices, strict=True)
        return cls(
            tuple(Perceptron.create(k, size + count, size + count, width) for k, size, count in pairs),
            Perceptron.create(joint_key, state + width, width, width, 1),
        )

    def __call__(
        self,
        features: tuple[Float[Array, "B _N _F"], ...],
        actions: tuple[Int[Array, "B _N"], ...],
        alive: Bool[Array, "B n"] | None,
        state: Float[Array, "B S"],
    ) -> Float[Array, " B"]:
        """Return Q̂ of joint actions, given group by group."""
        code = jnp.concatenate([_encoded(*part) for part in zip(self.encoders, features, actions, strict=True)], axis=1)
        code = code if alive is None else jnp.where(alive[..., None], code, 0.0)
        return self.joint(jnp.concatenate((state, code.sum(1)), axis=-1))[:, 0]


def _encoded(encoder: Perceptron, features: Float[Array, "B N F"], action: Int[Array, "B N"]) -> Float[Array, "B N W"]:
    """Return f(hᵢ, aᵢ) for the agents of a group."""
    choices = encoder.layers[0].weight.shape[1] - features.shape[-1]
    rows = jnp.concatenate((features, jax.nn.one_hot(action, choices)), axis=-1)
    return encoder(rows.reshape(-1, rows.shape[-1])).reshape(*action.shape, -1)


class Exact(eqx.Module):
    """The joint value Q̂(s, ·) with one output for each joint action, numbered in mixed radix of the agents' actions."""

    joint: Perceptron
    choices: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def create(cls, key: Key, state: int, choices: tuple[int, ...], width: int) -> "Exact":
        """Create initial weights; ``choices`` are the numbers of actions of all agents."""
        return cls(Perceptron.create(key, state, width, width, math.prod(choices)), choices)

    def __call__(
        self,
        features: tuple[Float[Array, "B _N _F"], ...],
        actions: tuple[Int[Array, "B _N"], ...],
        alive: Bool[Array, "B n"] | None,
        state: Float[Array, "B S"],
    ) -> Float[Array, " B"]:
        """Return Q̂ of joint actions, given group by group.

        Inactive agents are treated as if they chose action 0. The features are not used.
        """
        del features
        taken = jnp.concatenate(actions, axis=1)
        taken = taken if alive is None else jnp.where(alive, taken, 0)
        joint = jnp.ravel_multi_index(tuple(taken.T), self.choices, mode="clip")
        return jnp.take_along_axis(self.joint(state), joint[:, None], axis=-1)[:, 0]


class QtranNetwork(eqx.Module):
    """The joint value Q̂, and the correction V of the state."""

    table: Encoded | Exact
    value: Perceptron

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Return Q̂(s, a) of the selected actions."""
        features = tuple(offer.features for offer in offers.groups)
        actions = tuple(offer.action for offer in offers.groups)
        return self.table(features, actions, offers.alive, state)[:, None]


@dataclass(frozen=True, kw_only=True)
class Qtran:
    """The declaration of QTRAN-base's joint value and losses.

    Attributes:
        opt: c_opt, the weight of the equality term, at least 0.
        nopt: c_nopt, the weight of the lower-bound term, at least 0.
        kind: "encoded": a joint value of the sum of the agents' encoded actions; "exact": one output per joint action.
        hidden: Width of the hidden layers, and of the encoded actions.
    """

    opt: float = 1.0
    nopt: float = 0.1
    kind: Literal["encoded", "exact"] = "encoded"
    hidden: int = 64
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse negative weights, an unknown kind and widths below 1."""
        require(self.opt >= 0, f"--opt must not be negative: {self.opt}")
        require(self.nopt >= 0, f"--nopt must not be negative: {self.nopt}")
        require(self.kind in ("encoded", "exact"), f"--joint must be encoded or exact, got {self.kind!r}")
        require(self.hidden >= 1, f"--mixing-width must be at least 1, not {self.hidden}")

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> QtranNetwork:
        """Create initial weights.

        Raises:
            RequestError: If there are too many joint actions for one output each.
        """
        joint_key, value_key = jax.random.split(key)
        value = Perceptron.create(value_key, state_width, self.hidden, self.hidden, 1)
        choices = tuple(group.action.width for group in roster.groups)
        if self.kind == "encoded":
            return QtranNetwork(Encoded.create(joint_key, state_width, features, choices, self.hidden), value)
        every = tuple(group.action.width for group in roster.groups for _ in group.names)
        count, spoken = math.prod(every), " × ".join(map(str, every))
        spoken = spoken if len(every) <= 6 else f"the actions of {len(every)} agents"
        require(
            count <= LARGEST,
            f"--joint exact needs one output for each joint action, {spoken} = {count:,}, more than the limit of "
            f"{LARGEST:,}: use --joint encoded",
        )
        return QtranNetwork(Exact.create(joint_key, state_width, every, self.hidden), value)

    def best(self, network: QtranNetwork, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Return every agent's own best action."""
        return offers.greedy

    def loss(
        self, network: QtranNetwork, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """Return the weighted sum of the three losses, and the three losses as metrics."""
        joint = network.joint(offers, state)[:, 0]
        greedy = network.joint(offers.at(offers.greedy), state)[:, 0]
        value, chosen, best = network.value(state)[:, 0], offers.chosen.sum(-1), offers.best.sum(-1)
        losses = terms(joint, greedy, value, chosen, best, target[:, 0])
        total = losses.td + self.opt * losses.opt + self.nopt * losses.nopt
        return total, {"value": joint, "td_loss": losses.td, "opt_loss": losses.opt, "nopt_loss": losses.nopt}
