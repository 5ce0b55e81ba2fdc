"""Solvers of matrix games: against definitions, known games, and what nashpy and OpenSpiel say of the same games."""

import itertools
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles_agree as oracles
from hamlet.errors import RequestError
from hamlet.games import solvers
from hamlet.games.payoffs import solution

PENNIES = [[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]
ROCK = np.array(oracles.ROCK)


@pytest.fixture(scope="module")
def said():
    return json.loads(oracles.RECORD.read_text(encoding="utf-8"))


def regret_by_loop(game, strategies):
    """The definition, profile by profile."""
    worst = 0.0
    for player, own in enumerate(game):
        worth = np.zeros(game.shape[1 + player])
        for profile in np.ndindex(*game.shape[1:]):
            others = [strategies[j][c] for j, c in enumerate(profile) if j != player]
            worth[profile[player]] += own[profile] * np.prod(others)
        worst = max(worst, worth.max() - worth @ strategies[player])
    return worst


def agree_with_nashpy(said):
    """Everything of ours beside what nashpy said; how many equilibria were compared."""
    count = 0
    for name, game in oracles.bimatrices().items():
        listed = solvers.support_enumeration(game)
        ours = [np.concatenate(found.strategies) for found in listed]
        assert all(found.regret < 1e-12 for found in listed)
        theirs = [np.concatenate(pair) for pair in said["supports"][name]]
        for one in theirs:
            assert min(np.abs(one - other).max() for other in ours) < 1e-8, name
        assert len(ours) >= len(theirs)
        first = np.concatenate(solvers.nash(game).strategies)
        assert min(np.abs(first - other).max() for other in ours) < 1e-8
        count += len(theirs)
    for name, matrix in oracles.matrices().items():
        for ours, theirs in zip(solvers.zero_sum(matrix).strategies, said["minimax"][name], strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-7)
    return count


def agree_with_openspiel(said):
    """Everything of ours beside what OpenSpiel said; how many distributions were compared."""
    count = 0
    for name, game in oracles.populations().items():
        for number, parameters in enumerate(oracles.PARAMETERS):
            theirs = said["alpha rank"][f"{name}/{number}"]
            ours = solvers.alpha_rank(game, **parameters).masses.ravel()
            if theirs is not None:
                np.testing.assert_allclose(ours, theirs, atol=1e-7, err_msg=f"{name}/{number}")
                count += 1
    for name, matrix in oracles.matrices().items():
        row, column, value = said["minimax"][name]
        found = solvers.zero_sum(matrix)
        np.testing.assert_allclose(found.strategies[0], row, atol=1e-6)
        np.testing.assert_allclose(found.strategies[1], column, atol=1e-6)
        assert found.values[0] == pytest.approx(value, abs=1e-7)
        count += 2
    for name, matrix in oracles.wins().items():
        theirs = said["nash average"][name]
        ours = solvers.nash_average(matrix)
        assert ours.regret < 1e-9
        if theirs is not None:
            np.testing.assert_allclose(ours.mixture, theirs, atol=1e-5)
            count += 1
    return count


def test_equilibria_are_those_that_nashpy_finds(said):
    assert agree_with_nashpy(said["nashpy"]) > 40


def test_rankings_and_minimax_are_those_of_openspiel(said):
    assert agree_with_openspiel(said["openspiel"]) > 25


@pytest.mark.slow
def test_nashpy_and_openspiel_still_say_so():
    for package in ("nashpy", "pyspiel", "cvxpy", "ecos"):
        pytest.importorskip(package)
    agree_with_nashpy(oracles.ask_nashpy())
    agree_with_openspiel(oracles.ask_openspiel())


def test_pure_equilibria_are_found_by_trying_every_leaving():
    games = np.random.default_rng(0).integers(0, 3, (50, 3, 2, 3, 2)).astype(float)
    for game in games:
        stable = [
            profile
            for profile in itertools.product(range(2), range(3), range(2))
            if regret_by_loop(game, [np.eye(n)[c] for n, c in zip((2, 3, 2), profile, strict=True)]) == 0
        ]
        assert solvers.pure_equilibria(game) == stable


def test_regrets_are_those_of_the_definition():
    random = np.random.default_rng(0)
    game = random.normal(size=(3, 2, 3, 4))
    strategies = [random.dirichlet(np.ones(count)) for count in (2, 3, 4)]
    found = solvers.regrets(game, strategies)
    assert found.max() == pytest.approx(regret_by_loop(game, strategies))
    assert solvers.nash_conv(game, strategies) == pytest.approx(found.sum())
    assert solvers.exploitability(game, strategies) == pytest.approx(found.sum() / 3)
    for values, player in zip(solvers.action_values(game, strategies), range(3), strict=True):
        assert values.shape == game.shape[1 + player : 2 + player]


def test_two_by_two_games_have_all_their_equilibria_in_closed_form(said):
    for name, game in oracles.bimatrices().items():
        if game.shape == (2, 2, 2):
            ours = sorted(np.concatenate(found.strategies).tolist() for found in solvers.two_by_two(game))
            theirs = sorted(np.concatenate(pair).tolist() for pair in said["nashpy"]["supports"][name])
            np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_an_equilibrium_of_a_degenerate_game_is_listed_once():
    # At the first actions each is indifferent: supports of one action and of two say the same.
    found = solvers.support_enumeration([[[1, 0], [1, 2]], [[1, 1], [0, 2]]])
    assert [np.concatenate(one.strategies).tolist() for one in found] == [[1, 0, 1, 0], [0, 1, 0, 1]]


def test_games_of_several_actions_are_searched_by_one_program():
    games = np.random.default_rng(0).random((40, 3, 3, 2, 3))
    mixed = np.stack([game for game in games if not solvers.pure_equilibria(game)])
    strategies, regrets = solvers.search_many(jnp.asarray(mixed))
    assert len(mixed) > 5
    assert regrets.max() < 1e-6
    one = [np.asarray(own[0], float) for own in strategies]
    assert regret_by_loop(mixed[0], one) == pytest.approx(0.0, abs=2e-6)
    unit, constant = (np.reshape(own, (3, 1, 1, 1)) for own in ((2.0, 0.5, 8.0), (3.0, -7.0, 5.0)))
    changed, _ = solvers.search_many(jnp.asarray(mixed * unit + constant))
    for before, after in zip(strategies, changed, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4, 4), (8, 8), (5, 3, 2), (3, 3, 3, 3), (2,) * 5, (4, 4, 4)])
def test_random_games_of_any_shape_are_searched(shape):
    games = np.random.default_rng(1).random((200, len(shape), *shape))
    with jax.enable_x64(True):
        assert solvers.search_many(jnp.asarray(games))[1].max() < 1e-9


def test_known_games_have_their_known_equilibria():
    half = solvers.nash(PENNIES)
    assert half.regret == 0.0
    np.testing.assert_allclose(np.concatenate(half.strategies), 0.5)
    dilemma = solvers.nash([[[3, 0], [5, 1]], [[3, 5], [0, 1]]])
    assert [own.tolist() for own in dilemma.strategies] == [[0, 1], [0, 1]]
    stag = solvers.nash([[[4, 0], [3, 2]], [[4, 3], [0, 2]]])
    assert stag.values.tolist() == [4, 4]
    circle = np.array([ROCK, -ROCK])
    np.testing.assert_allclose(np.concatenate(solvers.nash(circle).strategies), 1 / 3)
    three = np.zeros((3, 2, 2, 2))  # everybody wants to differ from the next: nobody can be pure
    for profile in np.ndindex(2, 2, 2):
        three[:, *profile] = [profile[0] == profile[1], profile[1] == profile[2], profile[2] != profile[0]]
    found = solvers.nash(three)
    assert found.regret < 1e-12
    np.testing.assert_allclose(np.concatenate(found.strategies), 0.5)


def test_neither_units_nor_constants_change_equilibria():
    for name in ("drawn 3x3/0", "drawn 4x4/1", "chicken"):
        game = oracles.bimatrices()[name]
        changed = game * np.array([3.0, 0.1])[:, None, None] + np.array([-5.0, 2.0])[:, None, None]
        for one, other in zip(solvers.support_enumeration(game), solvers.support_enumeration(changed), strict=True):
            np.testing.assert_allclose(np.concatenate(one.strategies), np.concatenate(other.strategies), atol=1e-9)


def test_what_is_an_equilibrium_is_judged_in_each_players_own_unit():
    game = np.array(oracles.bimatrices()["drawn 3x3/0"])
    count = len(solvers.support_enumeration(game))
    for unit in (1e-12, 1e12):  # a gain of 1e-9 is all there is to gain, or nothing but rounding
        assert len(solvers.support_enumeration(game * np.array([unit, 1.0])[:, None, None])) == count


def test_probabilities_that_rounding_took_below_zero_become_a_distribution():
    found = solution(np.array(PENNIES, float), [np.array([1.0 + 1e-11, -1e-11]), np.array([0.5, 0.5])])
    assert found.strategies[0].tolist() == [1.0, 0.0]


def test_a_mediator_does_better_in_chicken_than_any_equilibrium():
    game = np.array(oracles.bimatrices()["chicken"])
    found = solvers.correlated(game)
    np.testing.assert_allclose(found.distribution, [[0.5, 0.25], [0.25, 0.0]], atol=1e-9)
    assert found.values.sum() > max(one.values.sum() for one in solvers.support_enumeration(game)) + 1
    assert found.regret < 1e-12
    chosen = solvers.correlated(game, [[0, 0], [1, 0]])
    np.testing.assert_allclose(chosen.distribution, [[0, 0], [1, 0]], atol=1e-9)
    # Advice to cooperate is not followed, whichever of the actions that is.
    dilemma = np.array(oracles.bimatrices()["dilemma"])
    for game, stable in ((dilemma, (1, 1)), (dilemma[:, ::-1, ::-1], (0, 0))):
        assert solvers.correlated(game).distribution[stable] == pytest.approx(1.0)


def test_advice_of_three_players_is_followed_and_no_equilibrium_earns_more():
    game = np.random.default_rng(3).random((3, 2, 3, 2))
    found = solvers.correlated(game)
    for player, own in enumerate(np.moveaxis(game[i], i, 0) for i in range(3)):
        given = np.moveaxis(found.distribution, player, 0)
        for first, second in itertools.permutations(range(len(own)), 2):
            assert (given[first] * (own[second] - own[first])).sum() < 1e-9
    assert found.values.sum() >= solvers.nash(game).values.sum() - 1e-9


def test_fictitious_play_of_rock_paper_scissors_is_that_of_a_loop_over_whole_numbers():
    course = solvers.fictitious_play([ROCK, -ROCK], 9_999)
    counts, whole = [1, 0, 0], ROCK.astype(int).tolist()
    reached = {}
    for total in range(2, 10_001):
        worth = [sum(a * c for a, c in zip(row, counts, strict=True)) for row in whole]
        counts[worth.index(max(worth))] += 1  # of equals the first
        worth = [sum(a * c for a, c in zip(row, counts, strict=True)) for row in whole]
        reached[total] = max(worth) / total
    # Where frequencies are compared, rounding decides ties, and 1,000 counts end at 0.014.
    assert [reached[count] for count in (10, 100, 1_000, 10_000)] == [0.2, 0.07, 0.021, 0.0067]
    np.testing.assert_allclose(course.regrets, list(reached.values()), atol=1e-12)
    np.testing.assert_allclose(course.strategies[1][-1], np.array(counts) / 10_000)


def test_replicators_circle_in_matching_pennies_and_leave_what_is_dominated():
    start = [[0.7, 0.3], [0.4, 0.6]]
    course = solvers.replicator(PENNIES, 2_000, start)
    constant = [np.log(own).sum(-1) for own in course.strategies]
    np.testing.assert_allclose(sum(constant), np.log(start).sum(), atol=1e-6)
    dilemma = solvers.replicator([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], 2_000)
    assert dilemma.strategies[0][-1][1] > 0.999
    assert dilemma.regrets[-1] < 1e-3
    first = solvers.replicator([[[3, 0], [5, 1]], [[3, 5], [0, 1]]], 1, start, width=1e-4).strategies[0][0]
    p, q = 0.7, 0.4
    np.testing.assert_allclose((first[0] - p) / 1e-4, p * (1 - p) * (3 * q - 5 * q - (1 - q)), rtol=1e-3)


def test_alpha_rank_is_even_in_a_circle_and_forgets_what_all_others_beat():
    np.testing.assert_allclose(solvers.alpha_rank(ROCK).masses, [1 / 3] * 3, atol=1e-12)
    dominated = oracles.populations()["dominated"]
    for alpha in (1.0, 100.0, 1e6):
        found = solvers.alpha_rank(dominated, alpha=alpha)
        np.testing.assert_allclose(found.masses, [1 / 3] * 3 + [0], atol=1e-9)
        assert found.regret < 1e-9


def test_alpha_rank_is_the_stationary_distribution_of_its_chain():
    game = oracles.populations()["unlike"]
    masses = solvers.alpha_rank(game, alpha=3.0, population=7).masses.ravel()
    profiles = list(np.ndindex(3, 4))
    chain = np.zeros((12, 12))
    for (s, now), (r, then) in itertools.permutations(enumerate(profiles), 2):
        changed = [i for i in range(2) if now[i] != then[i]]
        if len(changed) == 1:
            u = 3.0 * (game[changed[0]][then] - game[changed[0]][now])
            chain[s, r] = (1 / 7 if u == 0 else (1 - math.exp(-u)) / (1 - math.exp(-7 * u))) / 5
    np.fill_diagonal(chain, 1 - chain.sum(1))
    np.testing.assert_allclose(masses @ chain, masses, atol=1e-12)


def test_a_chain_that_falls_apart_in_64_bits_is_still_ranked():
    hunt = oracles.bimatrices()["stag hunt"]
    found = solvers.alpha_rank(hunt, alpha=100.0)  # both ways out of either equilibrium are below 1e-2000
    np.testing.assert_allclose(found.masses, [[0, 0], [0, 1]], atol=1e-12)
    alpha, steady = solvers.alpha_sweep(hunt)
    assert 0.1 < alpha < 100
    np.testing.assert_allclose(steady.masses, found.masses, atol=1e-3)


def test_nash_averages_are_even_among_equals_and_blind_to_clones():
    np.testing.assert_allclose(solvers.nash_average(ROCK).mixture, [1 / 3] * 3, atol=1e-12)
    clones = solvers.nash_average(oracles.wins()["clones"])
    np.testing.assert_allclose(clones.mixture, [1 / 6, 1 / 6, 1 / 3, 1 / 3], atol=1e-12)
    np.testing.assert_allclose(clones.skills, 0.0, atol=1e-12)
    ladder = np.sign(np.subtract.outer(np.arange(5.0), np.arange(5.0)))
    np.testing.assert_allclose(solvers.nash_average(ladder).mixture, [0, 0, 0, 0, 1], atol=1e-12)
    dominated = solvers.nash_average(oracles.populations()["dominated"] * (1 - np.eye(4)))
    assert dominated.mixture[3] < 1e-12
    np.testing.assert_allclose(solvers.nash_average(np.zeros((4, 4))).mixture, 0.25)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: solvers.nash(np.zeros((2, 3))), r"2 players need 2 axes .* got the shape \(2, 3\)"),
        (lambda: solvers.nash([[[1, 2], [3, 4]], [[1, 2], [3, 4, 5]]]), "one shape for all players"),
        (lambda: solvers.nash([PENNIES[0], [[0, math.nan], [0, 0]]]), "player 1 has other numbers"),
        (lambda: solvers.nash(np.zeros((11,) + (1,) * 11)), "11 players with 11 payoffs .* 1 to 10 players"),
        (lambda: solvers.search(np.zeros((3, 150, 150, 150))), r"3 players with 10,125,000 payoffs"),
        (lambda: solvers.support_enumeration(np.zeros((2, 20, 20))), r"20 x 20 actions has 137,846,528,819 pairs"),
        (lambda: solvers.support_enumeration(np.zeros((3, 2, 2, 2))), "two players, got 3"),
        (lambda: solvers.two_by_two(np.zeros((2, 2, 3))), r"two actions each, got the shape \(2, 2, 3\)"),
        (lambda: solvers.zero_sum([1.0, 2.0]), r"got the shape \(2,\)"),
        (lambda: solvers.zero_sum([[1.0, math.inf]]), "finite"),
        (lambda: solvers.correlated(PENNIES, [1, 2]), r"the shape \(2, 2\), got \(2,\)"),
        (lambda: solvers.regrets(PENNIES, [[1, 0], [0.5, 0.6]]), "player 1 is not a distribution"),
        (lambda: solvers.regrets(PENNIES, [[1, 0]]), "2 players need 2 strategies, got 1"),
        (lambda: solvers.fictitious_play(PENNIES, 5, (0, 2)), r"of 2 x 2, got \(0, 2\)"),
        (lambda: solvers.fictitious_play(PENNIES, 0), "steps must be at least 1, got 0"),
        (lambda: solvers.replicator(PENNIES, 5, [[1, 0], [0.5, 0.5]]), "without zeros"),
        (lambda: solvers.alpha_rank([[1, 2, 3], [4, 5, 6]]), "must be a square matrix"),
        (lambda: solvers.alpha_rank(ROCK, population=1), "population must be at least 2"),
        (lambda: solvers.alpha_rank(ROCK, alpha=-1), "above 0, got -1"),
        (lambda: solvers.alpha_rank(ROCK, alpha=math.inf, epsilon=0.7), r"must be in \(0, 0.5\), got 0.7"),
        (lambda: solvers.alpha_rank(np.zeros((2, 50, 50))), "at most 2,000 profiles, got 2,500"),
        (lambda: solvers.nash_average([[0, 1], [1, 0]]), r"antisymmetric .* the nearest is \(P − Pᵀ\) / 2"),
    ],
)
def test_what_cannot_be_solved_is_refused_in_one_line(call, said):
    with pytest.raises(RequestError, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)
