"""MATRL's theorem on random general-sum games, exactly: what joint steps are promised, and the game about them."""

import itertools

import numpy as np
import pytest

from hamlet.errors import RequestError
from hamlet.tabular import (
    divergences,
    evaluate,
    evaluate_many,
    guaranteed,
    joint_policy,
    meta_game,
    mixture,
    random_game,
    random_policies,
)
from hamlet.tabular.exact import average
from hamlet.tabular.joint_step import penalty
from tabular.drawn import example_1, fixture, sizes

GAMES = 1000


@pytest.fixture(scope="module")
def steps():
    """A thousand general-sum games of 2 or 3 agents, two discounts, a step of every length, and what it brings."""
    games = [random_game(seed, *sizes(seed), 0.5 if seed % 2 else 0.9, False) for seed in range(GAMES)]
    draw = np.random.default_rng(0)
    simplex = lambda game: tuple(draw.dirichlet(np.ones(count), game.states) for count in game.actions)  # noqa: E731
    current, far = ([simplex(game) for game in games] for _ in range(2))
    predicted = [
        mixture(old, new, np.full(game.agents, 1 - 10 ** draw.uniform(-3, 0)))
        for game, old, new in zip(games, current, far, strict=True)
    ]
    keep = [draw.random(game.agents) for game in games]
    mixed = [mixture(*three) for three in zip(current, predicted, keep, strict=True)]
    before, after, between = (evaluate_many(games, policies) for policies in (current, predicted, mixed))
    return list(zip(games, current, predicted, keep, mixed, before, after, between, strict=True))


@pytest.mark.slow
def test_no_agent_gains_less_than_is_guaranteed_with_and_without_the_mixture(steps):
    slack = []
    for game, current, predicted, _, mixed, before, after, between in steps:
        slack.append((after.value - before.value - guaranteed(game, current, predicted, known=before)).min())
        slack.append((between.value - before.value - guaranteed(game, current, mixed, known=before)).min())
    assert len(slack) == 2 * GAMES
    assert min(slack) >= -1e-10
    # It says something: a tenth of the steps are too short for the bound to be slack by much.
    assert np.quantile(slack, 0.1) < 0.5


def test_a_mixture_is_never_charged_more_than_the_step_that_it_restrains(steps):
    for game, current, predicted, keep, mixed, before, *_ in steps[:300]:
        alphas = divergences(current, predicted)
        np.testing.assert_allclose(divergences(current, mixed), (1 - keep) * alphas, rtol=0, atol=1e-12)
        charged = penalty(game, before, divergences(current, mixed))
        assert (charged <= penalty(game, before, alphas) + 1e-12).all()


def test_the_penalty_of_two_agents_is_that_of_the_paper():
    game = fixture()
    alphas = np.array([0.3, 0.2])
    known = evaluate(game, game.uniform())
    largest = np.abs(known.advantage).max()
    expected = 4 * 0.9 * largest * (0.3 + 0.2 - 0.06) ** 2 / 0.1**2
    np.testing.assert_allclose(penalty(game, known, alphas), [expected, expected], rtol=1e-12)


def test_an_agent_has_moved_as_far_as_in_the_state_where_it_moved_most():
    old = np.full((2, 2), 0.5)
    np.testing.assert_allclose(divergences([old], [np.array([[0.5, 0.5], [0.2, 0.8]])]), [0.3])


def test_divergences_that_are_none_are_refused():
    game = fixture()
    with pytest.raises(RequestError, match=r"each of 2 agents needs one divergence in \[0, 1\], got \[0.3, 1.2\]"):
        penalty(game, evaluate(game, game.uniform()), np.array([0.3, 1.2]))


def test_the_meta_game_is_the_mean_advantage_by_a_slow_loop():
    for seed, game in [(0, random_game(0, 3, (2, 3), 0.9, False)), (1, random_game(1, 2, (2, 2, 3), 0.5, False))]:
        current, predicted = random_policies(seed, game), random_policies(seed + 50, game)
        found = meta_game(game, current, predicted)
        known = evaluate(game, current)
        assert found.shape == (game.agents, *(2,) * game.agents)
        for profile in itertools.product((0, 1), repeat=game.agents):
            for agent in range(game.agents):
                total = 0.0
                for s, *joint in itertools.product(range(game.states), *map(range, game.actions)):
                    chance = known.occupancy[s]
                    for j, a in enumerate(joint):
                        chance *= (predicted if profile[j] else current)[j][s, a]
                    total += chance * known.advantage[(agent, s, *joint)]
                np.testing.assert_allclose(found[(agent, *profile)], total, rtol=0, atol=1e-10)


def test_staying_is_worth_nothing_to_anybody(steps):
    for game, current, predicted, _, _, before, *_ in steps[:60]:
        found = meta_game(game, current, predicted, known=before)
        assert np.abs(found[(slice(None), *(0,) * game.agents)]).max() < 1e-9


def improved(game, policies, evaluation, agent, share):
    """The agent's policy after a step towards what is best in every state against the others' current policies."""
    others = set(range(game.agents)) - {agent}
    own = average(evaluation.advantage[agent], policies, others)
    best = np.eye(game.actions[agent])[own.argmax(-1)]
    return (1 - share) * policies[agent] + share * best


def test_whoever_alone_does_as_an_exact_improvement_predicts_gains(steps):
    share = 0.3
    for game, current, _, _, _, before, *_ in steps[:60]:
        predicted = [improved(game, current, before, agent, share) for agent in range(game.agents)]
        found = meta_game(game, current, predicted, known=before)
        for agent in range(game.agents):
            alone = tuple(int(j == agent) for j in range(game.agents))
            assert found[(agent, *alone)] >= -1e-12
    assert found[(agent, *alone)] > 1e-3  # and not because nothing moved


def test_the_meta_game_of_a_mixture_is_multilinear_in_what_is_kept(steps):
    for game, current, predicted, keep, mixed, before, *_ in steps[:50]:
        found = meta_game(game, current, predicted, known=before)
        for rho in keep:
            found = rho * found[:, 0] + (1 - rho) * found[:, 1]
        joint = before.occupancy.reshape(-1, *(1,) * game.agents) * joint_policy(mixed)
        direct = (joint[None] * before.advantage).reshape(game.agents, -1).sum(1)
        np.testing.assert_allclose(found, direct, rtol=0, atol=1e-10)


def test_a_common_reward_is_a_reward_of_everyone():
    game = example_1()
    second = np.array([[0.0, 1.0]])
    np.testing.assert_allclose(meta_game(game, game.uniform(), (second, second))[0], [[0, -0.25], [-0.25, -1.75]])
    assert (
        meta_game(game, game.uniform(), (second, second))[1] == meta_game(game, game.uniform(), (second, second))[0]
    ).all()
    np.testing.assert_allclose(guaranteed(game, game.uniform(), (second, second)), [-1.75, -1.75])
