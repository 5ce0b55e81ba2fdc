"""The order of moves, and what each knows of those before."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.haml.scheme import Sequential, Simultaneous

UNITS = 5


def visit(unit, team, carry, key):
    """Writes down when it came, and what it was given."""
    moves, order = team
    info = {"unit": unit, "carry": carry, "draw": jax.random.uniform(key), "place": moves}
    return (moves + 1, order.at[moves].set(unit)), carry + 1 + unit, info


@cache
def program(scheme):
    return jax.jit(partial(scheme.sweep, visit, units=UNITS))


def sweep(scheme, seed):
    team = (jnp.zeros((), jnp.int32), -jnp.ones(UNITS, jnp.int32))
    (count, order), info = program(scheme)(team, jnp.int32(0), key=jax.random.key(seed))
    assert count == UNITS
    return np.asarray(order), {name: np.asarray(value) for name, value in info.items()}


SCHEMES = [Sequential("random"), Sequential("fixed"), Simultaneous()]


@pytest.mark.parametrize("scheme", SCHEMES, ids=repr)
def test_every_unit_moves_once_and_its_info_lands_on_it(scheme):
    for seed in range(10):
        order, info = sweep(scheme, seed)
        assert sorted(order) == list(range(UNITS))
        np.testing.assert_array_equal(info["unit"], np.arange(UNITS))
        np.testing.assert_array_equal(order[info["place"]], np.arange(UNITS))


def test_a_random_order_differs_from_iteration_to_iteration_and_lets_everyone_be_first():
    orders = [tuple(sweep(Sequential("random"), seed)[0]) for seed in range(40)]
    assert len(set(orders)) > 20 and {order[0] for order in orders} == set(range(UNITS))


@pytest.mark.parametrize("scheme", SCHEMES[1:], ids=repr)
def test_other_orders_are_that_of_the_roster(scheme):
    np.testing.assert_array_equal(sweep(scheme, 3)[0], np.arange(UNITS))


def test_a_later_unit_meets_the_carry_of_all_earlier_ones():
    order, info = sweep(Sequential("random"), 4)
    for place, unit in enumerate(order):
        assert info["carry"][unit] == sum(1 + earlier for earlier in order[:place])


def test_units_that_move_at_once_meet_the_carry_of_the_start():
    np.testing.assert_array_equal(sweep(Simultaneous(), 4)[1]["carry"], np.zeros(UNITS))


def test_a_unit_draws_the_same_whatever_the_order():
    draws = [sweep(scheme, 6)[1]["draw"] for scheme in SCHEMES]
    np.testing.assert_array_equal(draws[0], draws[1])
    np.testing.assert_array_equal(draws[0], draws[2])
    assert len(set(draws[0].tolist())) == UNITS and not (draws[0] == sweep(SCHEMES[0], 7)[1]["draw"]).any()
