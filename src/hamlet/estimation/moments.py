"""Running mean and variance of returns, by which values are scaled (one pair per critic)."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.types import Scalar


class Moments(eqx.Module):
    """Exponentially weighted first and second moments, freed of their start at zero.

        m₁ ← β m₁ + (1 − β) mean(x),   m₂ ← β m₂ + (1 − β) mean(x²),   w ← β w + (1 − β);
        mean = m₁/w,   variance = max(m₂/w − (m₁/w)², 0.01).

    Reference: the value normaliser of Yu et al., 2022, arXiv:2103.01955, β = 0.99999. Here it is updated once an
    iteration, before the critic is fitted, rather than once a minibatch with the same returns.
    """

    first: Scalar
    second: Scalar
    weight: Scalar

    @classmethod
    def create(cls) -> "Moments":
        """No data yet: mean 0, variance 1."""
        return cls(jnp.zeros(()), jnp.zeros(()), jnp.zeros(()))

    def update(self, mean: Scalar, mean_square: Scalar, *, beta: float) -> "Moments":
        """Take in the moments of a batch."""
        new = 1.0 - beta
        return Moments(beta * self.first + new * mean, beta * self.second + new * mean_square, beta * self.weight + new)

    @property
    def mean(self) -> Scalar:
        """Mean so far."""
        return self.first / self._known

    @property
    def std(self) -> Scalar:
        """Standard deviation so far, at least 0.1; 1 before any data."""
        variance = jnp.maximum(self.second / self._known - self.mean**2, 1e-2)
        return jnp.where(self.weight > 0, jnp.sqrt(variance), 1.0)

    @property
    def _known(self) -> Scalar:
        return jnp.where(self.weight > 0, self.weight, 1.0)

    def scale(self, x: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """To units of the critic."""
        return (x - self.mean) / self.std

    def unscale(self, x: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """To units of reward."""
        return x * self.std + self.mean
