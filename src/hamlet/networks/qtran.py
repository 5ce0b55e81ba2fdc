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
from typing import NamedTuple, TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.networks.perceptron import Perceptron
from hamlet.types import Key


class Terms(NamedTuple):
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
) -> Terms:
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
    return Terms((joint - target) ** 2, (best - greedy_still + value) ** 2, below**2)


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
            tuple(Perceptron.create(k, seen + count, seen + count, width) for k, seen, count in pairs),
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
        told = jnp.concatenate([_encoded(*one) for one in zip(self.encoders, features, actions, strict=True)], axis=1)
        told = told if alive is None else jnp.where(alive[..., None], told, 0.0)
        return self.joint(jnp.concatenate((state, told.sum(1)), axis=-1))[:, 0]


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


Joint: TypeAlias = Encoded | Exact


class Qtran(eqx.Module):
    """The joint value, and the state's V."""

    joint: Joint
    value: Perceptron
