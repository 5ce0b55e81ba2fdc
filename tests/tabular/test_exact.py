"""The identities that the theory starts from, on random games."""

import itertools
from dataclasses import replace

import jax
import numpy as np
import pytest

from hamlet.distributions import Categorical
from hamlet.errors import RequestError
from hamlet.haml.drift import ClipDrift
from hamlet.tabular import (
    MarkovGame,
    evaluate,
    evaluate_many,
    joint_policy,
    multi_agent_advantage,
    nash_gap,
    random_game,
    random_policies,
)
from hamlet.tabular.precision import exactly
from tabular.drawn import fixture, many, matrix

CLOSE = {"rtol": 0, "atol": 1e-10}
SHAPES = [(3, (2, 3)), (2, (3, 2, 2))]


def drawn(seeds=range(5)):
    for (states, actions), seed in itertools.product(SHAPES, seeds):
        game = random_game(seed, states, actions)
        yield seed, game, random_policies(seed + 100, game)


def weighted(policies, agents, table):
    """Σ over the last len(agents) axes of the product of their policies times the table ``[S, …, A_agents…]``."""
    for agent in reversed(agents):
        policy = policies[agent].reshape(len(policies[agent]), *(1,) * (table.ndim - 2), -1)
        table = (table * policy).sum(-1)
    return table


def test_the_values_satisfy_bellman_and_match_a_walk_of_many_steps():
    for _, game, policies in drawn():
        found = evaluate(game, policies)
        q = game.reward + game.discount * game.transition @ found.v
        np.testing.assert_allclose(found.q, q, **CLOSE)
        np.testing.assert_allclose(found.v, weighted(policies, range(game.agents), q), **CLOSE)
        np.testing.assert_allclose(found.occupancy.sum(), 1 / (1 - game.discount), **CLOSE)
        # The definition: from d₀ step by step, discounted, until what is left is below 1e-14.
        state, earned, met = np.array(game.initial), 0.0, 0.0
        joint = joint_policy(policies)
        for step in range(400):
            met = met + game.discount**step * state
            mass = state.reshape(-1, *(1,) * game.agents) * joint
            earned += game.discount**step * (mass * game.reward).sum()
            state = np.tensordot(mass, game.transition, game.agents + 1)
        np.testing.assert_allclose(found.value, earned, **CLOSE)
        np.testing.assert_allclose(found.occupancy, met, **CLOSE)


def test_the_fixture_has_its_known_values():
    found = evaluate(fixture(), fixture().uniform())
    np.testing.assert_allclose(found.v, [8.612637, 8.887363], atol=5e-7)
    np.testing.assert_allclose(found.occupancy, [5, 5], **CLOSE)
    np.testing.assert_allclose(found.value, 8.75, **CLOSE)
    np.testing.assert_allclose(found.advantage[0].ravel(), [0.188187, -0.688187, -0.688187, 1.188187], atol=5e-7)
    np.testing.assert_allclose(found.advantage[1].ravel(), [-0.938187, 1.938187, -0.061813, -0.938187], atol=5e-7)


def test_the_joint_advantage_is_the_sum_of_the_agents_along_every_permutation():
    for _, game, policies in drawn():
        advantage = evaluate(game, policies).advantage
        for order in itertools.permutations(range(game.agents)):
            total = 0.0
            for place, agent in enumerate(order):
                term = multi_agent_advantage(game, policies, order[:place], (agent,))
                total = total + term.reshape(*term.shape, *(1,) * (game.agents - place - 1))
            back = [list(order).index(agent) + 1 for agent in range(game.agents)]
            np.testing.assert_allclose(total.transpose(0, *back), advantage, **CLOSE)


def test_the_advantage_of_a_subset_is_the_sum_of_its_members_one_after_another():
    for _, game, policies in drawn():
        agents = range(game.agents)
        for first, second, third in itertools.permutations(agents, 3) if game.agents == 3 else ():
            whole = multi_agent_advantage(game, policies, (first,), (second, third))
            one = multi_agent_advantage(game, policies, (first,), (second,))
            other = multi_agent_advantage(game, policies, (first, second), (third,))
            np.testing.assert_allclose(one[..., None] + other, whole, **CLOSE)
        everyone = multi_agent_advantage(game, policies, (), tuple(agents))
        np.testing.assert_allclose(everyone, evaluate(game, policies).advantage, **CLOSE)


def test_the_mean_advantage_of_agents_under_their_own_policies_is_zero():
    for _, game, policies in drawn():
        for first, then in [((), (0,)), ((0,), (1,)), ((1,), (0,)), ((), (1, 0))]:
            table = multi_agent_advantage(game, policies, first, then)
            np.testing.assert_allclose(weighted(policies, then, table), 0.0, **CLOSE)


def test_agents_named_twice_or_not_there_are_refused():
    game = random_game(0, states=2, actions=(2, 2))
    for first, then in [((0,), (0,)), ((2,), ()), ((-1,), (0,))]:
        with pytest.raises(RequestError, match="name agents twice, or agents outside 0"):
            multi_agent_advantage(game, game.uniform(), first, then)


def test_returns_differ_by_the_advantage_met_on_the_way():
    for seed, game, policies in drawn():
        others = random_policies(seed + 200, game)
        old, new = evaluate(game, policies), evaluate(game, others)
        gained = (new.occupancy * (joint_policy(others) * old.advantage).reshape(game.states, -1).sum(1)).sum()
        np.testing.assert_allclose(new.value - old.value, gained, **CLOSE)


def divergence(old, new):
    return (old * np.log(old / new)).reshape(len(old), -1).sum(1)


def test_the_bound_of_sequential_updates_holds_on_two_thousand_pairs():
    draw = np.random.default_rng(0)
    rows = lambda count: draw.dirichlet(np.ones(count), 3)  # noqa: E731
    games = [random_game(seed, 3, (2, 3, 2)[: 2 + seed % 2]) for seed in range(200)] * 10
    olds = [tuple(rows(count) for count in game.actions) for game in games]
    shares = 10.0 ** draw.uniform(-4, 0, len(games))
    news = [
        tuple((1 - share) * each + share * rows(each.shape[1]) for each in old)
        for old, share in zip(olds, shares, strict=True)
    ]
    befores, afters = evaluate_many(games, olds), evaluate_many(games, news)
    slack = []
    for seed, (game, old, new, before, after) in enumerate(zip(games, olds, news, befores, afters, strict=True)):
        constant = 4 * game.discount * np.abs(before.advantage).max() / (1 - game.discount) ** 2
        order = np.random.default_rng(seed).permutation(game.agents)
        mixed, bound, last = list(old), before.value, 0.0
        for agent in order:
            mixed[agent] = new[agent]
            # The expected joint advantage telescopes: its increase is this agent's L.
            reached = (joint_policy(mixed) * before.advantage).reshape(game.states, -1).sum(1) @ before.occupancy
            bound += reached - last - constant * divergence(old[agent], new[agent]).max()
            last = reached
        slack.append(after.value - bound)
    assert min(slack) >= 0


def test_the_product_of_ratios_gives_the_expectation_under_the_policies_that_moved():
    for seed, game, policies in drawn():
        moved = random_policies(seed + 300, game)
        order = np.random.default_rng(seed).permutation(game.agents).tolist()
        advantage = evaluate(game, policies).advantage
        for place, agent in enumerate(order):
            earlier = order[:place]
            ones = [np.ones_like(p) for p in policies]
            product = joint_policy([moved[j] / policies[j] if j in earlier else ones[j] for j in range(game.agents)])
            ratio = joint_policy([moved[j] / policies[j] if j == agent else ones[j] for j in range(game.agents)])
            sampled = (joint_policy(policies) * (ratio - 1) * product * advantage).reshape(game.states, -1).sum(1)
            table = multi_agent_advantage(game, policies, tuple(earlier), (agent,))
            np.testing.assert_allclose(sampled, weighted(moved, (*earlier, agent), table), **CLOSE)


def test_the_divergence_of_joint_policies_is_the_sum_of_the_agents():
    for seed, game, policies in drawn():
        others = random_policies(seed + 400, game)
        total = sum(divergence(p, q) for p, q in zip(policies, others, strict=True))
        np.testing.assert_allclose(divergence(joint_policy(policies), joint_policy(others)), total, **CLOSE)


def test_the_gain_less_the_clip_drift_is_the_clipped_objective_in_every_state():
    for seed, game, policies in drawn():
        advantage, others = evaluate(game, policies).advantage, random_policies(seed + 500, game)
        ratio = (others[0] / policies[0]).reshape(game.states, -1, *(1,) * (game.agents - 1)) * np.ones_like(advantage)
        drift = exactly(jax.jit(lambda r, a: ClipDrift(0.2)(r, a, None, None)), ratio, advantage)
        clipped = np.minimum(ratio * advantage, np.clip(ratio, 0.8, 1.2) * advantage)
        np.testing.assert_allclose(ratio * advantage - drift, clipped, **CLOSE)


def test_the_gap_is_the_best_of_all_deterministic_deviations():
    for _, game, policies in [*itertools.islice(drawn([0, 1]), 4)]:
        held = evaluate(game, policies).value
        gains = []
        for agent, count in enumerate(game.actions):
            best = -np.inf
            for choice in itertools.product(range(count), repeat=game.states):
                deviated = list(policies)
                deviated[agent] = np.eye(count)[list(choice)]
                best = max(best, evaluate(game, deviated).value)
            gains.append(best - held)
        np.testing.assert_allclose(nash_gap(game, policies), gains, **CLOSE)


def test_with_a_reward_for_each_agent_everything_is_each_agents_own():
    game = random_game(4, states=3, actions=(2, 3), common=False)
    policies = random_policies(4, game)
    found, gap = evaluate(game, policies), nash_gap(game, policies)
    for agent in range(2):
        alone = replace(game, reward=game.reward[agent])
        own = evaluate(alone, policies)
        for name in ("v", "q", "advantage", "value"):
            np.testing.assert_allclose(getattr(found, name)[agent], getattr(own, name), **CLOSE)
        np.testing.assert_allclose(gap[agent], nash_gap(alone, policies)[agent], **CLOSE)
        np.testing.assert_allclose(
            multi_agent_advantage(game, policies, (0,), (1,))[agent],
            multi_agent_advantage(alone, policies, (0,), (1,)),
            **CLOSE,
        )


def test_matching_pennies_has_its_equilibrium_at_one_half():
    pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    game = matrix(pennies)
    game = MarkovGame(np.stack([pennies, -pennies])[:, None], game.transition, game.initial, 0.0)
    np.testing.assert_allclose(nash_gap(game, game.uniform()), 0.0, **CLOSE)
    np.testing.assert_allclose(nash_gap(game, (np.array([[0.9, 0.1]]), np.array([[0.5, 0.5]]))), [0, 0.8], **CLOSE)


def test_a_game_in_a_box_of_unlike_games_has_the_values_that_it_has_alone():
    for common in (True, False):
        games, policies = many(6, common=common)
        for game, each, found in zip(games, policies, evaluate_many(games, policies), strict=True):
            alone = evaluate(game, each)
            for name in ("v", "q", "advantage", "occupancy", "value"):
                np.testing.assert_allclose(getattr(found, name), getattr(alone, name), **CLOSE)
                assert np.shape(getattr(found, name)) == np.shape(getattr(alone, name))


def test_results_are_numpy_in_64_bits_and_jax_stays_in_32():
    game = random_game(0, states=3, actions=(2, 3))
    found = evaluate(game, game.uniform())
    for table in (found.v, found.q, found.advantage, found.occupancy, nash_gap(game, game.uniform())):
        assert type(table) is np.ndarray and table.dtype == np.float64
    assert type(found.value) is float
    assert not jax.config.jax_enable_x64
    assert Categorical.from_logits(jax.numpy.zeros(2)).log_probs.dtype == jax.numpy.float32
