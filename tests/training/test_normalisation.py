"""Observations and rewards in units of their own spread: over the living, never trained, kept with the networks."""

from dataclasses import dataclass, replace
from functools import cache, partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import Lamps, Pot
from hamlet.algorithms import happo, hatrpo, make
from hamlet.backends.jax_backend import begin_training, iterate, roster_of
from hamlet.estimation.critic import StateValue
from hamlet.estimation.rewards import RewardScale
from hamlet.learners import policy
from hamlet.networks.heads import parameter_count
from hamlet.rollouts.rollout import rollout
from offpolicy import EVERYWHERE
from pieces import masked_play, same, trajectory

T, E = 20, 4
SIZES = {"hidden": (16,), "rnn_size": 8, "sequence_length": 5, "num_envs": E, "rollout_length": T}
NORMALISED = {"normalise_observations": True, "normalise_rewards": True}


@cache
def learnt(name):
    """A learner of the masked game that has seen one rollout, its update as a function, and what comes of a second."""
    at, algorithm = masked_play(), make(name, **SIZES, **NORMALISED)
    start = jax.jit(lambda: begin_training(algorithm, at.env, 0).learner)()

    @jax.jit
    def step(learner, played):
        return policy.step(algorithm, at.roster, at.env.state_shape, learner, played, jax.random.key(1))[0]

    first = step(start, at.played)
    return algorithm, step, start, first, step(first, at.played)


def stacks(learner):
    return [network.torso.running for network in (*learner.team.actors, *learner.critic.networks)]


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_moments_are_those_of_what_living_agents_saw_and_no_step_of_learning_moves_them(name):
    """They are set once an iteration, to these very numbers: nothing else has touched them."""
    algorithm, _, start, first, second = learnt(name)
    at = masked_play()
    view = at.played.view
    seen = [np.asarray(o, np.float64).reshape(T * E, *o.shape[3:]) for o in view.observation]
    alive = np.asarray(view.alive).reshape(T * E, 3)
    rows = [[seen[0][:, 0], seen[0][alive[:, 1], 1]], [seen[1][:, 0]]]
    if algorithm.critic.sees == "observation":
        rows += rows
    else:
        rows.append([np.asarray(view.state, np.float64).reshape(T * E, -1)])
    assert all((running.weight == 0).all() for running in stacks(start))
    for one, two, expected in zip(stacks(first), stacks(second), rows, strict=True):
        for unit, values in enumerate(expected):
            assert one.weight[unit] == len(values) and two.weight[unit] == 2 * len(values)
            for found in (one, two):
                np.testing.assert_allclose(found.mean[unit], values.mean(0), rtol=1e-4, atol=1e-5)
                np.testing.assert_allclose(found.variance[unit], values.var(0), rtol=1e-4, atol=1e-5)
    assert not same(first.team.actors[0].head, second.team.actors[0].head)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERYWHERE)
def test_whatever_junk_a_dead_agent_sees_or_does_no_bit_of_the_learner_changes(name):
    algorithm, step, _, first, second = learnt(name)
    at = masked_play()
    played, dead = at.played, ~at.played.view.alive[..., 1]
    gone = ~at.played.arrival.alive[..., 1]

    def spoil(array, where, junk):
        mine = array[..., 1, :] if array.ndim == 5 else array[..., 1]
        shaped = where[..., None] if mine.ndim > where.ndim else where
        index = (..., 1, slice(None)) if array.ndim == 5 else (..., 1)
        return array.at[index].set(jnp.where(shaped, junk, mine))

    for junk in (1e4, -3.0):
        changed = {
            "view": spoil(played.view.observation[0], dead, junk),
            "arrival": spoil(played.arrival.observation[0], gone, junk),
            "action": spoil(played.action[0], dead, 2 if junk > 0 else 0),
            "available": spoil(played.view.available[0], dead, junk > 0),
        }
        where = lambda t: (  # noqa: E731
            t.view.observation[0],
            t.arrival.observation[0],
            t.action[0],
            t.view.available[0],
        )
        spoilt = eqx.tree_at(where, played, tuple(changed.values()))
        if algorithm.critic.credits == "own":
            spoilt = eqx.tree_at(lambda t: t.reward, spoilt, spoil(played.reward, dead, junk))
        after = step(first, spoilt)
        # What is carried over to the next rollout, the junk's memory and its return, is thrown away where an agent is
        # reborn.
        for part in ("team", "critic"):
            assert same(getattr(after, part), getattr(second, part)), part
        assert same(after.rewards.spread, second.rewards.spread)


@pytest.mark.slow
def test_where_a_run_begins_new_episodes_a_return_begins_at_zero_although_none_had_ended():
    """As where a run is resumed whose games cannot be put back."""
    at = masked_play()
    scale = jax.jit(partial(RewardScale.__call__, credits="team", discount=0.9))
    halves = [jax.tree.map(lambda leaf, h=h: leaf[2 * h : 2 * h + 2], at.played) for h in (0, 1)]
    begun = eqx.tree_at(lambda t: t.start, halves[1], halves[1].start.at[0, 0].set(True))
    after, _ = scale(RewardScale.create(E, 1), halves[0])
    assert jnp.abs(after.total).min() > 0.01
    going, restarted = (scale(after, played)[0].spread.mean for played in (halves[1], begun))
    blank = eqx.tree_at(lambda s: s.total, after, jnp.zeros_like(after.total))
    assert same(restarted, scale(blank, begun)[0].spread.mean) and not same(restarted, going)


class Asked(Exception):
    """A critic was asked for the values of a rollout."""


@dataclass(frozen=True, kw_only=True)
class Asking(StateValue):
    """It tells by what it is asked."""

    def estimate(self, state, roster, trajectory, *_):
        raise Asked(trajectory)


@pytest.mark.parametrize("normalised", [True, False])
def test_what_is_learnt_from_is_in_units_of_the_deviation_of_returns_where_that_is_asked_for(normalised):
    env = Pot()
    algorithm = replace(happo(num_envs=4, normalise_rewards=normalised), critic=Asking())
    roster, (played, _) = roster_of(algorithm, env), trajectory(0, env.groups, env.state_shape)
    learner = jax.eval_shape(lambda: policy.init(algorithm, roster, env.state_shape, jax.random.key(0)))
    scale = RewardScale.create(4, 1) if normalised else None
    with pytest.raises(Asked) as asked:
        policy.step(algorithm, roster, env.state_shape, replace(learner, rewards=scale), played, jax.random.key(1))
    wanted = played if scale is None else scale(played, "team", algorithm.advantage.discount)[1]
    np.testing.assert_array_equal(asked.value.args[0].reward, wanted.reward)


def test_statistics_are_no_parameters_and_images_have_one_a_pixel():
    def outline(env, **settings):
        return jax.eval_shape(lambda: begin_training(happo(hidden=(16,), num_envs=4, **settings), env, 0)).learner.team

    for env in (Pot(), Lamps()):
        assert parameter_count(outline(env, **NORMALISED).actors) == parameter_count(outline(env).actors)
    assert outline(Lamps()).actors[0].torso.running is None
    assert outline(Lamps(), **NORMALISED).actors[0].torso.running.mean.shape == (2, 8 * 8 * 3)


@pytest.mark.slow
def test_the_scale_of_rewards_is_the_deviation_of_discounted_returns_stream_by_stream():
    at = masked_play()
    reward, alive = (np.asarray(x, np.float64).reshape(T, E, 3) for x in (at.played.reward, at.played.view.alive))
    ended = np.asarray(at.played.terminated | at.played.truncated).reshape(T, E)
    start = np.asarray(at.played.start).reshape(T, E)
    for credits in ("team", "own"):
        earned = reward if credits == "own" else reward.sum(-1, keepdims=True)
        made = RewardScale.create(E, earned.shape[-1])
        total, kept = np.zeros((E, earned.shape[-1])), [[] for _ in range(earned.shape[-1])]
        for _ in range(2):
            for t in range(T):
                total[start[t]] = 0.0
                total = 0.9 * total + earned[t]
                for stream, values in enumerate(kept):
                    values += list(total[alive[t, :, stream] > 0, stream] if credits == "own" else total[:, stream])
                total[ended[t]] = 0.0
            made, scaled = jax.jit(partial(RewardScale.__call__, credits=credits, discount=0.9))(made, at.played)
        np.testing.assert_allclose(made.total, total, rtol=1e-4, atol=1e-5)
        deviation = np.array([np.std(values) for values in kept])
        np.testing.assert_allclose(scaled.reward.reshape(T, E, 3), reward / deviation, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_reported_returns_stay_in_units_of_reward_and_a_policy_outside_of_training_has_the_same_statistics():
    algorithm = hatrpo(hidden=(16,), num_envs=4, rollout_length=8, critic_epochs=1, **NORMALISED)
    start, roster = jax.jit(lambda: begin_training(algorithm, Pot(), 0))(), roster_of(algorithm, Pot())
    training, info = jax.jit(lambda t: iterate(algorithm, Pot(), t))(start)
    key = jax.random.split(jax.random.fold_in(start.key, 0))[0]
    actors = start.learner.team.actors
    played = jax.jit(lambda play, key: rollout(Pot(), roster, actors, play, steps=8, length=1, key=key)[1])(
        start.play, key
    )
    np.testing.assert_allclose(info["return"], played.reward.sum() / 8, rtol=1e-5)
    assert training.learner.rewards.spread.weight == 32 and training.learner.rewards.spread.variance[0, 0] > 0

    actors = training.learner.team.actors
    assert actors[0].torso.running.weight.tolist() == [32, 32]
    expected = np.asarray(played.view.observation[0], np.float64).reshape(32, 2, 2).mean(0)
    np.testing.assert_allclose(actors[0].torso.running.mean, expected, rtol=1e-5, atol=1e-6)
    policy = hamlet.policy.Policy(roster, actors, algorithm.body)
    mean = actors[0].torso.running.mean
    other = eqx.tree_at(lambda a: a[0].torso.running.mean, actors, mean + jnp.array([[0.0, 90.0], [0.0, -90.0]]))
    head = jnp.array([[[0.0] * 16, [1.0] * 16]] * 2).at[:, :, 8:].multiply(-1.0)
    pair = [eqx.tree_at(lambda a: a[0].head.weight, team, head) for team in (actors, other)]
    seen = [{"left": np.array([a, 1.0]), "right": np.array([a, 1.0])} for a in np.linspace(-3, 3, 7)]
    answers = [[hamlet.policy.Policy(roster, team, algorithm.body).act(o) for o in seen] for team in pair]
    assert answers[0] != answers[1] and policy.act(seen[0])
