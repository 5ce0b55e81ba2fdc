"""Public checks for users' extensions: each states a definition, and says what is wrong in a line to act on."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hamlet.distributions import Categorical
from hamlet.haml.drift import Drift

__all__ = ["check_drift"]

# Numbers of actions that are tried, and how far along a line of logits; 0 is the old policy, the last two are close.
_ACTIONS = (2, 3, 6)
_STEPS = (0.0, 3.0, 1.0, 0.1, 0.01)


def check_drift(drift: Drift, *, trials: int = 200, seed: int = 0, tolerance: float = 1e-5) -> None:
    """Check the definition of a drift functional on random policies over two, three and six actions.

    With D(π̄) = Σₐ π(a) 𝔇(r(a), c(a), π, π̄), its exact expectation over actions under the old policy, for corrected
    advantages c of either sign:

    1. D(π) = 0;   2. D(π̄) ≥ 0;   3. every directional derivative of D at π is 0.

    Reference: Zhong et al., 2024, arXiv:2304.09870, definition 10.

    Args:
        drift: What to check.
        trials: Random pairs of policies.
        seed: From which they are drawn.
        tolerance: What still counts as 0, and as slope 0.

    Raises:
        AssertionError: Names the property, the numbers, and the policies at which it fails.
    """
    name = getattr(drift, "__name__", type(drift).__name__)
    profile = jax.jit(jax.vmap(partial(_profile, drift)))
    for number, actions in enumerate(_ACTIONS):
        shape = (-(-trials // len(_ACTIONS)), actions)
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), 3)
        old, direction, corrected = (jax.random.normal(key, shape) for key in keys)
        rows = (np.asarray(x) for x in (*profile(old, direction, corrected), old, direction))
        for values, slope, logits, towards in zip(*rows, strict=True):
            _judge(name, values, float(slope), logits, towards, tolerance)


def expected_drift(drift: Drift, old: Array, new: Array, corrected: Array) -> Array:
    """D(π̄), exact, from the logits of both policies and the corrected advantage of every action."""
    before, after = Categorical.from_logits(old), Categorical.from_logits(new)
    actions = jnp.arange(old.shape[0])
    rows = lambda policy: jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(actions), *leaf.shape)), policy)  # noqa: E731
    before, after = rows(before), rows(after)
    ratio = jnp.exp(after.log_prob(actions) - before.log_prob(actions))
    return (jnp.exp(before.log_prob(actions)) * drift(ratio, corrected, before, after)).sum()


def _profile(drift: Drift, old: Array, direction: Array, corrected: Array) -> tuple[Array, Array]:
    """D along a line of logits through the old policy, at `_STEPS`, and its derivative there at 0."""
    at = lambda step: expected_drift(drift, old, old + step * direction, corrected)  # noqa: E731
    return jnp.stack([at(step) for step in _STEPS]), jax.grad(at)(0.0)


def _judge(name: str, values: Any, slope: float, old: Any, direction: Any, tolerance: float) -> None:
    still = float(values[0])
    if not abs(still) <= tolerance:
        raise AssertionError(f"{name} is {still:.3g} at the old policy, where a drift is 0; {_where(old)}")
    for step, value in zip(_STEPS[1:], values[1:], strict=True):
        if not value >= -tolerance:
            moved = _where(old + step * direction)
            raise AssertionError(f"{name} is {value:.3g}, and a drift is never negative; from {_where(old)} to {moved}")
    # One-sided quotients catch a kink that automatic differentiation does not see; they fall with the step where
    # the slope is 0, and stay where it is not.
    far, near = ((float(values[k]) - still) / _STEPS[k] for k in (-2, -1))
    kinked = abs(near) > max(100 * tolerance, 0.5 * abs(far))
    if not (abs(slope) <= 10 * tolerance and not kinked):
        worst = slope if abs(slope) > abs(near) else near
        raise AssertionError(
            f"{name} has slope {worst:.3g} at the old policy, where a drift is flat; {_where(old)}, "
            f"direction {np.round(direction, 3).tolist()}"
        )


def _where(logits: Any) -> str:
    return f"policy {np.round(np.asarray(jax.nn.softmax(logits)), 3).tolist()}"
