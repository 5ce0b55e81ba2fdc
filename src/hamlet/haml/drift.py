"""Drift functionals 𝔇: what a policy pays for leaving the old one.

A drift is non-negative, and zero with zero slope at the old policy; that is all the theory asks
(Zhong et al., 2024, arXiv:2304.09870, definition 10). `hamlet.testing.check_drift` checks it for a new one.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.distributions import Categorical
from hamlet.errors import require


class Drift(Protocol):
    """One term for each sample, averaged over the batch by the objective that it is subtracted from."""

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """The drift of each sample.

        Args:
            ratio: r = π̄(a|o) / π(a|o) of the sampled action.
            corrected: M·Â, the advantage times the ratios of the agents that moved before.
            old: π, the distributions themselves.
            new: π̄, likewise.
        """
        ...


@dataclass(frozen=True)
class ZeroDrift:
    """𝔇 = 0: HATRPO, HAA2C."""

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """Zeros."""
        return jnp.zeros_like(ratio)


@dataclass(frozen=True)
class ClipDrift:
    """𝔇 = max(0, (r − clip(r, 1 − ε, 1 + ε)) · M Â): HAPPO, and PPO.

    Subtracted from r·M Â it leaves the clipped objective min(r·M Â, clip(r)·M Â), sample by sample.

    Attributes:
        epsilon: ε > 0, half the width of the band in which moving is free.
    """

    epsilon: float = 0.2

    def __post_init__(self) -> None:
        """Refuse an empty band."""
        require(self.epsilon > 0, f"--clip must be above 0, not {self.epsilon}; the papers use 0.2")

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """The part of the gain that lies outside the band."""
        return jax.nn.relu((ratio - jnp.clip(ratio, 1.0 - self.epsilon, 1.0 + self.epsilon)) * corrected)


@dataclass(frozen=True)
class KlDrift:
    """𝔇 = β KL(π‖π̄), exact for each observation.

    Attributes:
        weight: β ≥ 0, per nat.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a reward for drifting."""
        _refuse_reward(self.weight)

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """β times the divergence."""
        return self.weight * old.kl(new)


@dataclass(frozen=True)
class SumDrift:
    """𝔇 = 𝔇₁ + 𝔇₂ + …: a sum of drifts is one.

    Attributes:
        parts: What is added up.
    """

    parts: tuple[Drift, ...]

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """The sum."""
        return sum((part(ratio, corrected, old, new) for part in self.parts), jnp.zeros_like(ratio))


@dataclass(frozen=True)
class SquaredTvDrift:
    """𝔇 = c TV(π, π̄)², exact for each observation; the total variation itself has a slope at π, and is no drift.

    It reads the probabilities of all actions, so these are discrete.

    Attributes:
        weight: c ≥ 0.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        """Refuse a reward for drifting."""
        _refuse_reward(self.weight)

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """The square of half the sum of |π − π̄|, times c."""
        require(isinstance(old, Categorical), "the squared total variation is a drift of discrete actions; try KlDrift")
        return self.weight * (0.5 * jnp.abs(jnp.exp(new.log_probs) - jnp.exp(old.log_probs)).sum(-1)) ** 2


def _refuse_reward(weight: float) -> None:
    require(weight >= 0, f"the weight of a drift must not be negative: {weight}")
