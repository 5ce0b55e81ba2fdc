"""Acting for a share ε of the time by even chances, and how ε falls while a run plays."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.distributions import Categorical
from hamlet.errors import require
from hamlet.types import Scalar

# A probability of 0 has no logarithm; this is never drawn.
_NEVER = 1e-30


def greedy(values: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None) -> Int[Array, "*B"]:
    """The best of the available choices; the lowest index among equals."""
    allowed = values if available is None else jnp.where(available, values, -jnp.inf)
    return jnp.argmax(allowed, axis=-1).astype(jnp.int32)


def explored(
    values: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None, exploration: float | Float[Array, "*#B #A"]
) -> Categorical:
    """ε / |available| on every available choice, and 1 − ε more on the best of them."""
    return _shared(jax.nn.one_hot(greedy(values, available), values.shape[-1]), available, exploration)


def mixed(
    logits: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None, exploration: float | Scalar
) -> Categorical:
    """Every available choice with (1 − ε) of its probability by the logits, and ε / |available| more.

    >>> policy = mixed(jnp.array([9.0, -9.0, 0.0]), jnp.array([True, True, False]), 0.5)
    >>> [round(float(p), 3) for p in jnp.exp(policy.log_probs)]
    [0.75, 0.25, 0.0]
    """
    probabilities = jnp.exp(Categorical.from_logits(logits, available).log_probs)
    return _shared(probabilities, available, exploration)


def _shared(
    own: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None, exploration: float | Float[Array, "..."]
) -> Categorical:
    """1 − ε of some probabilities, and ε / |available| more on every available choice."""
    allowed = jnp.ones(own.shape) if available is None else available.astype(jnp.float32)
    even = allowed / jnp.maximum(allowed.sum(-1, keepdims=True), 1.0)
    share = exploration * even + (1 - exploration) * own
    return Categorical.from_logits(jnp.log(jnp.maximum(share, _NEVER)), available)


class EpsilonGreedy(eqx.Module):
    """The policy of some values; its mode is the best choice even where ε = 1 and no choice is likelier.

    Attributes:
        values: Of every choice.
        available: Which choices there are; None for all.
        exploration: ε in [0, 1].
    """

    values: Float[Array, "*B A"]
    available: Bool[Array, "*B A"] | None
    exploration: Float[Array, "*B"]

    def sample(self, noise: Float[Array, "*B A"]) -> Int[Array, "*B"]:
        """One action each, from Gumbel noise."""
        return explored(self.values, self.available, self.exploration[..., None]).sample(noise)

    def mode(self) -> Int[Array, "*B"]:
        """The best choice."""
        return greedy(self.values, self.available)


class Rate(eqx.Module):
    """ε of the moment: a number that a learner sets, and nothing that is learnt."""

    value: Float[Array, "*units"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """ε falls along a line, from ``start`` to ``end`` within so many environment steps of all copies together.

    >>> [round(float(Schedule(start=1.0, end=0.2, steps=100)(t)), 3) for t in (0, 50, 100, 900)]
    [1.0, 0.6, 0.2, 0.2]

    Attributes:
        start: ε at first, in [0, 1].
        end: ε after it, in [0, 1].
        steps: Environment steps in between; 0 for ``end`` from the first.
    """

    start: float = 1.0
    end: float = 0.05
    steps: int = 50_000

    def __post_init__(self) -> None:
        """Refuse what is no share."""
        for name in ("start", "end"):
            share = getattr(self, name)
            require(0 <= share <= 1, f"--exploration-{name} must lie in [0, 1], not at {share}")
        require(self.steps >= 0, f"--exploration-steps must not be negative: {self.steps}")

    def __call__(self, played: int | Int[Array, ""]) -> Scalar:
        """ε after so many environment steps."""
        gone = jnp.minimum(jnp.asarray(played, jnp.float32) / max(self.steps, 1), 1.0) if self.steps else 1.0
        return jnp.asarray(self.start + (self.end - self.start) * gone, jnp.float32)
