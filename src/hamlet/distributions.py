"""Distributions over actions. Leading axes are batch axes; every method works elementwise over them.

Hamlet has its own classes, because the known libraries need TensorFlow Probability's nightly build for these few lines.
"""

from typing import Any, Protocol, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hamlet.spaces import Box, Discrete, MultiDiscrete, Space
from hamlet.types import Key

# The logit of an unavailable action: finite, so that 0 · log 0 stays 0, and so low that exp returns exactly 0.
_FORBIDDEN = -1e9


def noise(space: Space, key: Key, *lead: int) -> Float[Array, "*lead W"]:
    """Sample the noise for actions: standard Gumbel noise for discrete actions, standard normal noise for a Box.

    The noise does not depend on a policy, so a rollout samples it for all of its steps in one operation.
    """
    shape = (*lead, space.width)
    return jax.random.normal(key, shape) if isinstance(space, Box) else jax.random.gumbel(key, shape)


def _total(terms: Float[Array, "*B A"]) -> Float[Array, "*B"]:
    """Return the sum over the last axis, computed as a product: on a CPU, sums over few neighbours are slow."""
    return jnp.dot(terms, jnp.ones(terms.shape[-1], terms.dtype), precision="highest")


class Categorical(eqx.Module):
    """A distribution over A discrete actions, some of which may be unavailable.

    Attributes:
        log_probs: Normalised log-probabilities, ``[*B, A]``, in nats.
    """

    log_probs: Float[Array, "*B A"]

    @classmethod
    def from_logits(cls, logits: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None = None) -> Self:
        """Normalise logits over the available actions."""
        if available is not None:
            logits = jnp.where(available, logits, _FORBIDDEN)
        return cls(jax.nn.log_softmax(logits))

    def log_prob(self, action: Int[Array, "*B"]) -> Float[Array, "*B"]:
        """Return log π(a) of the action a under this policy π, in nats."""
        chosen = jax.nn.one_hot(action, self.log_probs.shape[-1], dtype=bool)
        return _total(jnp.where(chosen, self.log_probs, 0.0))

    def sample(self, noise: Float[Array, "*B A"]) -> Int[Array, "*B"]:
        """Sample one action per row: argmax of log π(a) + Gumbel noise."""
        return jnp.argmax(self.log_probs + noise, axis=-1).astype(jnp.int32)

    def relaxed(self, noise: Float[Array, "*B A"]) -> tuple[Float[Array, "*B A"], Float[Array, "*B"]]:
        """Return one action per row, one-hot and differentiable, and −H, where H is the entropy.

        The forward value is the action that `sample` returns. The gradient is the gradient of softmax(log π + Gumbel
        noise), so that gradients by the action reach π (straight-through; Jang et al., 2017, arXiv:1611.01144). −H, the
        mean of log π(a), replaces log π(a): it is known exactly and has a smaller variance.
        """
        scores = self.log_probs + noise
        soft = jax.nn.softmax(scores)
        hard = jax.nn.one_hot(jnp.argmax(scores, axis=-1), scores.shape[-1])
        return soft + jax.lax.stop_gradient(hard - soft), -self.entropy()

    def mode(self) -> Int[Array, "*B"]:
        """Return the most probable action; among equally probable actions, the lowest index."""
        return jnp.argmax(self.log_probs, axis=-1).astype(jnp.int32)

    def entropy(self) -> Float[Array, "*B"]:
        """Return H = −Σₐ π(a) log π(a), in nats."""
        return -_total(jnp.exp(self.log_probs) * self.log_probs)

    def kl(self, other: "Categorical") -> Float[Array, "*B"]:
        """Return KL(self‖other) = Σₐ π(a) (log π(a) − log π′(a)), in nats; exact. π is self, π′ is other."""
        return _total(jnp.exp(self.log_probs) * (self.log_probs - other.log_probs))

    def squared_scores(self) -> Float[Array, "*B A"]:
        """Return ‖∇ log π(a)‖² by the logits for every action: (1 − π(a))² + Σ_{b≠a} π(b)² = 1 + ‖π‖² − 2π(a)."""
        probability, others = (
            jnp.exp(self.log_probs),
            1.0 - jnp.eye(self.log_probs.shape[-1], dtype=self.log_probs.dtype),
        )
        # The sums over b ≠ a are computed as products: no cancellation occurs if one action has a probability near 1.
        rest, squares = (jnp.matmul(x, others, precision="highest") for x in (probability, probability**2))
        return rest**2 + squares

    def squared_score(self, action: Int[Array, "*B"]) -> Float[Array, "*B"]:
        """Return ‖∇ log π(a)‖² by the logits for one action a."""
        return _total(jnp.where(jax.nn.one_hot(action, self.log_probs.shape[-1], dtype=bool), self.squared_scores(), 0))

    def fisher(self, tangent: "Categorical") -> "Categorical":
        """Apply the Fisher information to a tangent of the log-probabilities: π(a) · d log π(a)."""
        return Categorical(jnp.exp(self.log_probs) * tangent.log_probs)


class MultiCategorical(eqx.Module):
    """Independent categorical distributions, one per component; an action has one index each, ``[*B, M]``."""

    parts: tuple[Categorical, ...]

    @classmethod
    def from_logits(
        cls, logits: Float[Array, "*B A"], sizes: tuple[int, ...], available: Bool[Array, "*B A"] | None = None
    ) -> Self:
        """Split the logits of all components by ``sizes``, and normalise each part over its available actions."""
        cuts = np.cumsum(sizes)[:-1]
        pieces = jnp.split(logits, cuts, axis=-1)
        masks = [None] * len(sizes) if available is None else jnp.split(available, cuts, axis=-1)
        return cls(tuple(Categorical.from_logits(p, m) for p, m in zip(pieces, masks, strict=True)))

    def log_prob(self, action: Int[Array, "*B M"]) -> Float[Array, "*B"]:
        """Return log π(a) = Σₖ log πₖ(aₖ) over the components k, in nats."""
        return sum((p.log_prob(action[..., k]) for k, p in enumerate(self.parts[1:], 1)), self._first(action))

    def _first(self, action: Int[Array, "*B M"]) -> Float[Array, "*B"]:
        return self.parts[0].log_prob(action[..., 0])

    def sample(self, noise: Float[Array, "*B A"]) -> Int[Array, "*B M"]:
        """Sample one action per row, from concatenated Gumbel noise of all components."""
        cuts = np.cumsum([part.log_probs.shape[-1] for part in self.parts])[:-1]
        pieces = jnp.split(noise, cuts, axis=-1)
        return jnp.stack([p.sample(x) for p, x in zip(self.parts, pieces, strict=True)], axis=-1)

    def relaxed(self, noise: Float[Array, "*B A"]) -> tuple[Float[Array, "*B A"], Float[Array, "*B"]]:
        """Return one action per row, as concatenated one-hot vectors, and −H; see `Categorical.relaxed`."""
        cuts = np.cumsum([part.log_probs.shape[-1] for part in self.parts])[:-1]
        pieces = jnp.split(noise, cuts, axis=-1)
        chosen, certainty = zip(*(p.relaxed(x) for p, x in zip(self.parts, pieces, strict=True)), strict=True)
        return jnp.concatenate(chosen, axis=-1), jnp.stack(certainty).sum(0)

    def mode(self) -> Int[Array, "*B M"]:
        """Return the most probable action."""
        return jnp.stack([p.mode() for p in self.parts], axis=-1)

    def entropy(self) -> Float[Array, "*B"]:
        """Return the sum of the components' entropies, in nats."""
        return jnp.stack([p.entropy() for p in self.parts]).sum(0)

    def kl(self, other: "MultiCategorical") -> Float[Array, "*B"]:
        """Return KL(self‖other), the sum over the components, in nats; exact."""
        return jnp.stack([p.kl(q) for p, q in zip(self.parts, other.parts, strict=True)]).sum(0)

    def squared_score(self, action: Int[Array, "*B M"]) -> Float[Array, "*B"]:
        """Return ‖∇ log π(a)‖² by the logits: the sum over the components."""
        return jnp.stack([p.squared_score(action[..., k]) for k, p in enumerate(self.parts)]).sum(0)

    def fisher(self, tangent: "MultiCategorical") -> "MultiCategorical":
        """Apply the Fisher information to a tangent, component by component."""
        return MultiCategorical(tuple(p.fisher(t) for p, t in zip(self.parts, tangent.parts, strict=True)))


class DiagonalNormal(eqx.Module):
    """Independent normal distributions; an action is ``[*B, D]`` and unbounded.

    The environment clips actions to its bounds. Actions of a `TanhNormal` are bounded.
    """

    mean: Float[Array, "*B D"]
    std: Float[Array, "*B D"]

    def log_prob(self, action: Float[Array, "*B D"]) -> Float[Array, "*B"]:
        """Return log π(a) = −½ Σ_d ( z_d² + log 2π ) − Σ_d log σ_d with z = (a − μ)/σ, in nats.

        μ is the mean and σ the standard deviation of each dimension d.
        """
        z = (action - self.mean) / self.std
        return _total(-0.5 * (z**2 + jnp.log(2 * jnp.pi)) - jnp.log(self.std))

    def sample(self, noise: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """Sample one action per row, μ + σ ε, from standard normal noise ε."""
        return self.mean + self.std * noise

    def mode(self) -> Float[Array, "*B D"]:
        """Return μ."""
        return self.mean

    def entropy(self) -> Float[Array, "*B"]:
        """Return Σ_d ( ½ log 2πe + log σ_d ), in nats."""
        return _total(0.5 * jnp.log(2 * jnp.pi * jnp.e) + jnp.log(self.std) + jnp.zeros_like(self.mean))

    def kl(self, other: "DiagonalNormal") -> Float[Array, "*B"]:
        """Return KL(self‖other) = Σ_d [ log(σ′/σ) + (σ² + (μ − μ′)²) / (2σ′²) − ½ ], in nats; exact.

        μ, σ belong to self, and μ′, σ′ to other.
        """
        ratio = self.std / other.std
        distance = (self.mean - other.mean) / other.std
        return _total(0.5 * (ratio**2 + distance**2 - 1.0) - jnp.log(ratio))

    def squared_score(self, action: Float[Array, "*B D"]) -> Float[Array, "*B"]:
        """Return ‖∇ log π(a)‖² by μ and σ: Σ_d ( (z_d² + (z_d² − 1)²) / σ_d² ) with z = (a − μ)/σ."""
        square = ((action - self.mean) / self.std) ** 2
        return _total((square + (square - 1.0) ** 2) / self.std**2)

    def fisher(self, tangent: "DiagonalNormal") -> "DiagonalNormal":
        """Apply the Fisher information to a tangent (dμ, dσ): dμ/σ² and 2 dσ/σ²."""
        return DiagonalNormal(tangent.mean / self.std**2, 2.0 * tangent.std / self.std**2)


class TanhNormal(eqx.Module):
    """Independent normal variables u, mapped into the bounds of a Box; an action is ``[*B, D]``.

        a = low + (high − low)·(1 + tanh u)/2

    No finite u maps to a bound, but rounding can. A number at a bound is assigned the density at the middle between the
    bound and the next representable number inside the Box. All densities are therefore finite.

    Attributes:
        base: The distribution of u.
        space: The Box, bounded on both sides.
    """

    base: DiagonalNormal
    space: Box = eqx.field(static=True)

    def log_prob(self, action: Float[Array, "*B D"]) -> Float[Array, "*B"]:
        """Return log π(a) = log N(u) − Σ_d log( 2 (high − low) p q ), p = (a − low)/(high − low) = 1 − q; in nats.

        N is the density of u = ½ log(p/q) = artanh(2p − 1). u is computed from the distances to both bounds, so that no
        precision is lost near a bound.
        """
        base, log_below, log_above, log_span = self._unsqueezed(action)
        return self.base.log_prob(base) - _total(jnp.log(2.0) + log_below + log_above - log_span)

    def sample(self, noise: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """Sample one action per row, within the bounds, from standard normal noise."""
        return self._squeezed(self.base.sample(noise))

    def relaxed(self, noise: Float[Array, "*B D"]) -> tuple[Float[Array, "*B D"], Float[Array, "*B"]]:
        """Return one action per row, and its log π(a), computed from u itself.

        The value and its gradient are therefore exact, however close to the bounds the action is.
        """
        base = self.base.sample(noise)
        return self._squeezed(base), self.base.log_prob(base) - _total(self._stretch(base))

    def mode(self) -> Float[Array, "*B D"]:
        """Return the action at the mean of u: the median of each entry.

        The density itself may have its maximum elsewhere, even at a bound.
        """
        return self._squeezed(self.base.mean)

    def entropy(self) -> Float[Array, "*B"]:
        """Return H = H(u) + E[ Σ_d log da/du ], in nats.

        The expectation is computed with a Gauss-Hermite rule of 20 nodes; its error is within 10⁻⁴ per dimension for σ
        ≤ 1.
        """
        nodes, weights = np.polynomial.hermite_e.hermegauss(20)
        mean = jnp.zeros_like(self.base.mean)
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            mean = mean + float(weight) * self._stretch(self.base.mean + float(node) * self.base.std)
        return self.base.entropy() + _total(mean)

    def kl(self, other: "TanhNormal") -> Float[Array, "*B"]:
        """Return KL(self‖other), in nats; exact.

        It equals the divergence of the normal variables u, because both distributions use the same map.
        """
        return self.base.kl(other.base)

    def squared_score(self, action: Float[Array, "*B D"]) -> Float[Array, "*B"]:
        """Return ‖∇ log π(a)‖² by μ and σ of u; it equals the squared score of the normal distribution at u."""
        return self.base.squared_score(self._unsqueezed(action)[0])

    def fisher(self, tangent: "TanhNormal") -> "TanhNormal":
        """Apply the Fisher information to a tangent; it equals the Fisher information of the normal distributions."""
        return TanhNormal(self.base.fisher(tangent.base), self.space)

    def _bounds(self, axes: int) -> tuple[Array, Array]:
        low, high = (jnp.asarray(bound.reshape((1,) * (axes - 1) + (-1,))) for bound in self.space.bounds)
        return low, high

    def _unsqueezed(self, action: Float[Array, "*B D"]) -> tuple[Array, Array, Array, Array]:
        """Return u, and the logarithms of the distances to both bounds and of the distance between them."""
        low, high = self._bounds(action.ndim)
        inward = (jnp.nextafter(low, high) - low, high - jnp.nextafter(high, low))
        # Next to a bound of 0 the step is subnormal, and some processors flush subnormal numbers to 0.
        below, above = (
            jnp.maximum(distance, jnp.maximum(0.5 * step, 1e-30))
            for distance, step in zip((action - low, high - action), inward, strict=True)
        )
        log_below, log_above, log_span = jnp.log(below), jnp.log(above), jnp.log(high - low)
        return 0.5 * (log_below - log_above), log_below, log_above, log_span

    def _squeezed(self, base: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        low, high = self._bounds(base.ndim)
        # The action is computed from the nearer bound, so that its distance to this bound has full precision.
        near = (high - low) * jax.nn.sigmoid(2.0 * _negative(base))
        return jnp.clip(jnp.where(base < 0, low + near, high - near), low, high)

    def _stretch(self, base: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """Return log da/du = log( (high − low)/2 ) + 2 ( log 2 − |u| − log(1 + e^{−2|u|}) )."""
        low, high = self._bounds(base.ndim)
        size = _negative(base)
        return jnp.log(0.5 * (high - low)) + 2.0 * (jnp.log(2.0) + size - jnp.log1p(jnp.exp(2.0 * size)))


class Noisy(eqx.Module):
    """A deterministic action with exploration noise: a = clip(μ + σ s ε, low, high); ``[*B, D]``.

    ε is standard normal noise, and s is half of the distance between the bounds of each entry.

    Attributes:
        mean: μ, within the bounds.
        spread: σ, in units of s.
        space: The Box, bounded on both sides.
    """

    mean: Float[Array, "*B D"]
    spread: float = eqx.field(static=True)
    space: Box = eqx.field(static=True)

    def sample(self, noise: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """Sample one action per row, from standard normal noise."""
        return self.moved(self.spread * noise)

    def moved(self, shift: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """Return the action at the distance ``shift`` from the mean, in units of s, clipped to the bounds."""
        low, high = (jnp.asarray(b.reshape((1,) * (shift.ndim - 1) + (-1,))) for b in self.space.bounds)
        return jnp.clip(self.mean + 0.5 * (high - low) * shift, low, high)

    def mode(self) -> Float[Array, "*B D"]:
        """Return μ."""
        return self.mean

    def relaxed(self, noise: Float[Array, "*B D"]) -> tuple[Float[Array, "*B D"], Float[Array, "*B"]]:
        """Return μ and 0, because the deterministic policy is trained."""
        return self.mean, jnp.zeros(self.mean.shape[:-1])

    def entropy(self) -> Float[Array, "*B"]:
        """Return 0, because the trained policy is deterministic."""
        return jnp.zeros(self.mean.shape[:-1])


def even(space: Space, noise: Float[Array, "*B W"], available: Bool[Array, "*B W"] | None) -> Any:
    """Sample a uniformly random available action, from the noise of any policy; ``[*B, …]``, with a Box flattened.

    Entries of a Box without two bounds are standard normal, clipped to the bound that exists.
    """
    if isinstance(space, Box):
        low, high = (b.reshape((1,) * (noise.ndim - 1) + (-1,)) for b in space.bounds)
        bounded = np.isfinite(low) & np.isfinite(high)
        start, span = np.where(bounded, low, 0.0), np.where(bounded, high, 1.0) - np.where(bounded, low, 0.0)
        unit = jax.scipy.stats.norm.cdf(noise)
        return jnp.where(bounded, start + span * unit, jnp.clip(noise, low, high)).astype(jnp.float32)
    flat = jnp.zeros(noise.shape)
    if isinstance(space, Discrete):
        return Categorical.from_logits(flat, available).sample(noise)
    assert isinstance(space, MultiDiscrete), "agents do not act in composites"
    return MultiCategorical.from_logits(flat, space.sizes, available).sample(noise)


def _negative(x: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
    """Return −|x|, with a non-zero slope at 0."""
    return jnp.where(x < 0, x, -x)


class Distribution(Protocol):
    """The methods that a policy's output must have. Two distributions that are compared must be of the same class."""

    def log_prob(self, action: Any) -> Float[Array, "*B"]:
        """Return the logarithm of the probability or density, in nats."""
        ...

    def sample(self, noise: Float[Array, "*B W"]) -> Any:
        """Sample one action per row, as a function of the noise that `noise` samples."""
        ...

    def mode(self) -> Any:
        """Return the deterministic action: the most probable action, or the median or mean of a continuous one."""
        ...

    def entropy(self) -> Float[Array, "*B"]:
        """Return the entropy in nats."""
        ...

    def kl(self, other: Any) -> Float[Array, "*B"]:
        """Return KL(self‖other), in nats; exact."""
        ...

    def fisher(self, tangent: Any) -> Any:
        """Apply the Fisher information by the distribution's own parameters to a tangent of these parameters."""
        ...


class Scored(Distribution, Protocol):
    """A distribution that can compute squared scores, which optimal baselines need."""

    def squared_score(self, action: Any) -> Float[Array, "*B"]:
        """Return ‖∇_ψ log π(a)‖² by the distribution's parameters ψ: logits, or means and standard deviations."""
        ...
