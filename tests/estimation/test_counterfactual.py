"""Critics of alternatives: what they see, what they are fitted to, and what is made of it."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import MaskedRecurrent
from hamlet.algorithms import coma, happo, ippo, mappo
from hamlet.backends.jax_backend import begin_training, iterate
from hamlet.distributions import Categorical
from hamlet.errors import RequestError
from hamlet.estimation import slots
from hamlet.estimation.counterfactual import CounterfactualValue
from hamlet.estimation.credit import Counterfactual, OptimalBaseline
from hamlet.estimation.critic import StateValue
from hamlet.estimation.returns import gae, lambda_returns
from hamlet.estimation.slots import seen
from hamlet.estimation.trajectory import Behaviour, Trajectory
from hamlet.haml.credit import credited
from hamlet.haml.template import Team, behaviour
from hamlet.learners import policy
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete
from pieces import masked_play, same, views

INF = float("inf")
PAYOFF = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, -1.0]], np.float32)


@pytest.fixture(scope="module")
def at():
    """The masked recurrent game as it was played, by whom, and what a critic says of it."""
    made = masked_play()
    made.critic = CounterfactualValue(samples=5, interval=3, epochs=2, learning_rate=0.01)
    made.seen_by = made.critic.roster(made.roster, made.env.state_shape)
    made.policies = jax.jit(partial(behaviour, made.roster))(Team(made.actors, ()), made.played)
    made.state = jax.jit(partial(made.critic.create, roster=made.seen_by, body=NetworkConfig(hidden=(8,), memory=3)))(
        jax.random.key(5)
    )

    @jax.jit
    def ask(state, played, policies):
        blank = made.critic.blank(made.seen_by, NetworkConfig(), 4)
        return made.critic.estimate(state, made.seen_by, played, blank, lambda: policies, jax.random.key(1))

    made.ask = ask
    made.estimate = ask(made.state, made.played, made.policies)
    return made


@pytest.mark.parametrize("lambda_", [0.0, 0.6, 1.0])
def test_lambda_returns_are_a_slow_loops_and_those_of_gae_where_what_follows_is_what_is_seen(lambda_):
    draw = np.random.default_rng(3)
    reward, value, cut = draw.normal(size=8), draw.normal(size=9), draw.random(8) < 0.3
    discount = np.where(draw.random(8) < 0.2, 0.0, 0.9)
    columns = [jnp.asarray(x, jnp.float32) for x in (reward, value[1:], discount)]
    found = lambda_returns(*columns, jnp.asarray(cut), lambda_=lambda_)
    expected, following = np.zeros(8), value[-1]
    for t in reversed(range(8)):
        after = value[t + 1] if cut[t] else (1 - lambda_) * value[t + 1] + lambda_ * following
        expected[t] = following = reward[t] + discount[t] * after
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    now = jnp.asarray(value[:-1], jnp.float32)
    advantage = gae(columns[0], now, columns[1], columns[2], jnp.asarray(cut), lambda_=lambda_)
    np.testing.assert_allclose(found, advantage + now, rtol=1e-4, atol=1e-5)


def test_the_policies_that_sampled_are_those_that_are_asked_and_go_on_where_the_rollout_did(at):
    flat = lambda x: np.asarray(x).reshape(20, *x.shape[2:])  # noqa: E731
    ended = flat(at.played.terminated) | flat(at.played.truncated)
    now, then = (flat(each[0].log_probs) for each in (at.policies.now, at.policies.then))
    np.testing.assert_allclose(now[1:][~ended[:-1]], then[:-1][~ended[:-1]], rtol=1e-4, atol=1e-4)
    mean, after = (flat(each[1].mean) for each in (at.policies.now, at.policies.then))
    np.testing.assert_allclose(mean[1:][~ended[:-1]], after[:-1][~ended[:-1]], rtol=1e-4, atol=1e-4)
    assert (np.exp(now)[~flat(at.played.view.available[0])] == 0).all()


def test_an_agents_own_slot_is_empty_where_it_is_the_outputs_and_the_absent_fill_none(at):
    played, names = at.played, [len(g.names) for g in at.roster.groups]
    alive, chosen = np.asarray(played.view.alive), np.asarray(played.action[0])
    one_hot = np.eye(3)[chosen] * alive[..., :2, None]
    moved = np.clip(np.asarray(played.action[1]), -1, 1)
    assert names == [2, 1]
    first = np.asarray(seen(at.roster, 0, played.view, list(played.action)).filled())
    second = np.asarray(seen(at.roster, 1, played.view, list(played.action)).filled())
    assert (first.shape[3:], second.shape[3:]) == ((2, 11 + 6 + 8 + 2), (1, 11 + 5 + 8 + 1))
    for k, other in ((0, 1), (1, 0)):
        actions = first[..., k, 17:25].reshape(*first.shape[:3], 8)
        slots = actions[..., :6].reshape(*first.shape[:3], 2, 3)
        assert (slots[..., k, :] == 0).all() and (slots[..., other, :] == one_hot[..., other, :]).all()
        np.testing.assert_allclose(actions[..., 6:], moved[..., 0, :], rtol=1e-6)
        assert (first[..., k, 25:] == np.eye(2)[k]).all()
    np.testing.assert_array_equal(first[..., 0, :11], np.asarray(played.view.state))
    own_view = np.where(alive[..., :2, None], np.asarray(played.view.observation[0]), 0.0)
    np.testing.assert_array_equal(first[..., 11:17], own_view)
    np.testing.assert_allclose(second[..., 0, 16:22], one_hot.reshape(*first.shape[:3], 6), rtol=1e-6)
    np.testing.assert_allclose(second[..., 0, 22:24], moved[..., 0, :], rtol=1e-6)


def test_values_are_at_what_was_done_and_the_alternatives_hold_it(at):
    alive, chosen = np.asarray(at.played.view.alive), np.asarray(at.played.action[0])
    own = np.asarray(at.estimate.alternatives[0].value)
    at_choice = np.take_along_axis(own, np.where(alive[..., :2], chosen, 0)[..., None], -1)[..., 0]
    np.testing.assert_allclose(at.estimate.value[..., :2], at_choice, rtol=1e-6)
    assert at.estimate.alternatives[1].value.shape == (4, 5, 4, 1, 5)
    for found in at.estimate.alternatives:
        np.testing.assert_allclose(np.asarray(found.weight).sum(-1), 1.0, rtol=1e-5)
    weight = np.asarray(at.estimate.alternatives[0].weight)
    assert (weight[~np.asarray(at.played.view.available[0]) & alive[..., :2, None]] == 0).all()


@pytest.mark.parametrize(("kind", "by_score"), [(Counterfactual, False), (OptimalBaseline, True)])
def test_what_is_subtracted_is_the_mean_of_the_alternatives_weighed_by_scores_too_or_not(at, kind, by_score):
    advantage, _ = kind(discount=0.9, lambda_=0.5)(at.played, at.estimate, at.critic)
    subtracted = np.asarray(at.estimate.value - advantage)
    expected = []
    for found in at.estimate.alternatives:
        value, weight, score = (np.asarray(part, np.float64) for part in (found.value, found.weight, found.score))
        share = weight * score if by_score else weight
        expected.append((share * value).sum(-1) / share.sum(-1))
    there = np.asarray(at.played.view.alive) & np.isfinite(np.concatenate(expected, -1))
    assert there.sum() > 100
    np.testing.assert_allclose(subtracted[there], np.concatenate(expected, -1)[there], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", [Counterfactual, OptimalBaseline])
def test_an_absent_agent_is_credited_with_nothing_and_all_have_the_teams_returns(at, kind):
    back = kind(discount=0.9, lambda_=0.5)
    advantage, returns = back(at.played, at.estimate, at.critic)
    alive = np.asarray(at.played.view.alive)
    np.testing.assert_allclose(np.asarray(advantage)[~alive], 0.0, atol=1e-6)
    assert (np.asarray(advantage)[alive] != 0).mean() > 0.9
    reward = np.asarray(at.played.reward).sum(-1).reshape(20, 4)
    value = np.asarray(at.estimate.next_value).reshape(20, 4, 3)
    last, cut = (np.asarray(x).reshape(20, 4) for x in (at.played.terminated, at.played.truncated))
    expected, following = np.zeros((20, 4, 3)), value[-1]
    for t in reversed(range(20)):
        after = np.where((last[t] | cut[t])[:, None], value[t], 0.5 * value[t] + 0.5 * following)
        expected[t] = following = reward[t][:, None] + 0.9 * np.where(last[t][:, None], 0.0, after)
    np.testing.assert_allclose(returns.reshape(20, 4, 3), expected, rtol=1e-4, atol=1e-5)
    other, _ = kind(discount=0.9, lambda_=0.5, credited="returns")(at.played, at.estimate, at.critic)
    np.testing.assert_allclose(other - advantage, returns - at.estimate.value, rtol=1e-4, atol=1e-4)


def test_targets_are_copied_every_so_many_steps_and_bootstrap_alone(at):
    fit = jax.jit(partial(at.critic.fit, roster=at.seen_by))
    returns = jnp.ones(at.estimate.value.shape)

    def fitted(state):
        return fit(
            state,
            trajectory=at.played,
            estimate=at.estimate,
            returns=returns,
            memory=(None,) * 2,
            key=jax.random.key(0),
        )[0]

    bias = lambda networks: np.asarray(networks[0].head.bias)  # noqa: E731
    once = fitted(at.state)
    twice = fitted(once)
    assert [int(s.updates[0][0]) for s in (at.state, once, twice)] == [0, 2, 4]
    np.testing.assert_array_equal(bias(once.targets), bias(at.state.networks))
    assert (bias(twice.targets) != bias(once.targets)).any() and (bias(twice.targets) != bias(twice.networks)).any()
    # Other targets, the same networks: only what bootstraps is another.
    state = at.state
    mixed = type(state)(state.networks, twice.targets, state.optimisers, state.moments, state.updates)
    found = at.ask(mixed, at.played, at.policies)
    np.testing.assert_array_equal(found.value, at.estimate.value)
    assert (np.asarray(found.next_value) != np.asarray(at.estimate.next_value)).any()


def test_what_follows_is_valued_by_the_policies_that_will_act_there_and_not_by_those_that_acted_before(at):
    """Those that act where the rollout arrives, of whom the mean is taken, are alone asked."""
    now, then = at.policies.now, at.policies.then
    others = at.ask(at.state, at.played, Behaviour(then, then, at.roster))
    np.testing.assert_array_equal(others.next_value, at.estimate.next_value)
    stale = at.ask(at.state, at.played, Behaviour(now, now, at.roster))
    assert (np.asarray(stale.next_value) != np.asarray(at.estimate.next_value)).mean() > 0.5
    # A policy that is sure of a choice: its mean is that choice's value, between the least and the greatest.
    sure = [
        at.ask(at.state, at.played, Behaviour(now, (Categorical(_sure(then[0].log_probs, k)), then[1]), at.roster))
        for k in range(3)
    ]
    assert all((np.asarray(one.value) == np.asarray(at.estimate.value)).all() for one in sure)
    alive = np.asarray(at.played.arrival.alive)[..., :2]
    found = [np.asarray(one.next_value)[..., :2][alive] for one in sure]
    assert (np.abs(found[0] - found[1]) > 1e-6).mean() > 0.9


def _sure(log_probs, choice):
    """A policy's logarithms that takes one choice always."""
    return jnp.full(log_probs.shape, -jnp.inf).at[..., choice].set(0.0)


def table():
    """Every joint action of a game of one step once, two agents of unlike spaces, under even policies."""
    groups = Group(("row",), Box(-INF, INF, (1,)), Discrete(2)), Group(("column",), Box(-INF, INF, (2,)), Discrete(3))
    first, second = (jnp.asarray(x.reshape(6, 1, 1, 1), jnp.int32) for x in np.indices((2, 3)))
    shape, one = (6, 1, 1), jnp.ones((6, 1, 1), bool)
    view = views((jnp.ones((*shape, 1, 1)), jnp.ones((*shape, 1, 2))), jnp.ones((*shape, 1)))
    reward = jnp.asarray(PAYOFF.reshape(6, 1, 1, 1)) * jnp.array([0.25, 0.75]).reshape(1, 1, 1, 2)
    played = Trajectory(view, one, (first, second), reward, one, ~one, view, (None, None))
    even = tuple(Categorical(jnp.full((*shape, 1, n), -np.log(n), jnp.float32)) for n in (2, 3))
    roster = Roster(groups)
    return roster, played, Behaviour(even, even, roster)


def test_on_a_small_game_the_critic_becomes_the_table_for_every_agent_and_so_are_the_advantages_exact():
    roster, played, policies = table()
    critic = CounterfactualValue(epochs=400, learning_rate=0.01, clip=0.0)
    seen_by = critic.roster(roster, (1,))

    @jax.jit
    def learn():
        state, blank = critic.create(jax.random.key(0), seen_by, NetworkConfig(hidden=(16,))), (None, None)
        ask = lambda state: critic.estimate(state, seen_by, played, blank, lambda: policies, jax.random.key(1))  # noqa: E731
        back = Counterfactual(lambda_=0.8)
        before = ask(state)
        state, _ = critic.fit(state, seen_by, played, before, back(played, before, critic)[1], blank, jax.random.key(2))
        after = ask(state)
        return after, back(played, after, critic)[0], OptimalBaseline()(played, after, critic)[0]

    after, counterfactual, optimal = learn()
    of_row, of_column = (np.asarray(a.value).reshape(6, -1) for a in after.alternatives)
    np.testing.assert_allclose(of_row, np.tile(PAYOFF.T, (2, 1)), atol=0.02)
    np.testing.assert_allclose(of_column, np.repeat(PAYOFF, 3, 0), atol=0.02)
    joint = PAYOFF.reshape(6, 1)
    own = np.concatenate([joint - np.tile(PAYOFF.mean(0), 2)[:, None], joint - PAYOFF.mean(1).repeat(3)[:, None]], 1)
    np.testing.assert_allclose(np.asarray(counterfactual).reshape(6, 2), own, atol=0.04)
    # Under even policies all scores are alike, and the optimal baseline is the counterfactual one.
    np.testing.assert_allclose(np.asarray(optimal).reshape(6, 2), own, atol=0.04)


def test_a_declaration_says_what_it_is_credited_with_and_keeps_its_settings():
    made = mappo(advantage="optimal_baseline", critic_epochs=3, critic_clip=0.1, gae_lambda=0.9, baseline_samples=7)
    assert made.advantage == OptimalBaseline(discount=0.99, lambda_=0.9, credited="returns")
    assert (made.critic.epochs, made.critic.clip, made.critic.samples) == (3, 0.1, 7)
    assert happo(advantage="counterfactual").advantage == Counterfactual(lambda_=0.95, credited="returns")
    assert mappo(advantage="gae") == mappo() and isinstance(mappo().critic, StateValue)
    assert coma(advantage="optimal_baseline").advantage == OptimalBaseline()


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda: credited(ippo(), "optimal_baseline", 100), "its own agent's observation: use .* mappo --advantage"),
        (lambda: mappo(advantage="counterfactual", baseline_samples=0), "--baseline-samples must be at least 1"),
        (lambda: coma(target_interval=0), "--target-interval must be at least 1"),
        (lambda: coma(td_lambda=1.5), r"must be in \[0, 1\]"),
        (lambda: coma(exploration_start=2.0), "--exploration-start must be in"),
        (lambda: CounterfactualValue().roster(table()[0], (8, 8, 3)), "the state is an image .* use --advantage gae"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_line_that_names_what_can(ask, answer):
    with pytest.raises(RequestError, match=answer) as error:
        ask()
    assert "\n" not in str(error.value)


def test_an_estimator_beside_a_critic_that_it_does_not_ask_is_refused_by_name():
    wrong = hamlet.replace(mappo(), advantage=OptimalBaseline())
    with pytest.raises(RequestError, match=r"OptimalBaseline needs .* CounterfactualValue, not StateValue"):
        policy.parts(wrong)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["happo", "hatrpo", "haa2c", "mappo", "maa2c"])
def test_unlike_agents_with_masks_deaths_and_memory_are_trained_by_it_to_the_same_bits(name):
    small = {
        "hidden": (16,),
        "rnn_size": 8,
        "sequence_length": 5,
        "num_envs": 4,
        "rollout_length": 10,
        "baseline_samples": 4,
    }
    made, env = hamlet.algorithms.make(name, advantage="optimal_baseline", **small), MaskedRecurrent()
    once = jax.jit(lambda training: iterate(made, env, training)[0])
    start = jax.jit(lambda: begin_training(made, env, 0))()
    end = once(once(start))
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(end.learner))
    assert not same(start.learner.team.actors, end.learner.team.actors) and same(once(once(start)), end)


def test_a_critic_of_actions_sees_them_within_their_bounds_and_from_minus_one_to_one():
    space = Box((0.0, -float("inf")), (4.0, 2.0), (2,))
    found = slots._code(jnp.array([[9.0, 9.0], [-9.0, -9.0], [3.0, 1.0]]), space, 1)
    np.testing.assert_allclose(found, [[1.0, 2.0], [-1.0, -9.0], [0.5, 1.0]])
