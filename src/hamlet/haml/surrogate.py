"""Surrogates: estimates of the expectation over the new policies of agents that were updated earlier.

The carry is the quantity passed from one unit's update to the next's (a unit: one set of policy parameters).
"""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.haml.drift import Drift
from hamlet.haml.objective import Experience, Objective
from hamlet.networks.heads import AnyActor


class Surrogate(Protocol):
    """Builds a unit's objective from the carry, and updates the carry after the unit's update."""

    def objective(self, carry: Any, actor: Any, experience: Any, drift: Drift) -> Any:
        """Return the objective of a unit, from the carry and the unit's policy before the update."""
        ...

    def advance(self, carry: Any, objective: Any, actor: Any) -> Any:
        """Return the carry after a unit's update from the objective's old policy to ``actor``."""
        ...


@runtime_checkable
class RolloutSurrogate(Surrogate, Protocol):
    """A surrogate whose initial carry depends only on the shape of a rollout."""

    def start(self, sequences: int, length: int) -> Any:
        """Return the initial carry for a number of sequences of a length."""
        ...


@dataclass(frozen=True)
class ImportanceWeights:
    """The product of ratios M = ∏ π̄ʲ(aʲ|oʲ) / πʲ(aʲ|oʲ) over the agents j that were already updated.

    πʲ is the old and π̄ʲ the new policy of agent j, aʲ its action and oʲ its observation. M has one value for each
    sample, ``[copies · chunks, L]``. The expectation of agent i's advantage Âⁱ over the earlier agents' new policies
    equals the expectation of (r − 1)·M·Â over the old joint policy, with r the ratio of agent i (Kuba et al., 2022,
    arXiv:2109.11251, proposition 9). The −1 has no gradient and is left out. M is neither clipped nor normalised; the
    factor of an inactive agent is 1. Old log-probabilities are computed again before each update.
    """

    def start(self, sequences: int, length: int) -> Float[Array, "B L"]:
        """Return ones."""
        return jnp.ones((sequences, length))

    def objective(self, carry: Float[Array, "B L"], actor: AnyActor, experience: Experience, drift: Drift) -> Objective:
        """Return the objective with M Â and the unit's current policy."""
        factor = jnp.repeat(carry, experience.agents, axis=0) if experience.agents > 1 else carry
        old = jax.lax.stop_gradient(experience.policy(actor))
        return Objective(experience, factor * experience.advantage, old, drift)

    def advance(self, carry: Float[Array, "B L"], objective: Objective, actor: AnyActor) -> Float[Array, "B L"]:
        """Return M times the ratios of the unit's agents."""
        ratio = objective.ratio(objective.experience.policy(actor))
        return carry * ratio.reshape(-1, objective.experience.agents, ratio.shape[-1]).prod(axis=1)
