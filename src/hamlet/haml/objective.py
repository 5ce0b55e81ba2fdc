"""What one unit maximises while the others stand still, and the experience it is measured on."""

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
    """One unit's share of a batch: B sequences of L steps (its K agents one after another within each copy's chunk).

    A group's experience is stacked by unit; what follows is of one.

    Attributes:
        observation: As networks take it, ``[B, L, O]``, or images ``[B, L, H, W, C]``; or `Stored`.
        action: ``[B, L, …]``.
        available: Which discrete choices were allowed, ``[B, L, A]``, or None.
        alive: Which steps count: an absent agent has no part in any mean, nor in M; ``[B, L]``, or None.
        start: True where an episode begins, ``[B, L]``.
        memory: Before the first step of each sequence, ``[B, H]``, or None.
        advantage: Standardised over the unit's living steps, ``[B, L]``.
        agents: K.
        at_once: How many sequences networks look at at once; 0 for all.
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
        """The actor's distribution at every step."""

        def of(observation: Any, memory: Any, start: Array, available: Any) -> Distribution:
            return actor(fetched(observation), memory, start, available)[0]

        return in_parts(of, self.at_once, self.observation, self.memory, self.start, self.available)


class ObjectiveTerms(eqx.Module):
    """Means over the batch.

    Attributes:
        gain: What the theory maximises: E[ r·M Â − 𝔇 ], or E[ Q ].
        entropy: E[ H(π̄) ], nats.
        measures: What else is recorded.
    """

    gain: Scalar
    entropy: Scalar
    measures: Info


class Objective(eqx.Module):
    """E[ r·M Â − 𝔇(π̄‖π) ] of one unit, with M Â fixed and π its policy before the update.

    Its measures: ``divergence``, E[ r − 1 − log r ], an estimate of KL(π‖π̄) that costs nothing more, nats; and
    ``outside``, the share of steps whose ratio is more than 0.2 away from 1.

    Every term is a mean over the batch. Where that is looked at in parts (`hamlet.estimation.accumulation`), the terms
    are sums over them; ``weight`` is then what each step of a part counts, ``[B, L]``.
    """

    experience: Experience
    corrected: Float[Array, "B L"]
    old: Distribution
    drift: Drift = eqx.field(static=True)
    weight: Float[Array, "B L"] | None = None

    @property
    def size(self) -> int:
        """B, the number of sequences, which minibatches divide."""
        return self.corrected.shape[0]

    @property
    def at_once(self) -> int:
        """How many sequences are looked at at once; 0 for all."""
        return self.experience.at_once

    def take(self, index: Array) -> Self:
        """The objective on some of the sequences."""
        return pick(self, index)

    def weighed(self) -> Self:
        """The same with each step's share of all, so that the terms of its parts add up to its own."""
        experience = dataclasses.replace(self.experience, at_once=0)
        weight = shares(self.corrected.shape, experience.alive)
        return dataclasses.replace(self, experience=experience, weight=weight)

    def ratio(self, new: Distribution) -> Float[Array, "B L"]:
        """The ratio r = π̄(a|o)/π(a|o); 1 for an absent agent."""
        action, alive = self.experience.action, self.experience.alive
        change = new.log_prob(action) - self.old.log_prob(action)
        # Masked before the exponential: an absent agent's action is junk, and an overflow would make the gradient NaN.
        return jnp.exp(change if alive is None else jnp.where(alive, change, 0.0))

    def __call__(self, actor: AnyActor) -> ObjectiveTerms:
        """All terms, from one evaluation of the policy."""
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
        """E[ KL(π‖π̄) ], exact for each observation, nats."""

        def of(part: Objective) -> Scalar:
            return mean(part.old.kl(part.experience.policy(actor)), part.experience.alive, part.weight)

        return summed(of, self)
