"""Multi-agent MuJoCo, held step by step against gymnasium-robotics on the same MuJoCo."""

import numpy as np
import pytest

from hamlet.envs import make, mamujoco
from hamlet.envs.mamujoco.layout import original
from hamlet.envs.player import seed_of

# Of each kind one: no falls and one group; forces on bodies; unlike agents, and a factorisation that the package lacks.
FEW = ("mamujoco/HalfCheetah-2x3", "mamujoco/Ant-4x2", "mamujoco/Humanoid-17x1")
MORE = ("mamujoco/ManySegmentAnt-1x2", "mamujoco/ManySegmentAnt-4x2", "mamujoco/ManySegmentSwimmer-6x1")


def drawn(env, random, copies):
    """Actions of every agent, some of them out of bounds."""
    return tuple(
        (
            1.2 * random.uniform(group.action.low, group.action.high, (copies, len(group.names), *group.action.shape))
        ).astype(np.float32)
        for group in env.groups
    )


def by_name(env, actions, copy):
    """The same actions, clipped, as gymnasium-robotics takes them."""
    return {
        name: np.clip(given[copy, place], *group.action.bounds)
        for group, given in zip(env.groups, actions, strict=True)
        for place, name in enumerate(group.names)
    }


def assert_seen(env, view, copy, observations, state):
    """Every agent sees what it sees there, number for number as float32."""
    for group, seen in zip(env.groups, view.observation, strict=True):
        for place, name in enumerate(group.names):
            assert seen.dtype == np.float32
            np.testing.assert_array_equal(seen[copy, place], np.float32(observations[name]))
    np.testing.assert_array_equal(view.state[copy], np.float32(state))


def play(env, steps, copies=2, **options):
    """Play the copies and as many environments of the package side by side; episodes ended, and falls among them."""
    theirs = [original(env.scenario, env.partition, env.obsk, **options) for _ in range(copies)]
    ours = env.open(5, range(3, 3 + copies))
    random = np.random.default_rng(0)
    episode = np.array([7] * copies, np.int32)
    view = ours.begin(episode)
    ended = fell = 0
    for copy, one in enumerate(theirs):
        observations, _ = one.reset(seed=seed_of(5, 3 + copy, 7))
        assert_seen(env, view, copy, observations, one.state())
    for _ in range(steps):
        actions = drawn(env, random, copies)
        ours.send(actions)
        arrival, outcome, view = ours.receive()
        for copy, one in enumerate(theirs):
            observations, reward, terminated, truncated, _ = one.step(by_name(env, actions, copy))
            assert_seen(env, arrival, copy, observations, one.state())
            np.testing.assert_allclose(outcome.reward[copy], list(reward.values()), rtol=1e-6, atol=1e-6)
            assert (outcome.terminated[copy], outcome.truncated[copy]) == (terminated["agent_0"], truncated["agent_0"])
            if outcome.terminated[copy] or outcome.truncated[copy]:
                ended, fell = ended + 1, fell + outcome.terminated[copy]
                episode[copy] += 1
                observations, _ = one.reset(seed=seed_of(5, 3 + copy, int(episode[copy])))
            assert_seen(env, view, copy, observations, one.state())
    assert ours.failures() == ()
    ours.close()
    return ended, fell


@pytest.mark.parametrize("name", FEW)
def test_whole_episodes_are_those_of_the_package(name):
    ended, _ = play(make(name, max_steps=40), 90, max_episode_steps=40)
    assert ended >= 4


@pytest.mark.slow
@pytest.mark.parametrize("name", [*mamujoco.NAMES, *MORE])
def test_over_a_thousand_steps_every_task_is_that_of_the_package(name):
    play(make(name), 1_100, copies=1)
