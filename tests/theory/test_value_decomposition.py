"""What sums and monotone functions of agents' values can say of a payoff, in closed form and by enumeration."""

import itertools

import numpy as np
import pytest
from scipy.optimize import nnls

from hamlet.envs import make

CLIMBING = np.asarray(make("matrix/climbing").payoffs).sum(0)
NUMBERS = np.arange(-10, 11)
PRODUCT = np.outer(NUMBERS, NUMBERS).astype(float)


def additive(payoff, first, second):
    """The sum of a row's and a column's value nearest to a payoff, where the two choose independently."""
    weight = np.outer(first, second)
    rows, columns = payoff.shape
    design = np.concatenate((np.repeat(np.eye(rows), columns, 0), np.tile(np.eye(columns), (rows, 1))), axis=1)
    root = np.sqrt(weight).reshape(-1, 1)
    found = np.linalg.lstsq(root * design, root[:, 0] * payoff.ravel(), rcond=None)[0]
    return (design @ found).reshape(payoff.shape)


def test_the_nearest_sum_on_climbing_is_row_mean_plus_column_mean_less_the_mean_of_all():
    found = additive(CLIMBING, np.full(3, 1 / 3), np.full(3, 1 / 3))
    means = CLIMBING.mean(1, keepdims=True) + CLIMBING.mean(0, keepdims=True) - CLIMBING.mean()
    assert found == pytest.approx(means)
    assert [found[0, 0], found[0, 1], found[1, 1]] == pytest.approx([-6.222, -4.889, -3.556], abs=1e-3)
    assert ((found - CLIMBING) ** 2).mean() == pytest.approx(50.568, abs=1e-3)
    assert CLIMBING.ravel()[found.argmax()] == 0


@pytest.mark.parametrize("means", [(1, -1), (2, 3), (-4, -0.5), (-1, 6)])
def test_a_sum_learns_the_product_of_two_numbers_by_the_others_mean_so_that_unlike_signs_end_at_the_worst(means):
    """r̂ = a₁μ₂ + a₂μ₁ − μ₁μ₂: its best choices are 10·sign μ₂ and 10·sign μ₁."""
    chances = [np.exp(_tilt(mean) * NUMBERS) / np.exp(_tilt(mean) * NUMBERS).sum() for mean in means]
    assert [float(chance @ NUMBERS) for chance in chances] == pytest.approx(means)
    found = additive(PRODUCT, *chances)
    first, second = means
    assert found == pytest.approx(NUMBERS[:, None] * second + NUMBERS[None] * first - first * second, abs=1e-6)
    earned = PRODUCT.ravel()[found.argmax()]
    assert earned == 100 * np.sign(first * second)


def _tilt(mean):
    """θ with Σ a exp(θ a) / Σ exp(θ a) = mean, by bisection."""
    low, high = -5.0, 5.0
    for _ in range(100):
        middle = (low + high) / 2
        weight = np.exp(middle * NUMBERS)
        low, high = (middle, high) if weight @ NUMBERS / weight.sum() < mean else (low, middle)
    return low


def test_where_both_choose_evenly_the_nearest_sum_to_the_product_is_nothing():
    found = additive(PRODUCT, np.full(21, 1 / 21), np.full(21, 1 / 21))
    assert found == pytest.approx(0, abs=1e-9)
    assert (PRODUCT**2).mean() == pytest.approx((110 / 3) ** 2)


def monotone(payoff, first, second):
    """The function nearest to a payoff that rises along both orders of choices: a sum of steps up, none negative."""
    places = np.empty(payoff.shape, int), np.empty(payoff.shape, int)
    places[0][:], places[1][:] = np.argsort(first)[:, None], np.argsort(second)[None]
    steps = [np.ones(9), -np.ones(9)]
    for heights in itertools.product(range(4), repeat=3):
        if list(heights) == sorted(heights, reverse=True):  # a set that with a point has all above it
            steps.append((places[1] >= np.asarray(heights)[places[0]]).ravel().astype(float))
    design = np.stack(steps, axis=1)
    return (design @ nnls(design, payoff.ravel())[0]).reshape(payoff.shape)


def test_the_best_monotone_fit_of_climbing_has_the_right_maximum_and_an_error_of_288_and_the_one_found_320():
    """So no monotone mixer is kept from the best choice by what it can say: it is kept by how it is found."""
    errors = {}
    for first, second in itertools.product(itertools.permutations(range(3)), repeat=2):
        found = monotone(CLIMBING, first, second)
        worst = (first[0] == 0, second[0] == 0)
        best = (first[-1] == 0, second[-1] == 0)
        kind = "best" if all(best) else "worst" if all(worst) else "else"
        errors.setdefault(kind, []).append(float(((found - CLIMBING) ** 2).sum()))
        if kind == "best":
            assert found == pytest.approx(np.where(CLIMBING == 8, 8, -6), abs=1e-6)
        if kind == "worst":
            assert found == pytest.approx(np.where(np.add.outer(np.arange(3), np.arange(3)) == 0, -8, found), abs=1e-6)
            assert found[1:, 1:] == pytest.approx(0, abs=1e-6) and found[0] == pytest.approx(-8, abs=1e-6)
    assert errors["best"] == pytest.approx([288] * 4)
    assert errors["worst"] == pytest.approx([320] * 4)
    assert min(errors["else"]) > 288
