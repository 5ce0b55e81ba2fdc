"""Gradient play on games of two by two: the rules are what their equations say, and go where they are known to go."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.games import binary, gradient, solvers
from hamlet.games.generators import GENERATORS
from hamlet.tabular.precision import exactly

PENNIES = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
START = np.array([0.9, 0.2])
CLOSE = {"rtol": 0, "atol": 1e-12}


STEP = jax.jit(lambda rule, payoffs, point: rule.step(payoffs, point))
FOLLOW = jax.jit(gradient.follow, static_argnums=3)
MANY_EQUILIBRIA = jax.jit(jax.vmap(gradient.equilibria))


def called(function, *arguments):
    return exactly(jax.jit(function), *arguments)


def stepped(rule, payoffs, point):
    return exactly(STEP, rule, payoffs, point)


@pytest.fixture(scope="module")
def drawn():
    """A thousand games of each class, and a point of each."""
    keys = jax.random.split(jax.random.key(0), 1000)
    games = {name: called(jax.vmap(make), keys) for name, make in GENERATORS.items()}
    return games, np.random.default_rng(0).random((1000, 2))


def test_values_and_slopes_are_those_of_the_mixed_strategies(drawn):
    games, points = drawn
    own = games["cyclic"]
    row, column = (np.stack((z, 1 - z), -1) for z in points.T)
    values, slopes, derived = called(
        lambda *two: tuple(
            jax.vmap(f)(*two) for f in (gradient.value, gradient.slopes, jax.jacobian(gradient.value, 1))
        ),
        own,
        points,
    )
    np.testing.assert_allclose(values, np.einsum("gr,girc,gc->gi", row, own, column), **CLOSE)
    np.testing.assert_allclose(slopes, derived, **CLOSE)


def test_every_equilibrium_is_one_and_the_classes_have_three_three_and_one(drawn):
    for (name, games), count in zip(drawn[0].items(), (3, 3, 1), strict=True):
        points, there = exactly(MANY_EQUILIBRIA, games)
        assert (there.sum(1) == count).all(), name
        assert there[:, -1].all(), "one of them is mixed"
        held = means(games, points)
        for player, best in itertools.product((0, 1), (0.0, 1.0)):
            moved = points.copy()
            moved[..., player] = best
            gain = means(games, moved)[..., player] - held[..., player]
            assert (gain[there] < 1e-12).all(), name
        alike = there[:, [0, 3]].all(1)
        assert alike.all() if name == "coordination" else not alike.any()


def test_the_equilibria_are_those_of_the_solver_of_single_games(drawn):
    games = np.concatenate([own[:10] for own in drawn[0].values()])
    for payoffs, points, there in zip(games, *exactly(MANY_EQUILIBRIA, games), strict=True):
        others = [[one[0] for one in found.strategies] for found in solvers.two_by_two(payoffs)]
        np.testing.assert_allclose(points[there], others, rtol=0, atol=1e-12)


def means(games, points):
    """Every player's mean payoff at several points of every game."""
    row, column = (np.stack((z, 1 - z), -1) for z in np.moveaxis(points, -1, 0))
    return np.einsum("gkr,girc,gkc->gki", row, games, column)


def test_games_without_a_mixed_equilibrium_or_with_ties_have_their_pure_ones():
    dilemma = np.array([[[-1.0, -3.0], [0.0, -2.0]], [[-1.0, 0.0], [-3.0, -2.0]]])
    points, there = exactly(MANY_EQUILIBRIA, np.stack((dilemma, np.zeros((2, 2, 2)))))
    assert points[0, there[0]].tolist() == [[0.0, 0.0]]
    assert there[1].tolist() == [True] * 4 + [False]


def test_the_meta_game_in_matching_pennies_has_the_known_numbers():
    predicted = stepped(gradient.Iga(0.02), PENNIES, START)
    np.testing.assert_allclose(predicted, [0.876, 0.168], **CLOSE)
    meta = called(gradient.restricted, PENNIES, START, predicted)
    np.testing.assert_allclose(meta[0], [[0, -0.0512], [0.0288, -0.019328]], **CLOSE)
    np.testing.assert_allclose(meta[1], -meta[0], **CLOSE)
    stable = [
        choice
        for choice in itertools.product((0, 1), repeat=2)
        if meta[0][choice] >= meta[0][1 - choice[0], choice[1]] and meta[1][choice] >= meta[1][choice[0], 1 - choice[1]]
    ]
    assert stable == [(1, 1)]
    np.testing.assert_allclose(called(gradient.mixture, PENNIES, START, predicted), predicted, rtol=0, atol=0)


def test_the_meta_game_is_what_both_gain_over_where_they_are(drawn):
    games, points = drawn
    own, other = games["anti-coordination"], points[::-1]
    meta = called(jax.vmap(gradient.restricted), own, points, other)
    for c in itertools.product((0, 1), repeat=2):
        profile = np.stack([(points, other)[choice][:, player] for player, choice in enumerate(c)], -1)
        gain = means(own, np.stack((profile, points), 1))
        np.testing.assert_allclose(meta[:, :, c[0], c[1]], gain[:, 0] - gain[:, 1], **CLOSE)


def test_where_staying_and_stepping_chase_each_other_the_mixture_lies_between():
    """From (¼, ¼) to (¾, ¾) the meta-game of matching pennies is matching pennies: ρ = (½, ½), the equilibrium."""
    here, there = np.array([0.25, 0.25]), np.array([0.75, 0.75])
    np.testing.assert_allclose(called(gradient.kept, PENNIES, here, there), [0.5, 0.5], **CLOSE)
    np.testing.assert_allclose(called(gradient.mixture, PENNIES, here, there), [0.5, 0.5], **CLOSE)


def test_of_two_who_improve_at_least_one_does_as_predicted_and_nobody_need_mix(drawn):
    """A gain for whoever moves alone makes one of (step, step), (stay, step) and (step, stay) an equilibrium."""
    games, points = drawn

    @jax.jit
    def kept(size, games, points):
        one = lambda payoffs, point: gradient.kept(payoffs, point, gradient.ahead(payoffs, point, size))  # noqa: E731
        return jax.vmap(one)(games, points)

    free = []
    for size in (0.02, 0.3, 1.0):
        found = np.stack([exactly(kept, size, own, points) for own in games.values()])
        assert np.isin(found, (0.0, 1.0)).all() and not (found == 1.0).all(-1).any()
        free.append((found == 0.0).all(-1).mean(1))
    # With small steps the meta-game restrains almost nobody, with large ones it does: A.4's 97 to 99 in a hundred.
    assert (free[0] > 0.96).all() and (free[1] < 0.9).all() and (free[2] < 0.7).all()


def test_where_the_meta_game_binds_matrl_answers_who_stays_and_il_pp_does_not(drawn):
    payoffs, where = drawn[0]["cyclic"], drawn[1]
    rules = gradient.Matrl(1.0, 1.0), gradient.IlPp(1.0, 1.0), gradient.MatrlWithoutBestResponse(1.0)

    def all_of(payoffs, point):
        predicted = gradient.ahead(payoffs, point, 1.0)
        rho = gradient.kept(payoffs, point, predicted)
        seen = jnp.where(rho == 1.0, point, predicted)
        answered = gradient.answer(payoffs, point, seen, 1.0)
        return rho, seen, answered, *(rule.step(payoffs, point) for rule in rules)

    rho, seen, answered, matrl, il_pp, without = called(jax.vmap(all_of), payoffs, where)
    np.testing.assert_allclose(matrl, answered, **CLOSE)
    np.testing.assert_allclose(without, seen, **CLOSE)
    binds = (rho == 1.0).any(1)
    assert 300 < binds.sum() < 900
    np.testing.assert_allclose(matrl[~binds], il_pp[~binds], **CLOSE)
    assert (np.abs(matrl - il_pp).max(1) > 1e-6)[binds].mean() > 0.1  # elsewhere both end on the same edge


def test_at_an_equilibrium_every_rule_but_lola_rests_and_nothing_leaves_the_square(drawn):
    games = np.concatenate([own[:50] for own in drawn[0].values()])
    points, there = exactly(MANY_EQUILIBRIA, games)
    start = np.broadcast_to(START, (len(games), 2))

    def all_of(payoffs, points, start):
        rests = {name: jax.vmap(make().step, (None, 0))(payoffs, points) for name, make in gradient.RULES.items()}
        return rests, {name: gradient.follow(make(), payoffs, start, 5) for name, make in gradient.RULES.items()}

    rests, paths = called(jax.vmap(all_of), games, points, start)
    for name, moved in rests.items():
        still = np.abs(moved[there] - points[there]).max(-1) < 1e-12
        assert not still.all() if name == "lola" else still.all(), name
    for path in paths.values():
        assert path.shape == (len(games), 6, 2) and ((path >= 0) & (path <= 1)).all()
        assert (path[:, 0] == START).all() and (path[:, 1] != START).any(1).all()


def radii(rule, steps, start=START):
    path = exactly(FOLLOW, rule, PENNIES, start, steps)
    return np.linalg.norm(path - 0.5, axis=1)


def test_matching_pennies_expands_under_iga_by_the_known_factor():
    found = radii(gradient.Iga(0.02), 50, np.array([0.6, 0.5]))
    np.testing.assert_allclose(found[1:] / found[:-1], math.sqrt(1 + 16 * 0.02**2), rtol=1e-10)


def test_matching_pennies_contracts_under_il_pp_and_matrl_by_the_known_factor():
    beta, eta = 0.03, 0.02
    factor = math.sqrt((1 - 16 * beta * eta) ** 2 + 16 * beta**2)
    assert factor == pytest.approx(0.99764, abs=5e-6)
    for rule, exact in ((gradient.IlPp(beta, eta), 1.0), (gradient.Matrl(beta, eta), 0.95)):
        found = radii(rule, 1000)
        inside = (found < 0.45)[:-1]  # before, the box cuts predictions off
        ratios = (found[1:] / found[:-1])[inside]
        # Where one slope is all but zero, MATRL's meta-game lets its player stay.
        assert (np.abs(ratios / factor - 1) < 1e-9).mean() >= exact
        np.testing.assert_allclose(ratios, factor, rtol=5e-5)
        assert found[-1] == pytest.approx(0.0472, abs=5e-5)
    # From the factor rounded to five digits, one would expect .0471.
    assert 0.5 * factor**1000 == pytest.approx(0.0472, abs=5e-5)
    assert 0.5 * round(factor, 5) ** 1000 == pytest.approx(0.0471, abs=5e-5)


def test_it_contracts_exactly_where_the_answer_is_smaller_than_twice_the_prediction():
    eta = 0.02
    edge = 2 * eta / (1 + 16 * eta**2)
    inner = np.array([0.6, 0.5])
    below, above = (radii(gradient.Matrl(edge + shift, eta), 20, inner) for shift in (-1e-4, 1e-4))
    assert (np.diff(below) < 0).all() and (np.diff(above) > 0).all()
    # IGA-PP's own sizes lie just beyond it: .02 > 2 · .01 / (1 + 16 · .01²).
    assert (np.diff(radii(gradient.IgaPp(0.02, 0.01), 20, inner)) > 0).all()
    assert (np.diff(radii(gradient.IgaPp(0.0199, 0.01), 20, inner)) < 0).all()


def test_il_pp_is_iga_with_policy_prediction_but_for_forecasts_beyond_the_edge():
    rules = gradient.IlPp(0.03, 0.02), gradient.IgaPp(0.03, 0.02)
    inside, outward = np.array([0.6, 0.3]), np.array([0.995, 0.9])
    np.testing.assert_allclose(*(stepped(rule, PENNIES, inside) for rule in rules), **CLOSE)
    # The row player would go on beyond 1: the column player is told of 1, or of where it would be.
    projected, forecast = (stepped(rule, PENNIES, outward)[1] for rule in rules)
    beyond = 0.995 + 0.02 * (4 * 0.9 - 2)
    assert projected == pytest.approx(0.9 - 0.03 * (4 * 1.0 - 2), abs=1e-12)
    assert forecast == pytest.approx(0.9 - 0.03 * (4 * beyond - 2), abs=1e-12)


def test_wolf_is_slow_while_it_wins():
    """At (.9, .2) in matching pennies the row player loses, −.48 against 0 of its equilibrium strategy."""
    found = stepped(gradient.WolfIga(0.02, 0.06), PENNIES, START)
    np.testing.assert_allclose(found, [0.9 + 0.06 * (4 * 0.2 - 2), 0.2 - 0.02 * (4 * 0.9 - 2)], **CLOSE)


def test_lola_climbs_its_own_value_and_the_others_step_towards_its_gain(drawn):
    size, lookahead = 0.03, 0.02

    def climbed(payoffs, point, i):
        """By the slope of V_i + ∂V_i/∂z_j · γ ∂V_j/∂z_j, in which the first factor of the product stands still."""
        j, slope_of = 1 - i, jax.grad(lambda z, player: gradient.value(payoffs, z)[player])
        still = slope_of(point, i)[j]
        whole = lambda z: gradient.value(payoffs, z)[i] + still * lookahead * slope_of(z, j)[j]  # noqa: E731
        return jnp.clip(point[i] + size * jax.grad(whole)(point)[i], 0, 1)

    def both(payoffs, point):
        slowly = jnp.stack([climbed(payoffs, point, i) for i in (0, 1)])
        return slowly, gradient.Lola(size, lookahead).step(payoffs, point)

    np.testing.assert_allclose(*called(jax.vmap(both), drawn[0]["coordination"], drawn[1]), **CLOSE)


def test_the_meta_game_is_solved_by_the_houses_one_solver(monkeypatch):
    asked = []
    real = binary.equilibrium
    monkeypatch.setattr(binary, "equilibrium", lambda payoffs: asked.append(payoffs.shape) or real(payoffs))
    called(gradient.Matrl().step, PENNIES, START)
    assert asked == [(2, 2, 2)]
