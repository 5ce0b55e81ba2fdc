"""The public checks pass what fits the definitions, and name what does not."""

import dataclasses

import jax.numpy as jnp
import pytest

import hamlet
from hamlet.errors import RequestError
from hamlet.haml.drift import ClipDrift, ZeroDrift
from hamlet.haml.neighbourhood import KlBall, Unconstrained
from hamlet.testing import check_algorithm, check_neighbourhood
from pieces import always


@pytest.mark.parametrize("neighbourhood", [Unconstrained(), KlBall(radius=1e-3)])
def test_neighbourhoods_of_the_papers_are_neighbourhoods(neighbourhood):
    check_neighbourhood(neighbourhood)


class Stubborn(Unconstrained):
    """Nothing but the old policy."""

    def contains(self, old, new, weight):
        return (jnp.abs(jnp.exp(new.log_probs) - jnp.exp(old.log_probs)) < 1e-6).all()


class Elsewhere(Unconstrained):
    """Anything but the old policy."""

    def contains(self, old, new, weight):
        return (weight * old.kl(new)).sum() > 1e-6


class Careless(KlBall):
    """A ball that `improve` does not keep to."""

    def contains(self, old, new, weight):
        return (weight * old.kl(new)).sum() <= self.radius / 100


@pytest.mark.parametrize(
    ("neighbourhood", "said"),
    [
        (Stubborn(), "Stubborn must contain a ball"),
        (Elsewhere(), "must contain the old policy"),
        (Careless(), r"Careless\.improve returns"),
    ],
)
def test_what_is_no_neighbourhood_is_refused_with_the_property_that_fails(neighbourhood, said):
    with pytest.raises(AssertionError, match=said):
        check_neighbourhood(neighbourhood)


@pytest.mark.slow
@pytest.mark.parametrize("name", always("hatrpo", of=("happo", "hatrpo", "haa2c")))
def test_sequential_algorithms_of_the_registry_pass(name):
    check_algorithm(hamlet.algorithms.make(name), games=8, sweeps=8)


def test_moving_all_at_once_fails_by_a_fall_of_the_return():
    with pytest.raises(AssertionError, match=r"J fell by .* in one update of game \d+"):
        check_algorithm(hamlet.algorithms.maa2c(), games=8, sweeps=8)


def test_moving_all_at_once_fails_by_a_fall_of_the_return_with_entropy_where_that_is_maximised():
    with pytest.raises(AssertionError, match=r"J_α fell by .* in one update of game \d+"):
        check_algorithm(hamlet.algorithms.masac(), games=8, sweeps=8)


def test_what_is_no_triple_is_refused_as_nothing_is_promised_of_it():
    with pytest.raises(RequestError, match=r"object is no triple .* try haa2c, or hasac"):
        check_algorithm(object())


@dataclasses.dataclass(frozen=True)
class Reward(ClipDrift):
    """PPO's drift with the wrong sign."""

    def __call__(self, ratio, corrected, old, new):
        return -super().__call__(ratio, corrected, old, new)


def test_a_drift_with_the_wrong_sign_fails_before_any_game():
    wrong = hamlet.replace(hamlet.algorithms.happo(), drift=Reward())
    with pytest.raises(AssertionError, match="must not be negative"):
        check_algorithm(wrong, games=1, sweeps=1)


def test_a_user_s_drift_of_nothing_is_that_of_the_house():
    class Nothing:
        def __call__(self, ratio, corrected, old, new):
            return jnp.zeros_like(ratio)

    check_algorithm(hamlet.replace(hamlet.algorithms.haa2c(), drift=Nothing()), games=4, sweeps=4)
    check_algorithm(hamlet.replace(hamlet.algorithms.haa2c(), drift=ZeroDrift()), games=4, sweeps=4)
