"""Running mean and standard deviation of observations, of rewards, and of returns (the scale of a critic's values)."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

# The bound of a standardised number, and the smallest variance: the values of VecNormalize in stable-baselines3.
_BOUND, _FLOOR = 10.0, 1e-8


class RunningMeanStd(eqx.Module):
    """Mean and standard deviation of every entry over all rows so far.

    A batch of weight w, mean m and variance v is merged with the current weight W, mean μ and variance σ²:

        W ← β W + w,   s = w/W,   δ = m − μ:      μ ← μ + s δ,      σ² ← σ² + s (v − σ² + (1 − s) δ²).

    Without decay, β = 1 and w is the number of the batch's rows: all rows have equal weight. With decay β, w = 1 − β
    for every batch, whatever its size: the result is the exponential average of the batches' moments, with the bias of
    its start at zero removed.

    The result is exact for any offset that float32 can represent: numbers 10⁸ + multiples of 8 have the standard
    deviation of these multiples. The mean is subtracted before squaring. Both moments are stored together with their
    rounding errors. Otherwise a small share of a batch would be less than half a unit in the last place and would be
    lost.

    References: Chan, Golub and LeVeque, 1983, The American Statistician 37; West, 1979, Communications of the ACM 22,
    for weights. With decay it is the value normaliser of Yu et al., 2022, arXiv:2103.01955, β = 0.99999. Their code
    stores E[x²] instead of σ², and so computes σ = 0.1 for numbers around 1,000 with standard deviation 1.

    Attributes:
        mean: μ, rounded.
        mean_rest: The rounding error of μ.
        variance: σ², rounded.
        variance_rest: The rounding error of σ².
        weight: W; 0 before any data.
        decay: β in (0, 1), or None for equal weights.
        floor: The smallest variance that `std` uses.
    """

    mean: Float[Array, "*units F"]
    mean_rest: Float[Array, "*units F"]
    variance: Float[Array, "*units F"]
    variance_rest: Float[Array, "*units F"]
    weight: Float[Array, "*units"]
    decay: float | None = eqx.field(static=True)
    floor: float = eqx.field(static=True)

    @classmethod
    def create(cls, width: int, *, decay: float | None = None, floor: float = _FLOOR) -> "RunningMeanStd":
        """Create the state before any data: mean 0 and standard deviation 1 for each of ``width`` entries."""
        # Separate arrays are necessary: a run's state is donated leaf by leaf, and no buffer may be donated twice.
        mean, mean_rest, variance, variance_rest = (jnp.zeros(width) for _ in range(4))
        return cls(mean, mean_rest, variance, variance_rest, jnp.zeros(()), decay, floor)

    @property
    def std(self) -> Float[Array, "*units F"]:
        """Return √max(σ², floor); 1 before any data."""
        return jnp.where(self.weight[..., None] > 0, jnp.sqrt(jnp.maximum(self.variance, self.floor)), 1.0)

    def update(
        self, batch: Float[Array, "*B"], weight: Float[Array, "*W"] | Bool[Array, "*W"] | None = None
    ) -> "RunningMeanStd":
        """Merge a batch of rows.

        Args:
            batch: ``[*B, F]``, or ``[*B]`` if F is 1.
            weight: The weight of every row, ``[*B]``, at least 0; None for 1 each. A row of weight 0 does not change
                the result (it is bitwise identical), whatever the row contains. A batch of such rows changes nothing.
        """
        rows = batch.reshape(-1, self.mean.shape[-1])
        counts = jnp.ones((rows.shape[0], 1)) if weight is None else weight.reshape(-1, 1).astype(jnp.float32)
        total = counts.sum()

        def mean_of(values: Float[Array, "R F"]) -> Float[Array, " F"]:
            return jnp.where(counts > 0, counts * values, 0.0).sum(0) / jnp.where(total > 0, total, 1.0)

        mean = mean_of(rows)
        # The mean of the differences corrects the first mean, because a sum of many large numbers is not exact.
        rest = mean_of(rows - mean[None])
        variance = mean_of((rows - mean[None] - rest[None]) ** 2)
        retained, added = jnp.ones(()), total
        if self.decay is not None:
            retained, added = jnp.where(total > 0, self.decay, 1.0), jnp.where(total > 0, 1.0 - self.decay, 0.0)
        known = retained * self.weight + added
        share = added / jnp.where(known > 0, known, 1.0)
        away, away_rest = mean - self.mean, rest - self.mean_rest
        further = (variance - self.variance) - self.variance_rest + (1.0 - share) * (away + away_rest) ** 2
        mean, mean_rest = _plus(self.mean, self.mean_rest, share * away, share * away_rest)
        variance, variance_rest = _plus(self.variance, self.variance_rest, share * further, 0.0)
        return RunningMeanStd(mean, mean_rest, variance, variance_rest, known, self.decay, self.floor)

    def scale(self, x: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Return (x − μ) / std, for x of shape ``[*B, F]``, or ``[*B]`` if F is 1."""
        mean, rest, std = (_beside(x, each) for each in (self.mean, self.mean_rest, self.std))
        return (x - mean - rest) / std

    def unscale(self, x: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Return x · std + μ, the inverse of `scale`."""
        mean, rest, std = (_beside(x, each) for each in (self.mean, self.mean_rest, self.std))
        return (x * std + rest) + mean

    def __call__(self, x: Float[Array, "*B F"]) -> Float[Array, "*B F"]:
        """Return `scale` of x, clipped to ±10; x itself before any data. No gradient reaches the moments."""
        still = jax.lax.stop_gradient(self)
        return jnp.where(still.weight > 0, jnp.clip(still.scale(x), -_BOUND, _BOUND), x)


def _plus(
    high: Float[Array, " F"], low: Float[Array, " F"], step: Float[Array, " F"], step_low: Float[Array, " F"] | float
) -> tuple[Float[Array, " F"], Float[Array, " F"]]:
    """Return the sum of two pairs (rounded number, its rounding error) as such a pair: Knuth's two-sum, twice."""
    total, error = _two_sum(high, step)
    return _two_sum(total, error + (low + step_low))


def _two_sum(a: Float[Array, " F"], b: Float[Array, " F"]) -> tuple[Float[Array, " F"], Float[Array, " F"]]:
    """Return the rounded sum a + b, and its exact rounding error."""
    total = a + b
    taken = total - a
    return total, (a - (total - taken)) + (b - taken)


def _beside(x: Shaped[Array, "..."], entries: Float[Array, " F"]) -> Float[Array, "..."]:
    """Return ``entries`` with leading axes of length 1, to broadcast against x; a single entry as a scalar."""
    return entries.reshape(()) if entries.size == 1 else entries.reshape((1,) * (x.ndim - 1) + (-1,))
