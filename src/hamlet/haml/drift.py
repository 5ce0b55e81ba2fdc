"""Drift functionals 𝔇: penalties for the distance of a new policy from the old one.

The theory requires that a drift is non-negative, and that its value and its gradient are zero at the old policy
(Zhong et al., 2024, arXiv:2304.09870, definition 10). `hamlet.testing.check_drift` checks a new drift.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.distributions import Categorical
from hamlet.errors import require


class Drift(Protocol):
    """A penalty for each sample. The objective averages it over the batch and subtracts it."""

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """Return the drift of each sample.

        Args:
            ratio: r = π̄(a|o) / π(a|o), the probability ratio of the sampled action a at observation o.
            corrected: M·Â, the advantage times the ratios of the agents that were updated earlier.
            old: The distributions of the old policy π.
            new: The distributions of the new policy π̄.
        """
        ...


@dataclass(frozen=True)
class ZeroDrift:
    """The zero drift 𝔇 = 0, of HATRPO and HAA2C."""

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """Return zeros."""
        return jnp.zeros_like(ratio)


@dataclass(frozen=True)
class ClipDrift:
    """The drift of PPO's clipping, 𝔇 = max(0, (r − clip(r, 1 − ε, 1 + ε)) · M Â), of HAPPO and PPO.

    r is the probability ratio, and M Â the advantage times the ratios of earlier agents. For each sample, r·M Â − 𝔇 is
    the clipped objective min(r·M Â, clip(r)·M Â).

    Attributes:
        epsilon: The clipping range ε > 0: the drift is zero for ratios in [1 − ε, 1 + ε].
    """

    epsilon: float = 0.2

    def __post_init__(self) -> None:
        """Check the clipping range."""
        require(self.epsilon > 0, f"--clip must be above 0, not {self.epsilon}; the papers use 0.2")

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """Return the part of r·M Â outside of the clipping range."""
        return jax.nn.relu((ratio - jnp.clip(ratio, 1.0 - self.epsilon, 1.0 + self.epsilon)) * corrected)


@dataclass(frozen=True)
class KlDrift:
    """The KL penalty 𝔇 = β KL(π‖π̄) between the old policy π and the new policy π̄, exact for each observation.

    Attributes:
        weight: β ≥ 0, per nat.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the weight."""
        _refuse_reward(self.weight)

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """Return β times the divergence."""
        return self.weight * old.kl(new)


@dataclass(frozen=True)
class SumDrift:
    """The sum of several drifts, 𝔇 = 𝔇₁ + 𝔇₂ + …, which is a drift too.

    Attributes:
        parts: The drifts.
    """

    parts: tuple[Drift, ...]

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """Return the sum."""
        return sum((part(ratio, corrected, old, new) for part in self.parts), jnp.zeros_like(ratio))


@dataclass(frozen=True)
class SquaredTvDrift:
    """The squared total variation 𝔇 = c TV(π, π̄)² of the old policy π and the new policy π̄, for discrete actions.

    It is exact for each observation. The total variation itself is not a drift, because its slope at π is not zero.

    Attributes:
        weight: c ≥ 0.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the weight."""
        _refuse_reward(self.weight)

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """Return c times the square of half the sum of |π − π̄| over the actions."""
        require(isinstance(old, Categorical), "SquaredTvDrift needs discrete actions; for other actions use KlDrift")
        return self.weight * (0.5 * jnp.abs(jnp.exp(new.log_probs) - jnp.exp(old.log_probs)).sum(-1)) ** 2


def _refuse_reward(weight: float) -> None:
    require(weight >= 0, f"the weight of a drift must not be negative: {weight}")
