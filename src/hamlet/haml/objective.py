"""The objective that one unit maximises while the other units' policies are fixed, and the data of this objective."""

import dataclasses
from typing import Any, Self

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.distributions import Distribution
from hamlet.estimation.accumulation import fetched, in_parts, pick, shares, summed
from hamlet.estimation.returns import mean
from hamlet.haml.drift import Drift
from hamlet.networks.heads import AnyActor
from hamlet.types import Info, Scalar


class Experience(eqx.Module):
    """One unit's data of a batch: B sequences of L steps.

    A unit is one set of policy parameters, of K agents that share it. The sequences are ordered by environment copy and
    time; the sequences of the K agents follow each other. In the data of a group, all arrays are stacked by unit. The
    shapes below are for one unit.

    Attributes:
        observation: Encoded observations ``[B, L, O]``, or images ``[B, L, H, W, C]``; or `Stored`.
        action: Actions ``[B, L, …]``.
        available: Mask of available discrete actions ``[B, L, A]``, or None.
        alive: Mask of steps with an active agent ``[B, L]``, or None for all. Other steps are left out of all means
            and of the product of ratios M.
        start: True where an episode starts, ``[B, L]``.
        memory: GRU state before the first step of each sequence ``[B, H]``, or None.
        advantage: Advantages ``[B, L]``, standardised over the unit's active steps.
        agents: K.
        at_once: Number of sequences that networks process at once; 0 for all.
    """

    observation: Any
    action: Array
    available: Bool[Array, "*units B L A"] | None
    alive: Bool[Array, "*units B L"] | None
    start: Bool[Array, "*units B L"]
    memory: Float[Array, "*units B H"] | None
    advantage: Float[Array, "*units B L"]
    agents: int = eqx.field(static=True)
    at_once: int = eqx.field(static=True, default=0)

    def policy(self, actor: AnyActor) -> Distribution:
        """Return the actor's distribution at every step."""

        def of(observation: Any, memory: Any, start: Array, available: Any) -> Distribution:
            return actor(fetched(observation), memory, start, available)[0]

        return in_parts(of, self.at_once, self.observation, self.memory, self.start, self.available)


class ObjectiveTerms(eqx.Module):
    """The terms of an objective, as means over the batch.

    Attributes:
        gain: The objective of the theory: E[ r·M Â − 𝔇 ] with drift 𝔇, or E[ Q ].
        entropy: Mean entropy E[ H(π̄) ] of the new policy π̄, in nats.
        measures: Further metrics to record.
    """

    gain: Scalar
    entropy: Scalar
    measures: Info


class Objective(eqx.Module):
    """The on-policy objective E[ r·M Â − 𝔇(π̄‖π) ] of one unit.

    π is the unit's policy before the update, π̄ its new policy, r their ratio, M Â the advantage times the ratios of
    earlier agents (``corrected``, fixed during the update), and 𝔇 the drift. Its metrics are:

    * ``approx_kl``: E[ r − 1 − log r ], an estimate of KL(π‖π̄) in nats without extra cost;
    * ``clip_fraction``: the fraction of steps whose ratio differs from 1 by more than 0.2.

    Every term is a mean over the batch. If the batch is processed in parts (`hamlet.estimation.accumulation`), the
    terms are sums over the parts, and ``weight`` ``[B, L]`` is the weight of each step in the mean.
    """

    experience: Experience
    corrected: Float[Array, "B L"]
    old: Distribution
    drift: Drift = eqx.field(static=True)
    weight: Float[Array, "B L"] | None = None

    @property
    def size(self) -> int:
        """Return the number B of sequences, which minibatches must divide."""
        return self.corrected.shape[0]

    @property
    def at_once(self) -> int:
        """Return the number of sequences that are processed at once; 0 for all."""
        return self.experience.at_once

    def take(self, index: Array) -> Self:
        """Return the objective on some of the sequences."""
        return pick(self, index)

    def weighed(self) -> Self:
        """Return the objective with the weight of each step, so that the terms of its parts add up to its terms."""
        experience = dataclasses.replace(self.experience, at_once=0)
        weight = shares(self.corrected.shape, experience.alive)
        return dataclasses.replace(self, experience=experience, weight=weight)

    def ratio(self, new: Distribution) -> Float[Array, "B L"]:
        """Return the ratio r = π̄(a|o)/π(a|o); 1 for an inactive agent."""
        action, alive = self.experience.action, self.experience.alive
        change = new.log_prob(action) - self.old.log_prob(action)
        # Masked before the exponential: an inactive agent's action is arbitrary, and an overflow gives a NaN gradient.
        return jnp.exp(change if alive is None else jnp.where(alive, change, 0.0))

    def __call__(self, actor: AnyActor) -> ObjectiveTerms:
        """Return all terms, from one evaluation of the policy."""
        return summed(lambda part: part._terms(actor), self)

    def _terms(self, actor: AnyActor) -> ObjectiveTerms:
        new, alive = self.experience.policy(actor), self.experience.alive
        ratio = self.ratio(new)
        gain = ratio * self.corrected - self.drift(ratio, self.corrected, self.old, new)
        measures = {
            "approx_kl": mean(ratio - 1.0 - jnp.log(ratio), alive, self.weight),
            "clip_fraction": mean((jnp.abs(ratio - 1.0) > 0.2).astype(jnp.float32), alive, self.weight),
        }
        return ObjectiveTerms(mean(gain, alive, self.weight), mean(new.entropy(), alive, self.weight), measures)

    def kl(self, actor: AnyActor) -> Scalar:
        """Return E[ KL(π‖π̄) ] in nats, exact for each observation."""

        def of(part: Objective) -> Scalar:
            return mean(part.old.kl(part.experience.policy(actor)), part.experience.alive, part.weight)

        return summed(of, self)
