"""Running mean and variance of what a network sees: its first layer where that is asked for. It is never trained."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# As in stable-baselines3's VecNormalize: how far a standardised number may go, and what is added to variances.
_BOUND, _FLOOR = 10.0, 1e-8


class Running(eqx.Module):
    """Mean and variance of every entry of all rows so far.

        n = n₁ + n₂,  w = n₂/n,  δ = μ₂ − μ₁:   μ = μ₁ + w δ,   σ² = (1 − w) σ₁² + w σ₂² + w (1 − w) δ².

    In single precision and exact enough for 10⁹ rows: the mean is kept with what rounding left of it, as otherwise a
    batch of a few thousand among them would move it by less than half a unit in the last place, which is nothing.

    Reference: Chan, Golub and LeVeque, 1983, The American Statistician 37.

    Attributes:
        mean: μ.
        rest: What rounding left of μ.
        variance: σ².
        count: n.
    """

    mean: Float[Array, " F"]
    rest: Float[Array, " F"]
    variance: Float[Array, " F"]
    count: Float[Array, ""]

    @classmethod
    def create(cls, width: int) -> "Running":
        """No rows yet."""
        return cls(jnp.zeros(width), jnp.zeros(width), jnp.ones(width), jnp.zeros(()))

    def __call__(self, x: Float[Array, "*B F"]) -> Float[Array, "*B F"]:
        """(x − μ) / √(σ² + 10⁻⁸), at most 10 either way; x before there are rows."""
        mean, variance, count = jax.lax.stop_gradient((self.mean, self.variance, self.count))
        lead = (1,) * (x.ndim - 1)
        scaled = (x - mean.reshape(*lead, -1)) * jax.lax.rsqrt(variance + _FLOOR).reshape(*lead, -1)
        return jnp.where(count > 0, jnp.clip(scaled, -_BOUND, _BOUND), x)

    def merge(self, x: Float[Array, "*B F"], counts: Bool[Array, "*B"] | None = None) -> "Running":
        """Take in rows, of which those count for which it is said; all, if nothing is."""
        rows = x.reshape(-1, x.shape[-1])
        weight = jnp.ones((rows.shape[0], 1), bool) if counts is None else counts.reshape(-1, 1)
        new = weight.sum().astype(jnp.float32)

        def mean_of(values: Float[Array, "R F"]) -> Float[Array, " F"]:
            return jnp.where(weight, values, 0.0).sum(0) / jnp.maximum(new, 1.0)

        mean = mean_of(rows)
        # Once more from there: the first sum of many large numbers is not exact.
        mean = mean + mean_of(rows - mean[None])
        variance = mean_of((rows - mean[None]) ** 2)
        count = self.count + new
        share = new / jnp.maximum(count, 1.0)
        apart = (mean - self.mean) - self.rest
        step = self.rest + share * apart
        moved = self.mean + step
        # What the sum left out, exactly (Knuth's two-sum).
        taken = moved - self.mean
        rest = (self.mean - (moved - taken)) + (step - taken)
        spread = (1.0 - share) * self.variance + share * variance + share * (1.0 - share) * apart**2
        return Running(moved, rest, spread, count)
