"""Equilibria of games with two choices each, against definitions written as loops."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.errors import RequestError
from hamlet.games import binary, search

PENNIES = jnp.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
# Two players mix and two are certain: without a pull to the start none of 256 starts finds it.
HARD = [
    [42, 88, 92, 81, 48, 77, 79, 16, 94, 66, 66, 80, 22, 24, 30, 73],
    [68, 40, 22, 83, 80, 97, 7, 95, 98, 23, 6, 82, 96, 59, 68, 27],
    [26, 12, 1, 63, 6, 48, 80, 46, 10, 54, 53, 50, 86, 82, 91, 48],
    [23, 40, 67, 80, 72, 6, 83, 82, 99, 43, 94, 60, 50, 11, 93, 76],
]
MANY = jax.jit(jax.vmap(binary.equilibrium))


def drawn(players, count, seed=0):
    """Payoffs uniform in [0, 1)."""
    shape = (count, players, *(2,) * players)
    return np.random.default_rng([seed, players]).random(shape, np.float32)


def by_loop(payoffs, first):
    """uᵢ(k, p₋ᵢ) as the sum over all profiles in which player i makes choice k."""
    players = len(payoffs)
    values = np.zeros((players, 2))
    for profile in itertools.product((0, 1), repeat=players):
        weights = [first[j] if choice == 0 else 1 - first[j] for j, choice in enumerate(profile)]
        for player in range(players):
            others = np.prod([weights[j] for j in range(players) if j != player])
            values[player, profile[player]] += others * payoffs[player][profile]
    return values


def regret_by_loop(payoffs, first):
    values = by_loop(np.asarray(payoffs, float), np.asarray(first, float))
    return max(values.max(1) - first * values[:, 0] - (1 - first) * values[:, 1])


@pytest.mark.parametrize("players", [1, 3])
def test_choice_values_and_regret_are_sums_over_profiles(players):
    payoffs = drawn(players, 1)[0]
    first = np.random.default_rng(1).random(players, np.float32)
    given = jnp.asarray(payoffs), jnp.asarray(first)
    np.testing.assert_allclose(jax.jit(binary.choice_values)(*given), by_loop(payoffs, first), atol=1e-6)
    assert jax.jit(binary.regret)(*given) == pytest.approx(regret_by_loop(payoffs, first), abs=1e-6)


@pytest.mark.parametrize(("players", "count"), [(2, 1000), (3, 200)])
def test_random_games_are_solved(players, count):
    solved(players, count)


@pytest.mark.slow
@pytest.mark.parametrize("players", range(2, 9))
def test_a_thousand_random_games_are_solved(players):
    solved(players, 1000, seed=1)


def solved(players, count, seed=0):
    games = drawn(players, count, seed)
    found = MANY(jnp.asarray(games))
    assert found.regret.max() < 1e-6
    mixed = np.any((found.first > 0) & (found.first < 1), axis=1)
    assert mixed.any(), "none of these games had to be searched"
    for game, first, regret in list(zip(games[mixed], found.first[mixed], found.regret[mixed], strict=True))[:3]:
        assert regret_by_loop(game, np.asarray(first, float)) == pytest.approx(float(regret), abs=2e-7)


def test_a_pull_to_the_start_finds_what_plain_steps_do_not():
    payoffs = np.reshape(HARD, (4, 2, 2, 2, 2)).astype(np.float32) / 100
    found = binary.equilibrium(payoffs)
    assert found.regret < 1e-6
    np.testing.assert_allclose(found.first, [0.8209, 0.9828, 0.0, 0.0], atol=1e-3)


@pytest.mark.slow
def test_so_does_it_in_the_search_for_any_numbers_of_actions():
    assert search.search(np.reshape(HARD, (4, 2, 2, 2, 2)) / 100).regret < 1e-9


def test_games_full_of_ties_are_solved():
    games = np.random.default_rng(0).integers(-1, 2, (200, 3, 2, 2, 2)).astype(np.float32)
    assert MANY(games).regret.max() < 2e-6  # differences of payoffs are up to 2
    assert MANY(jnp.zeros((200, 3, 2, 2, 2))).first.min() == 1.0


def test_matching_pennies_are_played_half_and_half():
    np.testing.assert_allclose(binary.equilibrium(PENNIES).first, [0.5, 0.5], atol=1e-7)


def test_the_interior_point_makes_the_other_indifferent():
    payoffs = jnp.array([[[3.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [4.0, 0.0]]])
    np.testing.assert_allclose(binary.equilibrium(payoffs).first, [4 / 5, 1 / 4], atol=1e-6)


def test_dominance_gives_the_pure_profile():
    games = jnp.asarray(drawn(3, 200))
    bonus = jnp.stack(
        [jnp.moveaxis(jnp.zeros((2, 2, 2)).at[choice].set(2.0), 0, i) for i, choice in enumerate((1, 0, 1))]
    )
    found = MANY(games + bonus[None])
    np.testing.assert_array_equal(found.first, np.tile([0.0, 1.0, 0.0], (200, 1)))
    assert found.regret.max() == 0.0


def test_of_pure_equilibria_that_which_pays_all_most_is_taken_unless_a_key_draws_one():
    coordination = jnp.array([[[1.0, 0.0], [0.0, 2.0]]] * 2)
    np.testing.assert_array_equal(binary.equilibrium(coordination).first, [0.0, 0.0])
    np.testing.assert_array_equal(binary.equilibrium(coordination.at[:, 1, 1].set(1.0)).first, [1.0, 1.0])
    # A difference within rounding is none.
    np.testing.assert_array_equal(binary.equilibrium(coordination.at[:, 1, 1].set(1.000001)).first, [1.0, 1.0])
    keys = jax.random.split(jax.random.key(0), 400)
    drawn_first = jax.vmap(lambda key: binary.equilibrium(coordination, key).first)(keys)
    np.testing.assert_array_equal(drawn_first[:, 0], drawn_first[:, 1])
    assert 150 < drawn_first[:, 0].sum() < 250


def test_neither_a_players_unit_nor_a_constant_changes_what_is_played():
    games = drawn(3, 200)
    unit, constant = np.float32([0.5, 8.0, 3.0]), np.float32([1.0, -2.0, 0.25])
    changed = games * unit[:, None, None, None] + constant[:, None, None, None]
    np.testing.assert_allclose(MANY(changed).first, MANY(jnp.asarray(games)).first, atol=1e-4)


def test_doubles_are_solved_to_their_own_precision():
    with jax.enable_x64(True):
        found = jax.vmap(binary.equilibrium)(drawn(2, 100).astype(np.float64))
        assert found.first.dtype == np.float64
        assert found.regret.max() < 1e-12


def test_where_nothing_is_found_everybody_keeps_choice_0_and_the_regret_says_so():
    found = MANY(jnp.asarray(drawn(3, 200)).at[0, 1].set(jnp.nan))
    np.testing.assert_array_equal(found.first[0], [1.0, 1.0, 1.0])
    assert np.isnan(found.regret[0])
    assert np.isfinite(found.regret[1:]).all()


@pytest.mark.parametrize(
    ("payoffs", "said"),
    [
        (np.zeros((2, 2, 3)), r"the shape \(2, 2, 2\), got \(2, 2, 3\)"),
        (np.zeros((3, 2, 2)), r"the shape \(3, 2, 2, 2\), got \(3, 2, 2\)"),
        (np.zeros((11, 2)), r"11 players .* 11 x 2\^11 = 22528 payoffs; use at most 10"),
        (np.array([[[0.0, 1.0], [0.0, 1.0]], [[0.0, np.nan], [0.0, 1.0]]]), "player 1"),
    ],
)
def test_what_is_no_such_game_is_refused(payoffs, said):
    with pytest.raises(RequestError, match=said):
        binary.equilibrium(payoffs)
