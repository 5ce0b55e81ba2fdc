"""Surrogates: how the expectation over the earlier agents' new policies is estimated."""

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.haml.drift import Drift
from hamlet.haml.objective import Experience, Objective
from hamlet.networks.heads import AnyActor


class Surrogate(Protocol):
    """Carries from one unit to the next what the later ones must know of the earlier ones' moves."""

    def objective(self, carry: Any, actor: Any, experience: Any, drift: Drift) -> Any:
        """What a unit maximises, given the carry and its own policy before the update."""
        ...

    def advance(self, carry: Any, objective: Any, actor: Any) -> Any:
        """The carry after a unit moved from its objective's old policy to ``actor``."""
        ...


@runtime_checkable
class RolloutSurrogate(Surrogate, Protocol):
    """A surrogate whose carry, before anyone moved, is known from the shape of a rollout."""

    def start(self, sequences: int, length: int) -> Any:
        """The carry before anyone moved, over as many sequences of that length."""
        ...


@dataclass(frozen=True)
class ImportanceWeights:
    """M = ∏ π̄ʲ(aʲ|oʲ) / πʲ(aʲ|oʲ) over the agents j that moved, sample by sample; ``[copies · chunks, L]``.

    E over the earlier agents' new policies of Âⁱ equals E over the old joint policy of (r − 1)·M·Â
    (Kuba et al., 2022, arXiv:2109.11251, proposition 9); the −1 has no gradient. M is neither clipped nor
    normalised, and an absent agent's factor is 1. Old log-probabilities are evaluated anew before each update.
    """

    def start(self, sequences: int, length: int) -> Float[Array, "B L"]:
        """Ones."""
        return jnp.ones((sequences, length))

    def objective(self, carry: Float[Array, "B L"], actor: AnyActor, experience: Experience, drift: Drift) -> Objective:
        """M Â, and the unit's policy as it stands."""
        factor = jnp.repeat(carry, experience.agents, axis=0) if experience.agents > 1 else carry
        old = jax.lax.stop_gradient(experience.policy(actor))
        return Objective(experience, factor * experience.advantage, old, drift)

    def advance(self, carry: Float[Array, "B L"], objective: Objective, actor: AnyActor) -> Float[Array, "B L"]:
        """M times the ratios of the unit's agents."""
        ratio = objective.ratio(objective.experience.policy(actor))
        return carry * ratio.reshape(-1, objective.experience.agents, ratio.shape[-1]).prod(axis=1)
