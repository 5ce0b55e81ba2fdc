"""The three tasks against mpe2 itself: from the same state and the same actions, the same step.

Before every step the state of mpe2 (float64) is translated into ours (float32), so that what is compared is one step
and not the drift of 25 in another precision. One further test lets ours run on by itself for whole episodes.
"""

import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.envs import make
from hamlet.envs.mpe.simple_reference import ReferenceState
from hamlet.envs.mpe.simple_speaker_listener import SpeakerListenerState
from hamlet.envs.mpe.simple_spread import SpreadState
from hamlet.spaces import to_gymnasium
from pieces import always

mpe2 = pytest.importorskip("mpe2")

TOLERANCE = 1e-5
SPREAD, REFERENCE, SPEAKER = "mpe/simple_spread", "mpe/simple_reference", "mpe/simple_speaker_listener"
CASES = [pytest.param(SPREAD, {"agents": n}, marks=pytest.mark.slow) for n in (1, 2, 5)] + [
    (SPREAD, {"agents": 3}),
    (SPREAD, {"local_ratio": 0.2, "max_steps": 7}),
    (REFERENCE, {}),
    (REFERENCE, {"local_ratio": 0.8, "max_steps": 1}),
    (SPEAKER, {}),
]


def host(name, continuous, **options):
    """The parallel environment of mpe2 with our options."""
    from mpe2 import simple_reference_v3, simple_speaker_listener_v4, simple_spread_v3

    module = {SPREAD: simple_spread_v3, REFERENCE: simple_reference_v3, SPEAKER: simple_speaker_listener_v4}[name]
    renamed = {"agents": "N", "max_steps": "max_cycles"}
    return module.parallel_env(
        continuous_actions=continuous, **{renamed.get(key, key): value for key, value in options.items()}
    )


def translate(name, raw):
    """The state of mpe2 as ours."""
    world = raw.world
    number = {id(landmark): index for index, landmark in enumerate(world.landmarks)}
    bodies = [agent for agent in world.agents if agent.movable]
    position = jnp.asarray(np.asarray([body.state.p_pos for body in bodies], np.float32))
    velocity = jnp.asarray(np.asarray([body.state.p_vel for body in bodies], np.float32))
    landmark = jnp.asarray(np.asarray([landmark.state.p_pos for landmark in world.landmarks], np.float32))
    time = jnp.int32(raw.steps)
    if name == SPREAD:
        return SpreadState(position, velocity, landmark, time)
    if name == REFERENCE:
        goal = jnp.asarray([number[id(agent.goal_b)] for agent in world.agents], jnp.int32)
        return ReferenceState(position, velocity, landmark, goal, time)
    return SpeakerListenerState(position, velocity, landmark, jnp.int32(number[id(world.agents[0].goal_b)]), time)


def squeeze(world, factor):
    """Draw the agents of mpe2 towards the centre, and slow them."""
    for agent in world.agents:
        agent.state.p_pos, agent.state.p_vel = agent.state.p_pos * factor, agent.state.p_vel * factor


def stack(trees):
    return jax.tree.map(lambda *leaves: np.stack(leaves), *trees)


def sample(env, generator, low, high):
    """Random actions of every group, in [low, high] where continuous."""
    return tuple(
        generator.uniform(low, high, (len(group.names), *group.action.shape)).astype(np.float32)
        if env.continuous
        else generator.integers(group.action.n, size=len(group.names)).astype(np.int32)
        for group in env.groups
    )


def touching(world):
    return any(
        a is not b and np.linalg.norm(a.state.p_pos - b.state.p_pos) < a.size + b.size
        for a in world.agents
        for b in world.agents
    )


def record(name, options, continuous, *, steps, factor=1.0, low=0.0, high=1.0):
    """What mpe2 does in whole episodes of random actions.

    Returns:
        For every step the state before it and the actions; what mpe2 then shows, rewards and ends; and in how many
        steps agents touched before as well as after.
    """
    env, theirs = make(name, continuous=continuous, **options), host(name, continuous, **options)
    raw, generator = theirs.unwrapped, np.random.default_rng(7)
    names = [agent for group in env.groups for agent in group.names]
    assert names == theirs.possible_agents
    given, brought, touched, over = [], [], 0, True
    for number in range(steps):
        if over:
            theirs.reset(seed=number)
        squeeze(raw.world, factor)
        before, actions = touching(raw.world), sample(env, generator, low, high)
        given.append((translate(name, raw), actions))
        rows = [row for group in actions for row in group]
        seen, reward, terminated, truncated, _ = theirs.step(dict(zip(names, rows, strict=True)))
        assert len(set(truncated.values())) == 1 and not any(terminated.values())
        shown = np.concatenate([seen[agent] for agent in names])
        rewards = np.asarray([reward[agent] for agent in names])
        brought.append((shown, theirs.state(), rewards, truncated[names[0]], np.int32(raw.steps)))
        touched += before and touching(raw.world)
        over = not theirs.agents
    return env, stack(given), stack(brought), touched


def assert_same(stepped, brought, tolerance):
    """Our steps, along one leading axis, against those of mpe2."""
    state, view, outcome = stepped
    shown, joint, reward, truncated, time = brought
    observation = np.concatenate([np.asarray(group).reshape(len(shown), -1) for group in view.observation], -1)
    np.testing.assert_allclose(observation, shown, rtol=0, atol=tolerance)
    np.testing.assert_allclose(view.state, joint, rtol=0, atol=tolerance)
    np.testing.assert_allclose(outcome.reward, reward, rtol=0, atol=tolerance)
    np.testing.assert_array_equal(outcome.truncated, truncated)
    np.testing.assert_array_equal(state.time, time)
    assert not outcome.terminated.any() and truncated.sum() >= 10


def compare(name, options, continuous, **how):
    """Assert that every step is that of mpe2 from the same state and actions; the number of steps that touched."""
    env, (state, actions), brought, touched = record(name, options, continuous, **how)
    keys = jax.random.split(jax.random.key(0), len(state.time))
    assert_same(jax.jit(jax.vmap(env.step))(keys, state, actions), brought, TOLERANCE)
    return touched


@pytest.mark.parametrize("continuous", [True, False], ids=["continuous", "discrete"])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_one_step_from_the_same_state_and_actions_is_that_of_mpe2(name, options, continuous):
    compare(name, options, continuous, steps=500)


@pytest.mark.parametrize("continuous", [True, False], ids=["continuous", "discrete"])
@pytest.mark.parametrize("agents", always(5, of=(2, 3, 5)))
def test_one_step_in_a_crowd_is_that_of_mpe2(agents, continuous):
    touched = compare(SPREAD, {"agents": agents}, continuous, steps=600, factor=0.3)
    assert touched > 100


@pytest.mark.parametrize("name", [SPREAD, REFERENCE, SPEAKER])
def test_actions_out_of_bounds_are_clipped_as_by_mpe2(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compare(name, {}, True, steps=300, low=-2.0, high=3.0)


@pytest.mark.parametrize("continuous", [True, False], ids=["continuous", "discrete"])
@pytest.mark.parametrize("name", [SPREAD, REFERENCE, SPEAKER])
def test_whole_episodes_stay_with_those_of_mpe2(name, continuous):
    env, given, brought, _ = record(name, {}, continuous, steps=750)
    states, actions = jax.tree.map(lambda leaf: leaf.reshape(30, 25, *leaf.shape[1:]), given)

    def advance(state, actions):
        state, view, outcome = env.step(jax.random.key(0), state, actions)
        return state, (state, view, outcome)

    start = jax.tree.map(lambda leaf: jnp.asarray(leaf[:, 0]), states)
    _, stepped = jax.jit(jax.vmap(partial(jax.lax.scan, advance)))(start, actions)
    assert_same(jax.tree.map(lambda leaf: leaf.reshape(750, *leaf.shape[2:]), stepped), brought, 1e-4)


@pytest.mark.parametrize("continuous", [True, False], ids=["continuous", "discrete"])
@pytest.mark.parametrize("name", [SPREAD, REFERENCE, SPEAKER])
def test_agents_and_spaces_are_those_of_mpe2(name, continuous):
    env, theirs = make(name, continuous=continuous), host(name, continuous)
    for group in env.groups:
        for agent in group.names:
            assert to_gymnasium(group.observation) == theirs.observation_space(agent)
            space = theirs.action_space(agent)
            assert to_gymnasium(group.action) == space
    assert env.state_shape == theirs.state_space.shape


@pytest.mark.parametrize("name", [SPREAD, REFERENCE, SPEAKER])
def test_a_reset_is_seen_and_spread_as_that_of_mpe2(name):
    """What is seen at a reset follows the same rule, and the places fill the square evenly."""
    env, theirs = make(name), host(name, True)
    theirs.reset(seed=3)
    state = translate(name, theirs.unwrapped)
    fresh, view = jax.vmap(env.reset)(jax.random.split(jax.random.key(1), 4096))
    assert jax.tree.map(lambda leaf: leaf.shape[1:], fresh) == jax.tree.map(jnp.shape, state)
    assert (fresh.velocity == 0).all() and (fresh.time == 0).all()
    for place in (fresh.position, fresh.landmark):
        assert (np.abs(place) <= 1).all()
        np.testing.assert_allclose(place.mean(0), 0.0, atol=0.05)
        np.testing.assert_allclose(place.var(0), 1 / 3, atol=0.03)
    if hasattr(fresh, "goal"):
        shares = np.bincount(np.asarray(fresh.goal).ravel(), minlength=3) / fresh.goal.size
        np.testing.assert_allclose(shares, 1 / 3, atol=0.03)
    assert view.state.shape == (4096, *env.state_shape)


@pytest.mark.parametrize("name", [SPREAD, REFERENCE, SPEAKER])
def test_what_is_seen_at_a_reset_is_what_mpe2_shows(name, monkeypatch):
    env, theirs = make(name), host(name, True)
    seen, _ = theirs.reset(seed=3)
    state = translate(name, theirs.unwrapped)
    places = (np.concatenate((state.position, state.landmark)) + 1) / 2
    unit = np.zeros((len(places) + (name != SPREAD), 2), np.float32)
    unit[: len(places)] = places
    if name != SPREAD:
        unit[-1] = (np.asarray(state.goal) + 0.5) / 3

    def told(key, shape, minval=0.0, maxval=1.0):
        return jnp.asarray(unit.reshape(shape) * (maxval - minval) + minval)

    monkeypatch.setattr(jax.random, "uniform", told)
    start, view = env.reset(jax.random.key(0))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), start, state)
    rows = [row for group in view.observation for row in np.asarray(group)]
    for agent, row in zip(theirs.possible_agents, rows, strict=True):
        np.testing.assert_allclose(row, seen[agent], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(view.state, theirs.state(), rtol=0, atol=TOLERANCE)


def test_agents_at_one_point_stay_finite_and_apart_from_their_actions():
    env = make(SPREAD, agents=3)
    zeros = jnp.zeros((3, 2), jnp.float32)
    state, view, outcome = jax.jit(env.step)(
        jax.random.key(0), SpreadState(zeros, zeros, zeros, jnp.int32(0)), (jnp.zeros((3, 5), jnp.float32),)
    )
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((state, view, outcome)))
    assert (state.velocity == 0).all()


def test_a_step_is_the_same_alone_under_vmap_and_under_two():
    """The rule that puts the copies on the last axis changes where numbers lie, not what they are."""
    env, (state, actions), _, _ = record(SPREAD, {}, True, steps=300, factor=0.3)
    key = jax.random.key(0)
    stepped = jax.jit(jax.vmap(env.step, (None, 0, 0)))(key, state, actions)
    squares = jax.tree.map(lambda leaf: leaf.reshape(12, 25, *leaf.shape[1:]), (state, actions))
    twice = jax.jit(jax.vmap(jax.vmap(env.step, (None, 0, 0)), (None, 0, 0)))(key, *squares)
    _, alone = jax.jit(lambda all: jax.lax.scan(lambda c, x: (c, env.step(key, *x)), 0, all))((state, actions))
    shared = jax.jit(jax.vmap(env.step, (None, None, 0)))(key, jax.tree.map(lambda leaf: leaf[7], state), actions)
    for a, b, c in zip(*(jax.tree.leaves(tree) for tree in (stepped, twice, alone)), strict=True):
        np.testing.assert_allclose(a, b.reshape(a.shape), rtol=0, atol=2e-6)
        np.testing.assert_allclose(a, c, rtol=0, atol=2e-6)
    for a, d in zip(jax.tree.leaves(stepped), jax.tree.leaves(shared), strict=True):
        np.testing.assert_allclose(a[7], d[7], rtol=0, atol=2e-6)
