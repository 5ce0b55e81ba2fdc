"""What each method can say of a payoff, in closed form and by enumeration; what it learns; and what the record says."""

import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from documents import ROOT
from hamlet.algorithms import make as declared
from hamlet.backends.jax_backend import begin_training
from hamlet.envs import make
from hamlet.errors import RequestError
from hamlet.experiments import decomposition
from hamlet.experiments.decomposition import METHODS, SETTINGS, can_say, monotone, nearest_sum, solved
from hamlet.networks.mixers.base import Added, AgentValues, Offer, Sum

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
    assert found == pytest.approx(means) and nearest_sum(CLIMBING) == pytest.approx(means)
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
    assert min(errors["else"]) == pytest.approx(315.43, abs=0.01)


def descended(payoff, size):
    """The sum of two agents' values after descending VDN's loss, with the whole table as the batch."""
    rows, columns = payoff.shape
    joint = jnp.asarray(list(np.ndindex(rows, columns)), jnp.int32)
    mixer, state = Sum(), jnp.zeros((len(joint), 1))
    goal = jnp.asarray(payoff.reshape(-1, 1), jnp.float32)

    def offered(values):
        spread = jnp.broadcast_to(values[None], (len(joint), *values.shape))
        return AgentValues((Offer(spread, joint, None, spread),), None)

    def loss(values):
        return mixer.loss(Added(), offered(values), state, goal)[0].mean()

    values = jax.random.normal(jax.random.key(1), (2, rows))
    values = jax.jit(lambda v: jax.lax.fori_loop(0, 80, lambda _, at: at - size * jax.grad(loss)(at), v))(values)
    return np.asarray(values[0])[:, None] + np.asarray(values[1])[None]


def test_vdn_descends_to_its_closed_form():
    found = descended(CLIMBING, 0.75)
    assert found == pytest.approx(nearest_sum(CLIMBING), abs=1e-3)
    assert [found[0, 0], found[0, 1], found[1, 1]] == pytest.approx([-6.222, -4.889, -3.556], abs=1e-3)


def test_vdn_descends_to_unlike_signs_where_the_means_are_unlike():
    """Played evenly from −8 to 10 and from −10 to 8: means 1 and −1, so that −8 and 8 seem best, and −64 is earned."""
    first, second = NUMBERS[2:], NUMBERS[:-2]
    found = descended(np.outer(first, second).astype(float), 4.75)
    assert found == pytest.approx(-first[:, None] + second[None] + 1.0, abs=1e-3)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert (first[row], second[column]) == (-8, 8)


def test_what_can_be_said_leaves_ties_open_and_independent_learners_look_at_their_own_payoffs():
    said = can_say(make("matrix/climbing"))
    assert said == {"iql": [0], "vdn": [0], "qmix": [8], "qtran": [8], "qplex": [8], "q_dpp": None}
    even = can_say(make("game/product_discrete"))["vdn"]
    assert even is not None and (min(even), max(even)) == (-100, 100)
    hunt = can_say(make("matrix/stag_hunt"))  # a stag is worth (4 + 0)/2 to a hunter, a hare (3 + 2)/2
    assert (hunt["iql"], hunt["vdn"]) == ([4], [8])


def test_an_exact_joint_value_of_too_many_joint_actions_is_refused_with_the_other_kind():
    env = make("mpe/simple_spread", continuous=False, agents=8)
    with pytest.raises(RequestError, match="390,625, more than the limit of 100,000: use --joint encoded"):
        jax.eval_shape(lambda: begin_training(declared("qtran", joint="exact"), env, 0))


# What must come out of 60,000 steps of even play in climbing: the payoff, and in how many of 20 seeds at least.
CLIMBED = {"qmix": (0.0, 18), "qtran": (8.0, 18), "qplex": (8.0, 16), "vdn": (0.0, 18)}


def ends(found, method):
    payoff, least = CLIMBED[method]
    return sum(one == payoff for one in found["payoffs"]) >= least


@pytest.mark.parametrize("method", CLIMBED)
def test_the_record_says_who_climbs(method):
    record = json.loads((ROOT / "benchmarks" / "records" / "value-decomposition.json").read_text(encoding="utf-8"))
    row = record["result"]["games"][0]
    assert (row["game"], row["exploration"], record["result"]["steps"]) == ("climbing", 1.0, 60_000)
    assert ends(row["methods"][method], method)
    assert set(row["methods"]) == set(METHODS) and solved(row, "qtran") >= 18
    assert np.median(row["methods"]["qmix"]["squared_error"]) == pytest.approx(320, abs=5)


@pytest.mark.slow
@pytest.mark.parametrize("method", CLIMBED)
def test_who_climbs(method):
    (climbing, *_) = SETTINGS
    found = decomposition.learnt(decomposition.declared(method, climbing), climbing)
    assert ends(found, method)
    if method == "qmix":
        assert found["squared_error"] == pytest.approx([320] * 20, abs=15)
