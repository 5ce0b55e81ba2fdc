"""Public checks for users' extensions: each states a definition, and says what is wrong in a line to act on."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hamlet.distributions import Categorical
from hamlet.haml.drift import Drift

__all__ = ["check_drift"]


def check_drift(drift: Drift, *, trials: int = 200, seed: int = 0, tolerance: float = 1e-5) -> None:
    """Check the definition of a drift functional on random policies over two to six actions.

    With D(π̄) = Σₐ π(a) 𝔇(r(a), c(a), π, π̄), its exact expectation over actions under the old policy, for corrected
    advantages c of either sign:

    1. D(π) = 0;   2. D(π̄) ≥ 0;   3. every directional derivative of D at π is 0.

    Reference: Kuba et al., 2022, arXiv:2208.01682, definition 10.

    Args:
        drift: What to check.
        trials: Random pairs of policies.
        seed: From which they are drawn.
        tolerance: What still counts as 0, and as slope 0.

    Raises:
        AssertionError: Names the property, the numbers, and the policies at which it fails.
    """
    name = getattr(drift, "__name__", type(drift).__name__)
    for trial in range(trials):
        key = jax.random.fold_in(jax.random.key(seed), trial)
        count_key, *keys = jax.random.split(key, 4)
        count = int(jax.random.randint(count_key, (), 2, 7))
        old, direction, corrected = (jax.random.normal(k, (count,)) for k in keys)
        _check_at(drift, name, old, direction, corrected, tolerance)


def expected_drift(drift: Drift, old: Array, new: Array, corrected: Array) -> Array:
    """D(π̄), exact, from the logits of both policies and the corrected advantage of every action."""
    before, after = Categorical.from_logits(old), Categorical.from_logits(new)
    actions = jnp.arange(old.shape[0])
    rows = lambda policy: jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(actions), *leaf.shape)), policy)  # noqa: E731
    before, after = rows(before), rows(after)
    ratio = jnp.exp(after.log_prob(actions) - before.log_prob(actions))
    return (jnp.exp(before.log_prob(actions)) * drift(ratio, corrected, before, after)).sum()


def _check_at(drift: Drift, name: str, old: Array, direction: Array, corrected: Array, tolerance: float) -> None:
    at = lambda step: expected_drift(drift, old, old + step * direction, corrected)  # noqa: E731
    still = float(at(0.0))
    if not abs(still) <= tolerance:
        raise AssertionError(f"{name} is {still:.3g} at the old policy, where a drift is 0; {_where(old)}")
    for step in (3.0, 1.0, 0.1):
        value = float(at(step))
        if not value >= -tolerance:
            moved = _where(old + step * direction)
            raise AssertionError(f"{name} is {value:.3g}, and a drift is never negative; from {_where(old)} to {moved}")
    # One-sided quotients catch a kink that automatic differentiation does not see; they fall with the step where
    # the slope is 0, and stay where it is not.
    quotients = [(float(at(step)) - still) / step for step in (1e-1, 1e-2)]
    slope = float(jax.grad(at)(0.0))
    kinked = abs(quotients[1]) > max(100 * tolerance, 0.5 * abs(quotients[0]))
    if not (abs(slope) <= 10 * tolerance and not kinked):
        worst = slope if abs(slope) > abs(quotients[1]) else quotients[1]
        raise AssertionError(
            f"{name} has slope {worst:.3g} at the old policy, where a drift is flat; {_where(old)}, "
            f"direction {np.round(np.asarray(direction), 3).tolist()}"
        )


def _where(logits: Any) -> str:
    return f"policy {np.round(np.asarray(jax.nn.softmax(logits)), 3).tolist()}"
