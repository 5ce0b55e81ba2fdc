"""Running mean and standard deviation: of observations, of returns (by which values are scaled) and of rewards."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Shaped

# As in stable-baselines3's VecNormalize: how far a standardised number may go, and the least variance.
_BOUND, _FLOOR = 10.0, 1e-8


class RunningMeanStd(eqx.Module):
    """Mean and standard deviation of every entry of all rows so far.

    A batch of weight w, mean m and variance v is merged with what is known, of weight W, mean μ and variance σ²:

        W ← β W + w,   s = w/W,   δ = m − μ:      μ ← μ + s δ,      σ² ← σ² + s (v − σ² + (1 − s) δ²).

    Without decay β = 1 and w counts the batch's rows, so that all rows weigh alike. With decay β, w = 1 − β for every
    batch, whatever its size: the exponential average of the batches' moments, freed of its start at zero.

    Exact for any offset that float32 can hold: 10⁸ + multiples of 8 have the deviation of those multiples. Nothing is
    squared before the mean is subtracted, and both moments are kept with what rounding left of them, as otherwise a
    small share of a batch would be less than half a unit in the last place, which is nothing.

    References: Chan, Golub and LeVeque, 1983, The American Statistician 37; West, 1979, Communications of the ACM 22,
    for weights. With decay it is the value normaliser of Yu et al., 2022, arXiv:2103.01955, β = 0.99999, whose code
    keeps E[x²] instead of σ², and so says σ = 0.1 of numbers around 1,000 with deviation 1.

    Attributes:
        mean: μ, rounded.
        mean_rest: What rounding left of μ.
        variance: σ², rounded.
        variance_rest: What rounding left of σ².
        weight: W; 0 before any data.
        decay: β in (0, 1), or None for equal weights.
        floor: The least variance that `std` takes.
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
        """No data yet: mean 0 and standard deviation 1 for each of ``width`` entries."""
        # Each an array of its own: a run's state is donated leaf by leaf.
        mean, mean_rest, variance, variance_rest = (jnp.zeros(width) for _ in range(4))
        return cls(mean, mean_rest, variance, variance_rest, jnp.zeros(()), decay, floor)

    @property
    def std(self) -> Float[Array, "*units F"]:
        """√max(σ², floor); 1 before any data."""
        return jnp.where(self.weight[..., None] > 0, jnp.sqrt(jnp.maximum(self.variance, self.floor)), 1.0)

    def update(
        self, batch: Float[Array, "*B"], weight: Float[Array, "*W"] | Bool[Array, "*W"] | None = None
    ) -> "RunningMeanStd":
        """Merge a batch of rows.

        Args:
            batch: ``[*B, F]``, or ``[*B]`` where F is 1.
            weight: How much every row counts, ``[*B]``, at least 0; None for 1 each. A row of weight 0 changes no bit,
                whatever is in it, and a batch of such rows changes nothing.
        """
        rows = batch.reshape(-1, self.mean.shape[-1])
        counts = jnp.ones((rows.shape[0], 1)) if weight is None else weight.reshape(-1, 1).astype(jnp.float32)
        total = counts.sum()

        def mean_of(values: Float[Array, "R F"]) -> Float[Array, " F"]:
            return jnp.where(counts > 0, counts * values, 0.0).sum(0) / jnp.where(total > 0, total, 1.0)

        mean = mean_of(rows)
        # Once more from there: the first sum of many large numbers is not exact.
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
        """(x − μ) / std, of ``[*B, F]``, or ``[*B]`` where F is 1."""
        mean, rest, std = (_beside(x, each) for each in (self.mean, self.mean_rest, self.std))
        return (x - mean - rest) / std

    def unscale(self, x: Float[Array, "*B"]) -> Float[Array, "*B"]:
        """Return x · std + μ, the inverse of `scale`."""
        mean, rest, std = (_beside(x, each) for each in (self.mean, self.mean_rest, self.std))
        return (x * std + rest) + mean

    def __call__(self, x: Float[Array, "*B F"]) -> Float[Array, "*B F"]:
        """`scale`, at most 10 either way; x before any data. No gradient reaches the moments."""
        still = jax.lax.stop_gradient(self)
        return jnp.where(still.weight > 0, jnp.clip(still.scale(x), -_BOUND, _BOUND), x)


def _plus(
    high: Float[Array, " F"], low: Float[Array, " F"], step: Float[Array, " F"], step_low: Float[Array, " F"] | float
) -> tuple[Float[Array, " F"], Float[Array, " F"]]:
    """The sum of two pairs (rounded number, what rounding left of it), as such a pair (Knuth's two-sum, twice)."""
    total, error = _two_sum(high, step)
    return _two_sum(total, error + (low + step_low))


def _two_sum(a: Float[Array, " F"], b: Float[Array, " F"]) -> tuple[Float[Array, " F"], Float[Array, " F"]]:
    """A + b rounded, and the error of that, exactly."""
    total = a + b
    taken = total - a
    return total, (a - (total - taken)) + (b - taken)


def _beside(x: Shaped[Array, "..."], entries: Float[Array, " F"]) -> Float[Array, "..."]:
    """The entries with as many axes as x, to stand beside it; a single one as a number."""
    return entries.reshape(()) if entries.size == 1 else entries.reshape((1,) * (x.ndim - 1) + (-1,))
