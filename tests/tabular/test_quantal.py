"""Maximum entropy, exactly: HASAC's quantal responses, what is promised of J with entropy, and what is not."""

from dataclasses import replace
from functools import cache
from itertools import permutations

import numpy as np
import pytest

from hamlet import algorithms
from hamlet.errors import RequestError
from hamlet.haml.drift import KlDrift
from hamlet.tabular import evaluate, haml_many, quantal_gap, random_policies
from tabular.drawn import climbing, example_1, fixture, many


def hasac(temperature, order="random"):
    return algorithms.hasac(temperature=temperature, temperature_learning_rate=0, order=order)


@cache
def toys(temperature):
    """Example 1 and the climbing game from the uniform policies, the fixture from random ones."""
    games = example_1(), climbing(), fixture()
    starts = games[0].uniform(), games[1].uniform(), random_policies(3, games[2])
    return haml_many(games, starts, hasac(temperature, "fixed"), 400, 0)


def entropy(policy):
    return -(policy * np.log(np.maximum(policy, 1e-300))).sum(-1)


def soft_values(game, policies, temperature):
    """V_α by going through every state and joint action until nothing changes, and Q_α."""
    bonus = temperature * sum(entropy(policy) for policy in policies)
    v = np.zeros(game.states)
    for _ in range(2000 if game.discount else 1):
        q = game.team_reward + game.discount * game.transition @ v
        v = bonus.copy()
        for s, *joint in np.ndindex(game.states, *game.actions):
            v[s] += np.prod([policies[i][s, a] for i, a in enumerate(joint)]) * q[(s, *joint)]
    return v, game.team_reward + game.discount * game.transition @ v


def logit_response(q, policies, agent, temperature):
    """The logit response of one agent: softmax over its actions of Q's mean over the others' actions, divided by α."""
    worth = np.zeros_like(policies[agent])
    for s, *joint in np.ndindex(q.shape):
        others = np.prod([policies[i][s, a] for i, a in enumerate(joint) if i != agent])
        worth[s, joint[agent]] += others * q[(s, *joint)]
    scores = np.exp((worth - worth.max(-1, keepdims=True)) / temperature)
    return scores / scores.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("temperature", "first", "second", "earned", "potential"),
    [
        (2.0, (0.5384, 0.4616), (0.5384, 0.4616), 0.78104, None),
        (1.0, (0.8833, 0.1167), (0.1952, 0.8048), 1.37332, 2.22737),
        (0.5, None, None, 1.95431, None),
        (0.1, (1.0, 0.0), (0.0, 1.0), 2.0, None),
    ],
)
def test_soft_best_responses_in_example_1_end_where_they_must(temperature, first, second, earned, potential):
    found, _, _ = toys(temperature)
    assert found.earned[-1] == pytest.approx(earned, abs=5e-6)
    assert found.value[-1] == pytest.approx(potential or found.value[-1], abs=5e-6)
    for policy, wanted in zip(found.final, (first, second), strict=True):
        np.testing.assert_allclose(policy[0], wanted or policy[0], atol=5e-5)
    assert np.diff(found.value).min() >= -1e-12 and found.temperature == temperature
    spread = np.array([sum(map(entropy, policies))[0] for policies in found.policies])
    np.testing.assert_allclose(found.value, found.earned + temperature * spread, atol=1e-12)


@pytest.mark.parametrize(
    ("temperature", "first", "earned", "close"),
    [(20.0, 0.3110, -4.3688, 5e-5), (10.0, 0.2526, -4.0205, 5e-5), (1.0, 0.0, 0.0, 1e-4)],
)
def test_entropy_alone_does_not_lead_out_of_the_climbing_game(temperature, first, earned, close):
    _, found, _ = toys(temperature)
    assert found.earned[-1] == pytest.approx(earned, abs=close)
    assert [policy[0, 0] for policy in found.final] == pytest.approx([first, first], abs=5e-5)


def test_at_rest_every_agent_plays_the_logit_response_and_before_it_does_not():
    found = toys(1.0)[2]
    v, q = soft_values(found.game, found.final, 1.0)
    np.testing.assert_allclose(found.state_value[-1], v, atol=1e-9)
    for agent, policy in enumerate(found.final):
        np.testing.assert_allclose(policy, logit_response(q, found.final, agent, 1.0), atol=1e-9)
    np.testing.assert_allclose(found.gap[-1], 0, atol=1e-9)
    assert found.gap[0].min() > 0.1
    assert (np.stack(found.final) > 1e-3).all()


def test_the_gap_of_one_state_is_the_divergence_from_the_logit_response_times_the_temperature():
    found = toys(1.0)[1]
    _, q = soft_values(found.game, found.policies[0], 1.0)
    wanted = []
    for agent, policy in enumerate(found.policies[0]):
        response = logit_response(q, found.policies[0], agent, 1.0)
        wanted.append((policy * np.log(policy / response)).sum())
    np.testing.assert_allclose(found.gap[0], wanted, atol=1e-10)
    assert min(wanted) > 0.1


def test_the_gap_over_states_is_that_to_the_fixed_point_of_soft_values():
    temperature = 0.5
    found = toys(temperature)[2]
    game, policies = found.game, found.policies[0]
    mean = np.einsum("sb,sab->sa", policies[1], game.team_reward) + temperature * entropy(policies[1])[:, None]
    transition = np.einsum("sb,sabt->sat", policies[1], game.transition)
    v = np.zeros(2)
    for _ in range(2000):
        q = mean + game.discount * transition @ v
        v = temperature * np.log(np.exp((q - q.max()) / temperature).sum(-1)) + q.max()
    held, _ = soft_values(game, policies, temperature)
    assert found.gap[0, 0] == pytest.approx(game.initial @ (v - held), abs=1e-9)
    np.testing.assert_allclose(quantal_gap(game, policies, temperature), found.gap[0], atol=1e-12)


@pytest.mark.slow
def test_no_sweep_lowers_the_return_with_entropy_and_agents_come_to_rest_in_quantal_responses():
    games, policies = many(200)
    found = haml_many(games, policies, hasac(0.2), 40, 0, gap="last")
    assert min(np.diff(one.value).min() for one in found) >= -1e-9
    assert min(np.diff(one.state_value, axis=0).min() for one in found) >= -1e-9
    # Of the reward alone nothing is promised, and it does fall.
    assert sum(np.diff(one.earned).min() < -1e-3 for one in found) > 50
    gaps = np.array([one.gap[-1].max() / np.ptp(game.reward) for game, one in zip(games, found, strict=True)])
    assert (gaps <= 1e-3).mean() >= 0.95
    for number in (0, 3, 8):  # of unlike sizes, in one box: each sweep is the logit responses in some order
        one = found[number]
        assert one.earned[0] == pytest.approx(evaluate(games[number], policies[number]).value, abs=1e-10)
        after = in_some_order(one.policies[0], soft_values(games[number], one.policies[0], 0.2)[1], 0.2)
        off = [max(abs(a - b).max() for a, b in zip(one.policies[1], each, strict=True)) for each in after]
        assert sorted(off)[0] < 1e-9 < 1e-3 < sorted(off)[1]


def in_some_order(old, q, temperature):
    """What the policies may be after one sweep of logit responses."""
    for order in permutations(range(len(old))):
        policies = list(old)
        for agent in order:
            policies[agent] = logit_response(q, policies, agent, temperature)
        yield policies


@pytest.mark.slow
def test_with_a_drift_the_promise_is_kept_too():
    games, policies = many(3)
    found = haml_many(games, policies, replace(hasac(0.2), drift=KlDrift(0.5)), 3, 0, gap="last")
    assert min(np.diff(one.state_value, axis=0).min() for one in found) >= -1e-9
    assert all(one.value[-1] > one.value[0] for one in found)


def test_a_temperature_of_nothing_has_no_quantal_response():
    game = example_1()
    with pytest.raises(RequestError, match="the temperature must be above 0, got 0"):
        quantal_gap(game, game.uniform(), 0.0)
