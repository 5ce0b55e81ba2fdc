"""QTRAN-base: a joint value that is learnt freely, and agents' own values that follow it.

    L = (Q̂(s, a) − y)²                                      the joint value, by temporal differences
      + c_opt  (Σᵢ Qᵢ(ūᵢ) − ⌊Q̂(s, ū)⌋ + V(s))²,   ūᵢ = argmax Qᵢ     equal at the agents' best choices
      + c_nopt min(0, Σᵢ Qᵢ(aᵢ) − ⌊Q̂(s, a)⌋ + V(s))²                 and nowhere below,

where nothing is learnt through ⌊·⌋. If both of the latter vanish for every a, the agents' own best choices are best for
Q̂. V makes up for what agents do not see, and all of it is the current networks': a target network is in y alone.

The joint value either has the agents' choices as its input, Q̂(s, Σᵢ f(hᵢ, aᵢ)) with hᵢ what the agent's values are
computed from, or one output for each joint action ("exact"), of which there are few where it can be had.

Reference: Son et al., 2019, arXiv:1905.05408.

Differences from the reference code: (1) the encodings f of agents have one width, whatever their choices, so that
unlike ones can be added; (2) absent agents have no part in any sum.
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

# Outputs of an exact joint value at most.
LARGEST = 100_000


class QtranTerms(NamedTuple):
    """The three losses of every step, before they are weighed."""

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
    """The losses of QTRAN-base.

    Args:
        joint: Q̂(s, a) at what was played.
        greedy: Q̂(s, ū) at the agents' best choices.
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
    """Q̂(s, Σᵢ f(hᵢ, aᵢ)), with one f for every group of agents."""

    encoders: tuple[Perceptron, ...]
    joint: Perceptron

    @classmethod
    def create(cls, key: Key, state: int, features: tuple[int, ...], choices: tuple[int, ...], width: int) -> "Encoded":
        """Fresh networks.

        Args:
            key: Of the weights.
            state: S, numbers of the state.
            features: Of an agent, group by group.
            choices: Of an agent, group by group.
            width: Of all hidden layers, and of f.
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
        """Q̂ of joint actions, group by group."""
        code = jnp.concatenate([_encoded(*part) for part in zip(self.encoders, features, actions, strict=True)], axis=1)
        code = code if alive is None else jnp.where(alive[..., None], code, 0.0)
        return self.joint(jnp.concatenate((state, code.sum(1)), axis=-1))[:, 0]


def _encoded(encoder: Perceptron, features: Float[Array, "B N F"], action: Int[Array, "B N"]) -> Float[Array, "B N W"]:
    """f(hᵢ, aᵢ) of the agents of a group."""
    choices = encoder.layers[0].weight.shape[1] - features.shape[-1]
    rows = jnp.concatenate((features, jax.nn.one_hot(action, choices)), axis=-1)
    return encoder(rows.reshape(-1, rows.shape[-1])).reshape(*action.shape, -1)


class Exact(eqx.Module):
    """Q̂(s, ·) with one output for each joint action, in the mixed radix of the agents' choices."""

    joint: Perceptron
    choices: tuple[int, ...] = eqx.field(static=True)

    @classmethod
    def create(cls, key: Key, state: int, choices: tuple[int, ...], width: int) -> "Exact":
        """Fresh weights; ``choices`` are those of every agent."""
        return cls(Perceptron.create(key, state, width, width, math.prod(choices)), choices)

    def __call__(
        self,
        features: tuple[Float[Array, "B _N _F"], ...],
        actions: tuple[Int[Array, "B _N"], ...],
        alive: Bool[Array, "B n"] | None,
        state: Float[Array, "B S"],
    ) -> Float[Array, " B"]:
        """Q̂ of joint actions, group by group; absent agents are taken to choose 0. Features have no part in it."""
        del features
        taken = jnp.concatenate(actions, axis=1)
        taken = taken if alive is None else jnp.where(alive, taken, 0)
        joint = jnp.ravel_multi_index(tuple(taken.T), self.choices, mode="clip")
        return jnp.take_along_axis(self.joint(state), joint[:, None], axis=-1)[:, 0]


class QtranNetwork(eqx.Module):
    """The joint value, and the state's V."""

    table: Encoded | Exact
    value: Perceptron

    def joint(self, offers: AgentValues, state: Float[Array, "B S"]) -> Float[Array, "B 1"]:
        """Q̂(s, a) of the choices that are meant."""
        features = tuple(offer.features for offer in offers.groups)
        actions = tuple(offer.action for offer in offers.groups)
        return self.table(features, actions, offers.alive, state)[:, None]


@dataclass(frozen=True, kw_only=True)
class Qtran:
    """QTRAN-base's joint value and losses, declared.

    Attributes:
        opt: c_opt, at least 0.
        nopt: c_nopt, at least 0.
        kind: "encoded", the joint value of a sum of what agents do, or "exact", one output for each joint action.
        hidden: Width of hidden layers, and of what is summed.
    """

    opt: float = 1.0
    nopt: float = 0.1
    kind: Literal["encoded", "exact"] = "encoded"
    hidden: int = 64
    credits: Literal["team"] = "team"

    def __post_init__(self) -> None:
        """Refuse settings under which nothing, or nothing sensible, happens."""
        require(self.opt >= 0, f"--opt must not be negative: {self.opt}")
        require(self.nopt >= 0, f"--nopt must not be negative: {self.nopt}")
        require(self.kind in ("encoded", "exact"), f"--joint is encoded or exact, not {self.kind!r}")
        require(self.hidden >= 1, f"--mixing-width must be at least 1, not {self.hidden}")

    def create(self, key: Key, roster: Roster, state_width: int, features: tuple[int, ...]) -> QtranNetwork:
        """Fresh weights.

        Raises:
            RequestError: If there are too many joint actions for an output each.
        """
        joint_key, value_key = jax.random.split(key)
        value = Perceptron.create(value_key, state_width, self.hidden, self.hidden, 1)
        choices = tuple(group.action.width for group in roster.groups)
        if self.kind == "encoded":
            return QtranNetwork(Encoded.create(joint_key, state_width, features, choices, self.hidden), value)
        every = tuple(group.action.width for group in roster.groups for _ in group.names)
        count, spoken = math.prod(every), " × ".join(map(str, every))
        spoken = spoken if len(every) <= 6 else f"the choices of {len(every)} agents"
        require(
            count <= LARGEST,
            f"--joint exact has one output for each joint action, {spoken} = {count:,}, and takes {LARGEST:,} at most: "
            "use --joint encoded",
        )
        return QtranNetwork(Exact.create(joint_key, state_width, every, self.hidden), value)

    def best(self, network: QtranNetwork, offers: AgentValues) -> tuple[Int[Array, "B _N"], ...]:
        """Every agent's own best choice."""
        return offers.greedy

    def loss(
        self, network: QtranNetwork, offers: AgentValues, state: Float[Array, "B S"], target: Float[Array, "B 1"]
    ) -> tuple[Float[Array, " B"], Info]:
        """The three losses, weighed, and each of the latter two by itself."""
        joint = network.joint(offers, state)[:, 0]
        greedy = network.joint(offers.at(offers.greedy), state)[:, 0]
        value, chosen, best = network.value(state)[:, 0], offers.chosen.sum(-1), offers.best.sum(-1)
        losses = terms(joint, greedy, value, chosen, best, target[:, 0])
        total = losses.td + self.opt * losses.opt + self.nopt * losses.nopt
        return total, {"value": joint, "td_loss": losses.td, "opt_loss": losses.opt, "nopt_loss": losses.nopt}
