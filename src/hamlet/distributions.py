"""Distributions over actions. Leading axes are a batch; every method is elementwise over it.

Own classes rather than a library: the known ones bring TensorFlow Probability's nightly for these few lines.
"""

from typing import Any, Protocol, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from hamlet.spaces import Box, Discrete, MultiDiscrete, Space
from hamlet.types import Key

# A choice that is not available: finite, so that 0 · log 0 stays 0, and so low that exp gives exactly 0.
_FORBIDDEN = -1e9


def noise(space: Space, key: Key, *lead: int) -> Float[Array, "*lead W"]:
    """What a sample is made of: standard Gumbel numbers for choices, standard normal ones for a Box.

    It depends on no policy, so that a rollout draws it for all of its steps at once.
    """
    shape = (*lead, space.width)
    return jax.random.normal(key, shape) if isinstance(space, Box) else jax.random.gumbel(key, shape)


def _total(terms: Float[Array, "*B A"]) -> Float[Array, "*B"]:
    """The sum over the last axis, as a product: a CPU is slow at sums over few neighbours."""
    return jnp.dot(terms, jnp.ones(terms.shape[-1], terms.dtype), precision="highest")


class Categorical(eqx.Module):
    """One of A choices, of which some may be unavailable.

    Attributes:
        log_probs: Normalised log-probabilities, ``[*B, A]``, in nats.
    """

    log_probs: Float[Array, "*B A"]

    @classmethod
    def from_logits(cls, logits: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None = None) -> Self:
        """Normalise logits over the available choices."""
        if available is not None:
            logits = jnp.where(available, logits, _FORBIDDEN)
        return cls(jax.nn.log_softmax(logits))

    def log_prob(self, action: Int[Array, "*B"]) -> Float[Array, "*B"]:
        """Logarithm log π(a), nats."""
        chosen = jax.nn.one_hot(action, self.log_probs.shape[-1], dtype=bool)
        return _total(jnp.where(chosen, self.log_probs, 0.0))

    def sample(self, noise: Float[Array, "*B A"]) -> Int[Array, "*B"]:
        """One action each: argmax of log π(a) + Gumbel noise."""
        return jnp.argmax(self.log_probs + noise, axis=-1).astype(jnp.int32)

    def relaxed(self, noise: Float[Array, "*B A"]) -> tuple[Float[Array, "*B A"], Float[Array, "*B"]]:
        """One action each, one-hot, and −H.

        Forwards it is the action that `sample` takes; backwards, softmax(log π + Gumbel noise), so that the gradient of
        what is made of the action reaches π (straight-through; Jang et al., 2017, arXiv:1611.01144). The mean of
        log π(a), −H, stands for log π(a) itself: it is known, and varies less.
        """
        scores = self.log_probs + noise
        soft = jax.nn.softmax(scores)
        hard = jax.nn.one_hot(jnp.argmax(scores, axis=-1), scores.shape[-1])
        return soft + jax.lax.stop_gradient(hard - soft), -self.entropy()

    def mode(self) -> Int[Array, "*B"]:
        """The likeliest action; the lowest index among equals."""
        return jnp.argmax(self.log_probs, axis=-1).astype(jnp.int32)

    def entropy(self) -> Float[Array, "*B"]:
        """H = −Σₐ π(a) log π(a), nats."""
        return -_total(jnp.exp(self.log_probs) * self.log_probs)

    def kl(self, other: "Categorical") -> Float[Array, "*B"]:
        """KL(self‖other) = Σₐ π(a) (log π(a) − log π′(a)), nats; exact."""
        return _total(jnp.exp(self.log_probs) * (self.log_probs - other.log_probs))

    def squared_scores(self) -> Float[Array, "*B A"]:
        """‖∇ log π(a)‖² by the logits, of every choice: (1 − π(a))² + Σ_{b≠a} π(b)² = 1 + ‖π‖² − 2π(a)."""
        probability, others = (
            jnp.exp(self.log_probs),
            1.0 - jnp.eye(self.log_probs.shape[-1], dtype=self.log_probs.dtype),
        )
        # The sums over the others as products, so that nothing cancels where one choice is nearly sure.
        rest, squares = (jnp.matmul(x, others, precision="highest") for x in (probability, probability**2))
        return rest**2 + squares

    def squared_score(self, action: Int[Array, "*B"]) -> Float[Array, "*B"]:
        """‖∇ log π(a)‖² by the logits."""
        return _total(jnp.where(jax.nn.one_hot(action, self.log_probs.shape[-1], dtype=bool), self.squared_scores(), 0))

    def fisher(self, tangent: "Categorical") -> "Categorical":
        """Fisher information applied to a tangent of the log-probabilities: π(a) · d log π(a)."""
        return Categorical(jnp.exp(self.log_probs) * tangent.log_probs)


class MultiCategorical(eqx.Module):
    """Independent choices; an action holds one index for each, ``[*B, M]``."""

    parts: tuple[Categorical, ...]

    @classmethod
    def from_logits(
        cls, logits: Float[Array, "*B A"], sizes: tuple[int, ...], available: Bool[Array, "*B A"] | None = None
    ) -> Self:
        """Logits of all choices side by side, cut by ``sizes``."""
        cuts = np.cumsum(sizes)[:-1]
        pieces = jnp.split(logits, cuts, axis=-1)
        masks = [None] * len(sizes) if available is None else jnp.split(available, cuts, axis=-1)
        return cls(tuple(Categorical.from_logits(p, m) for p, m in zip(pieces, masks, strict=True)))

    def log_prob(self, action: Int[Array, "*B M"]) -> Float[Array, "*B"]:
        """Logarithm log π(a) = Σₖ log πₖ(aₖ), nats."""
        return sum((p.log_prob(action[..., k]) for k, p in enumerate(self.parts[1:], 1)), self._first(action))

    def _first(self, action: Int[Array, "*B M"]) -> Float[Array, "*B"]:
        return self.parts[0].log_prob(action[..., 0])

    def sample(self, noise: Float[Array, "*B A"]) -> Int[Array, "*B M"]:
        """One action each, from Gumbel noise for all choices side by side."""
        cuts = np.cumsum([part.log_probs.shape[-1] for part in self.parts])[:-1]
        pieces = jnp.split(noise, cuts, axis=-1)
        return jnp.stack([p.sample(x) for p, x in zip(self.parts, pieces, strict=True)], axis=-1)

    def relaxed(self, noise: Float[Array, "*B A"]) -> tuple[Float[Array, "*B A"], Float[Array, "*B"]]:
        """One action each, the choices one-hot side by side, and −H; as in `Categorical.relaxed`."""
        cuts = np.cumsum([part.log_probs.shape[-1] for part in self.parts])[:-1]
        pieces = jnp.split(noise, cuts, axis=-1)
        chosen, certainty = zip(*(p.relaxed(x) for p, x in zip(self.parts, pieces, strict=True)), strict=True)
        return jnp.concatenate(chosen, axis=-1), jnp.stack(certainty).sum(0)

    def mode(self) -> Int[Array, "*B M"]:
        """The likeliest action."""
        return jnp.stack([p.mode() for p in self.parts], axis=-1)

    def entropy(self) -> Float[Array, "*B"]:
        """Sum of the entropies of the choices, nats."""
        return jnp.stack([p.entropy() for p in self.parts]).sum(0)

    def kl(self, other: "MultiCategorical") -> Float[Array, "*B"]:
        """KL(self‖other): the sum over the choices, nats; exact."""
        return jnp.stack([p.kl(q) for p, q in zip(self.parts, other.parts, strict=True)]).sum(0)

    def squared_score(self, action: Int[Array, "*B M"]) -> Float[Array, "*B"]:
        """‖∇ log π(a)‖² by the logits: the sum over the choices."""
        return jnp.stack([p.squared_score(action[..., k]) for k, p in enumerate(self.parts)]).sum(0)

    def fisher(self, tangent: "MultiCategorical") -> "MultiCategorical":
        """Fisher information applied to a tangent, choice by choice."""
        return MultiCategorical(tuple(p.fisher(t) for p, t in zip(self.parts, tangent.parts, strict=True)))


class DiagonalNormal(eqx.Module):
    """Independent normals; an action is ``[*B, D]``, unbounded: the environment clips it (TanhNormal is bounded)."""

    mean: Float[Array, "*B D"]
    std: Float[Array, "*B D"]

    def log_prob(self, action: Float[Array, "*B D"]) -> Float[Array, "*B"]:
        """Logarithm log π(a) = −½ Σ_d ( z_d² + log 2π ) − Σ_d log σ_d with z = (a − μ)/σ; nats."""
        z = (action - self.mean) / self.std
        return _total(-0.5 * (z**2 + jnp.log(2 * jnp.pi)) - jnp.log(self.std))

    def sample(self, noise: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """μ + σ ε, one action each, from standard normal noise."""
        return self.mean + self.std * noise

    def mode(self) -> Float[Array, "*B D"]:
        """μ."""
        return self.mean

    def entropy(self) -> Float[Array, "*B"]:
        """Σ_d ( ½ log 2πe + log σ_d ), nats."""
        return _total(0.5 * jnp.log(2 * jnp.pi * jnp.e) + jnp.log(self.std) + jnp.zeros_like(self.mean))

    def kl(self, other: "DiagonalNormal") -> Float[Array, "*B"]:
        """KL(self‖other) = Σ_d [ log(σ′/σ) + (σ² + (μ − μ′)²) / (2σ′²) − ½ ], nats; exact."""
        ratio = self.std / other.std
        distance = (self.mean - other.mean) / other.std
        return _total(0.5 * (ratio**2 + distance**2 - 1.0) - jnp.log(ratio))

    def squared_score(self, action: Float[Array, "*B D"]) -> Float[Array, "*B"]:
        """‖∇ log π(a)‖² by μ and σ: Σ_d ( (z_d² + (z_d² − 1)²) / σ_d² ) with z = (a − μ)/σ."""
        square = ((action - self.mean) / self.std) ** 2
        return _total((square + (square - 1.0) ** 2) / self.std**2)

    def fisher(self, tangent: "DiagonalNormal") -> "DiagonalNormal":
        """Fisher information applied to a tangent: dμ/σ² and 2 dσ/σ²."""
        return DiagonalNormal(tangent.mean / self.std**2, 2.0 * tangent.std / self.std**2)


class TanhNormal(eqx.Module):
    """Independent normals u squeezed into the bounds of a Box: a = low + (high − low)·(1 + tanh u)/2; ``[*B, D]``.

    A number at a bound, which no u reaches but rounding can, has the density of the middle between it and the next
    number within: all is finite.

    Attributes:
        base: The distribution of u.
        space: The Box, bounded on both sides.
    """

    base: DiagonalNormal
    space: Box = eqx.field(static=True)

    def log_prob(self, action: Float[Array, "*B D"]) -> Float[Array, "*B"]:
        """Logarithm log π(a) = log N(u) − Σ_d log( 2 (high − low) p q ), p = (a − low)/(high − low) = 1 − q; nats.

        u = ½ log(p/q) = artanh(2p − 1), but from the distances to both bounds, so that nothing is lost near either.
        """
        base, log_below, log_above, log_span = self._unsqueezed(action)
        return self.base.log_prob(base) - _total(jnp.log(2.0) + log_below + log_above - log_span)

    def sample(self, noise: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """One action each, from standard normal noise; within the bounds."""
        return self._squeezed(self.base.sample(noise))

    def relaxed(self, noise: Float[Array, "*B D"]) -> tuple[Float[Array, "*B D"], Float[Array, "*B"]]:
        """One action each, and log π of it from u itself: exact however near the bounds, and so is its gradient."""
        base = self.base.sample(noise)
        return self._squeezed(base), self.base.log_prob(base) - _total(self._stretch(base))

    def mode(self) -> Float[Array, "*B D"]:
        """The action at the mean of u, each entry's median; the density itself may peak elsewhere, even at a bound."""
        return self._squeezed(self.base.mean)

    def entropy(self) -> Float[Array, "*B"]:
        """H = H(u) + E[ Σ_d log da/du ], nats; the mean by a rule of 20 nodes, within 10⁻⁴ a dimension for σ ≤ 1."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(20)
        mean = jnp.zeros_like(self.base.mean)
        for node, weight in zip(nodes, weights / weights.sum(), strict=True):
            mean = mean + float(weight) * self._stretch(self.base.mean + float(node) * self.base.std)
        return self.base.entropy() + _total(mean)

    def kl(self, other: "TanhNormal") -> Float[Array, "*B"]:
        """KL(self‖other), nats; that of the normals, exactly: both go through the same map."""
        return self.base.kl(other.base)

    def squared_score(self, action: Float[Array, "*B D"]) -> Float[Array, "*B"]:
        """‖∇ log π(a)‖² by μ and σ of u; that of the normal at u."""
        return self.base.squared_score(self._unsqueezed(action)[0])

    def fisher(self, tangent: "TanhNormal") -> "TanhNormal":
        """Fisher information applied to a tangent; that of the normals."""
        return TanhNormal(self.base.fisher(tangent.base), self.space)

    def _bounds(self, axes: int) -> tuple[Array, Array]:
        low, high = (jnp.asarray(bound.reshape((1,) * (axes - 1) + (-1,))) for bound in self.space.bounds)
        return low, high

    def _unsqueezed(self, action: Float[Array, "*B D"]) -> tuple[Array, Array, Array, Array]:
        """u, and the logarithms of the distances to the bounds and of the distance between them."""
        low, high = self._bounds(action.ndim)
        inward = (jnp.nextafter(low, high) - low, high - jnp.nextafter(high, low))
        # A subnormal step, as next to a bound of 0, is none to a processor that flushes them.
        below, above = (
            jnp.maximum(distance, jnp.maximum(0.5 * step, 1e-30))
            for distance, step in zip((action - low, high - action), inward, strict=True)
        )
        log_below, log_above, log_span = jnp.log(below), jnp.log(above), jnp.log(high - low)
        return 0.5 * (log_below - log_above), log_below, log_above, log_span

    def _squeezed(self, base: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        low, high = self._bounds(base.ndim)
        # From the nearer bound, so that a distance to it is rounded as finely as can be.
        near = (high - low) * jax.nn.sigmoid(2.0 * _negative(base))
        return jnp.clip(jnp.where(base < 0, low + near, high - near), low, high)

    def _stretch(self, base: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """The derivative log da/du = log( (high − low)/2 ) + 2 ( log 2 − |u| − log(1 + e^{−2|u|}) )."""
        low, high = self._bounds(base.ndim)
        size = _negative(base)
        return jnp.log(0.5 * (high - low)) + 2.0 * (jnp.log(2.0) + size - jnp.log1p(jnp.exp(2.0 * size)))


class Noisy(eqx.Module):
    """A deterministic action, and around it noise to explore by: a = clip(μ + σ s ε, low, high); ``[*B, D]``.

    Attributes:
        mean: μ, within the bounds.
        spread: σ, in units of s, half of the distance between the bounds of each entry.
        space: The Box, bounded on both sides.
    """

    mean: Float[Array, "*B D"]
    spread: float = eqx.field(static=True)
    space: Box = eqx.field(static=True)

    def sample(self, noise: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """One action each, from standard normal noise."""
        return self.moved(self.spread * noise)

    def moved(self, shift: Float[Array, "*B D"]) -> Float[Array, "*B D"]:
        """The action that far from the mean, in units of s, but within the bounds."""
        low, high = (jnp.asarray(b.reshape((1,) * (shift.ndim - 1) + (-1,))) for b in self.space.bounds)
        return jnp.clip(self.mean + 0.5 * (high - low) * shift, low, high)

    def mode(self) -> Float[Array, "*B D"]:
        """μ."""
        return self.mean

    def relaxed(self, noise: Float[Array, "*B D"]) -> tuple[Float[Array, "*B D"], Float[Array, "*B"]]:
        """μ and 0: it is the deterministic policy that is trained."""
        return self.mean, jnp.zeros(self.mean.shape[:-1])

    def entropy(self) -> Float[Array, "*B"]:
        """0, as what is trained is deterministic."""
        return jnp.zeros(self.mean.shape[:-1])


def even(space: Space, noise: Float[Array, "*B W"], available: Bool[Array, "*B W"] | None) -> Any:
    """An action drawn evenly over what is available, from the noise of any policy's; ``[*B, …]``, a Box's flat.

    Of a Box without bounds in places, a standard normal number there.
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
    """−|x|, but with a slope at 0."""
    return jnp.where(x < 0, x, -x)


class Distribution(Protocol):
    """What a policy's output must offer; two distributions compared are of the same kind."""

    def log_prob(self, action: Any) -> Float[Array, "*B"]:
        """Logarithm of the probability or density, nats."""
        ...

    def sample(self, noise: Float[Array, "*B W"]) -> Any:
        """One action each, a function of the noise that `noise` draws."""
        ...

    def mode(self) -> Any:
        """The likeliest action."""
        ...

    def entropy(self) -> Float[Array, "*B"]:
        """Nats."""
        ...

    def kl(self, other: Any) -> Float[Array, "*B"]:
        """KL(self‖other), nats; exact."""
        ...

    def fisher(self, tangent: Any) -> Any:
        """Fisher information of the distribution's own numbers applied to a tangent of them."""
        ...


class Scored(Distribution, Protocol):
    """A distribution that knows how strongly its own numbers are moved by an action; what optimal baselines ask for."""

    def squared_score(self, action: Any) -> Float[Array, "*B"]:
        """‖∇_ψ log π(a)‖², ψ being the distribution's own numbers: logits, or means and deviations."""
        ...
