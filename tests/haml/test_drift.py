"""The definition of a drift, for ours and for those that are none."""

from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hamlet.errors import RequestError
from hamlet.haml.drift import ClipDrift, KlDrift, ZeroDrift
from hamlet.testing import check_drift


@pytest.mark.parametrize("drift", [ZeroDrift(), ClipDrift(0.2), ClipDrift(0.05), KlDrift(0.5), KlDrift(20.0)], ids=repr)
@settings(max_examples=2, deadline=None)
@given(seed=st.integers(0, 2**31 - 1))
def test_a_drift_is_non_negative_and_vanishes_with_its_slope_at_the_old_policy(drift, seed):
    check_drift(drift, trials=3, seed=seed)


floats = st.floats(-50, 50, width=32)


@settings(max_examples=100, deadline=None)
@given(
    rows=st.lists(st.tuples(st.floats(2**-10, 8, width=32), floats), min_size=8, max_size=8),
    epsilon=st.sampled_from([0.05, 0.2, 0.5]),
)
def test_the_gain_less_the_clip_drift_is_the_clipped_objective_sample_by_sample(rows, epsilon):
    ratio, corrected = jnp.array(rows, jnp.float32).T
    found = ratio * corrected - ClipDrift(epsilon)(ratio, corrected, None, None)
    clipped = np.minimum(ratio * corrected, np.clip(ratio, 1 - epsilon, 1 + epsilon) * corrected)
    np.testing.assert_allclose(found, clipped, rtol=1e-5, atol=1e-4)


@dataclass(frozen=True)
class TotalVariation:
    """Σ |π − π̄| / 2: non-negative and zero at the old policy, but with a kink there."""

    def __call__(self, ratio, corrected, old, new):
        return 0.5 * jnp.abs(jnp.exp(old.log_probs) - jnp.exp(new.log_probs)).sum(-1)


@dataclass(frozen=True)
class SquaredTotalVariation:
    def __call__(self, ratio, corrected, old, new):
        return TotalVariation()(ratio, corrected, old, new) ** 2


@dataclass(frozen=True)
class Reward:
    """A divergence paid out instead of paid."""

    def __call__(self, ratio, corrected, old, new):
        return -old.kl(new)


@dataclass(frozen=True)
class Offset:
    def __call__(self, ratio, corrected, old, new):
        return old.kl(new) + 0.1


@dataclass(frozen=True)
class Slope:
    """The ratio's own expectation is flat, but weighted by the advantage it is not."""

    def __call__(self, ratio, corrected, old, new):
        return (ratio - 1) * corrected


def test_a_smooth_drift_of_a_user_is_accepted():
    check_drift(SquaredTotalVariation(), trials=5)


@pytest.mark.parametrize(
    ("drift", "said"),
    [
        (TotalVariation(), "TotalVariation must have slope 0 .* got"),
        (Reward(), "Reward must not be negative, got -"),
        (Offset(), "Offset must be 0 at the old policy, got 0.1"),
        (Slope(), "Slope must (have slope 0|not be negative)"),
    ],
)
def test_what_is_no_drift_is_refused_with_the_property_it_lacks(drift, said):
    with pytest.raises(AssertionError, match=said):
        check_drift(drift, trials=10)


def test_an_empty_band_and_a_reward_for_drifting_are_refused():
    with pytest.raises(RequestError, match="--clip must be above 0, not 0"):
        ClipDrift(0.0)
    with pytest.raises(RequestError, match="must not be negative"):
        KlDrift(-1.0)


@dataclass(frozen=True)
class Roots:
    """The squared Hellinger distance, whose slope is no number where a choice has probability 0."""

    def __call__(self, ratio, corrected, old, new):
        return 1 - jnp.sqrt(jnp.exp(old.log_probs) * jnp.exp(new.log_probs)).sum(-1)


@dataclass(frozen=True)
class Hellinger:
    """The same from log-probabilities."""

    def __call__(self, ratio, corrected, old, new):
        return 1 - jnp.exp(0.5 * (old.log_probs + new.log_probs)).sum(-1)


def test_a_drift_is_judged_where_choices_are_not_available_too():
    check_drift(Hellinger(), trials=9)
    with pytest.raises(AssertionError, match=r"Roots must have slope 0 .* got nan"):
        check_drift(Roots(), trials=9)
