"""Exploration: act uniformly at random with probability ε, which decreases during a run."""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from hamlet.distributions import Categorical
from hamlet.errors import require
from hamlet.types import Scalar

# Replaces probabilities of 0, which have no logarithm; an action with this probability is never sampled.
_NEVER = 1e-30


def greedy(values: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None) -> Int[Array, "*B"]:
    """Return the available action with the highest value; among equal values, the lowest index."""
    allowed = values if available is None else jnp.where(available, values, -jnp.inf)
    return jnp.argmax(allowed, axis=-1).astype(jnp.int32)


def explored(
    values: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None, exploration: float | Float[Array, "*#B #A"]
) -> Categorical:
    """Return the ε-greedy distribution: ε / |available| for every available action, and 1 − ε more for the best one."""
    return _shared(jax.nn.one_hot(greedy(values, available), values.shape[-1]), available, exploration)


def mixed(
    logits: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None, exploration: float | Scalar
) -> Categorical:
    """Return (1 − ε) π + ε / |available| for every available action, where π is the softmax of the logits.

    >>> policy = mixed(jnp.array([9.0, -9.0, 0.0]), jnp.array([True, True, False]), 0.5)
    >>> [round(float(p), 3) for p in jnp.exp(policy.log_probs)]
    [0.75, 0.25, 0.0]
    """
    probabilities = jnp.exp(Categorical.from_logits(logits, available).log_probs)
    return _shared(probabilities, available, exploration)


def _shared(
    own: Float[Array, "*B A"], available: Bool[Array, "*B A"] | None, exploration: float | Float[Array, "..."]
) -> Categorical:
    """Return (1 − ε) times the probabilities ``own``, plus ε / |available| for every available action."""
    allowed = jnp.ones(own.shape) if available is None else available.astype(jnp.float32)
    even = allowed / jnp.maximum(allowed.sum(-1, keepdims=True), 1.0)
    share = exploration * even + (1 - exploration) * own
    return Categorical.from_logits(jnp.log(jnp.maximum(share, _NEVER)), available)


class EpsilonGreedy(eqx.Module):
    """The ε-greedy policy for given action values.

    Its mode is the action with the highest value, even if ε = 1 and all actions are equally probable.

    Attributes:
        values: The value of every action.
        available: The action mask: which actions are available; None if all are.
        exploration: ε in [0, 1].
    """

    values: Float[Array, "*B A"]
    available: Bool[Array, "*B A"] | None
    exploration: Float[Array, "*B"]

    def sample(self, noise: Float[Array, "*B A"]) -> Int[Array, "*B"]:
        """Sample one action per row, from Gumbel noise."""
        return explored(self.values, self.available, self.exploration[..., None]).sample(noise)

    def mode(self) -> Int[Array, "*B"]:
        """Return the available action with the highest value."""
        return greedy(self.values, self.available)


class Rate(eqx.Module):
    """The current ε. The learner sets this number; it is not a learned parameter."""

    value: Float[Array, "*units"]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A linear schedule of ε from ``start`` to ``end`` within ``steps`` environment steps.

    Steps are counted over all environment copies together.

    >>> [round(float(Schedule(start=1.0, end=0.2, steps=100)(t)), 3) for t in (0, 50, 100, 900)]
    [1.0, 0.6, 0.2, 0.2]

    Attributes:
        start: Initial ε, in [0, 1].
        end: Final ε, in [0, 1].
        steps: Environment steps from ``start`` to ``end``; 0 to use ``end`` from the first step.
    """

    start: float = 1.0
    end: float = 0.05
    steps: int = 50_000

    def __post_init__(self) -> None:
        """Refuse an ε outside [0, 1] and a negative number of steps."""
        for name in ("start", "end"):
            share = getattr(self, name)
            require(0 <= share <= 1, f"--exploration-{name} must be in [0, 1], got {share}")
        require(self.steps >= 0, f"--exploration-steps must not be negative: {self.steps}")

    def __call__(self, played: int | Int[Array, ""]) -> Scalar:
        """Return ε after ``played`` environment steps."""
        gone = jnp.minimum(jnp.asarray(played, jnp.float32) / max(self.steps, 1), 1.0) if self.steps else 1.0
        return jnp.asarray(self.start + (self.end - self.start) * gone, jnp.float32)
