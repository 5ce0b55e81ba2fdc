"""Multi-agent MuJoCo, held step by step against gymnasium-robotics on the same MuJoCo."""

import dataclasses
import importlib
import inspect
import re
import subprocess
import sys

import jax
import numpy as np
import pytest

from hamlet.envs import make, mamujoco
from hamlet.envs.mamujoco import layout
from hamlet.envs.mamujoco.layout import layout_of, original
from hamlet.envs.mamujoco.rules import Moved, Runner
from hamlet.envs.mamujoco.scenarios import SCENARIOS
from hamlet.envs.pettingzoo.env_driver import seed_of
from hamlet.errors import RequestError, RunError
from hamlet.runs import configuration
from hamlet.spaces import Box

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
        arrival, outcome, view, _ = ours.receive()
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


def follow(env, steps):
    """Put the package's full state into ours before every step that it takes by itself."""
    import mujoco

    one, ours, random = original(env.scenario, env.partition, env.obsk), env.open(0, range(1)), np.random.default_rng(2)
    found = layout_of(env.scenario, env.partition, env.obsk)
    body = one.single_agent_env.unwrapped
    one.reset(seed=1)
    for _ in range(steps):
        snapshot = {key: array.copy() for key, array in env.blank(1).items()}
        mujoco.mj_getState(body.model, body.data, snapshot["physics"][0], mujoco.mjtState.mjSTATE_INTEGRATION)
        snapshot["row"][0] = np.concatenate([layout.QUANTITIES[name](body.data) for name in found.quantities])
        ours.restore(snapshot)
        actions = drawn(env, random, 1)
        ours.send(actions)
        arrival, outcome, *_ = ours.receive()
        observations, reward, terminated, truncated, _ = one.step(by_name(env, actions, 0))
        assert_seen(env, arrival, 0, observations, one.state())
        np.testing.assert_allclose(outcome.reward[0], list(reward.values()), rtol=1e-6, atol=1e-6)
        assert outcome.terminated[0] == terminated["agent_0"]
        if terminated["agent_0"] or truncated["agent_0"]:
            one.reset()
    ours.close()


@pytest.mark.parametrize("name", FEW)
def test_from_the_same_full_state_one_step_is_that_of_the_package(name):
    follow(make(name), 60)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*mamujoco.NAMES, *MORE])
def test_from_a_thousand_states_of_every_task_one_step_is_that_of_the_package(name):
    follow(make(name), 1_000)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*mamujoco.NAMES, *MORE])
def test_over_a_thousand_steps_every_task_is_that_of_the_package(name):
    play(make(name), 1_100, copies=1)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        (
            "mamujoco/Ant-2x4d",
            {"obsk": 2, "terminate_when_unhealthy": False, "ctrl_cost_weight": 0.1, "contact_cost_weight": 0.01},
        ),
        ("mamujoco/Hopper-3x1", {"obsk": 0, "healthy_reward": 3.0, "healthy_angle_range": (-0.1, 0.1)}),
        ("mamujoco/Walker2d-3x2", {"forward_reward_weight": 2.0, "reset_noise_scale": 0.05}),
        ("mamujoco/HumanoidStandup-9|8", {"impact_cost_weight": 1e-3, "impact_cost_range": (-1.0, 4.0)}),
        ("mamujoco/ManySegmentSwimmer-3x2", {"ctrl_cost_weight": 0.5}),
    ],
)
def test_options_mean_what_they_mean_there(name, ours):
    options = {key: value for key, value in ours.items() if key != "obsk"}
    play(make(name, max_steps=25, **ours), 40, max_episode_steps=25, **options)


def test_falls_end_an_episode_when_the_package_says_so():
    _, fell = play(make("mamujoco/Hopper-3x1"), 150, copies=1)
    assert fell >= 2


@pytest.mark.parametrize("name", ["Ant-4x2", "HalfCheetah-2x3", "Hopper-3x1", "Humanoid-9|8", "HumanoidStandup-9|8"])
def test_rules_judge_as_gymnasium_does_also_where_play_seldom_comes(name):
    scenario, partition = name.split("-")
    body = original(scenario, partition, 1).single_agent_env.unwrapped
    random, rules = np.random.default_rng(0), SCENARIOS[scenario].rules
    bounds = np.array([0.2, 0.7, 1.0, 2.0])  # of heights, to stand on exactly
    healthy = []
    for turn in range(400):
        body.data.qpos[:] = random.normal(scale=0.2, size=body.model.nq)
        body.data.qpos[1:3] = random.choice([*bounds, *random.uniform(0.0, 2.2, 4)], 2)
        body.data.qpos[2] = random.choice([body.data.qpos[2], -0.2, 0.1, 0.2])
        body.data.qvel[:] = random.choice([1.0, 40.0]) * random.normal(size=body.model.nv)
        body.data.cfrc_ext[:] = random.choice([0.1, 1000.0, 1e5]) * random.normal(size=body.data.cfrc_ext.shape)
        action, speed = random.uniform(-0.4, 0.4, body.model.nu), random.normal()
        body.data.ctrl[:] = action
        quantities = {key: read(body.data)[None] for key, read in layout.QUANTITIES.items()}
        verdict = rules.judge(Moved(np.array([speed]), action[None], quantities, body.model.opt.timestep))
        first = body.data.qpos[2] if scenario == "HumanoidStandup" else speed
        np.testing.assert_allclose(verdict.reward[0], body._get_rew(first, action)[0], rtol=1e-9, err_msg=str(turn))
        healthy.append(verdict.healthy[0])
        assert verdict.healthy[0] == getattr(body, "is_healthy", True)
    assert hasattr(body, "is_healthy") == (0 < sum(healthy) < len(healthy))


def test_defaults_are_those_of_gymnasium():
    import gymnasium

    for name, scenario in SCENARIOS.items():
        entry = gymnasium.spec(scenario.gymnasium).entry_point
        module, _, kind = entry.partition(":")
        defaults = inspect.signature(getattr(importlib.import_module(module), kind).__init__).parameters
        for option, value in dataclasses.asdict(scenario.rules).items():
            assert value == defaults[option].default, (name, option)
        assert gymnasium.spec(scenario.gymnasium).max_episode_steps == 1000


def rollout(env, steps, numbers, halves=1, seed=3):
    """Every array that some copies hand out over some steps, as one list; the copies opened in some parts."""
    size = len(numbers) // halves
    parts = [numbers[start : start + size] for start in range(0, len(numbers), size)]
    copies = [env.open(seed, part) for part in parts]
    random = np.random.default_rng(1)
    seen = [[one.begin(np.zeros(size, np.int32))] for one in copies]
    for _ in range(steps):
        actions = drawn(env, random, len(numbers))
        for place, one in enumerate(copies):
            one.send(tuple(array[place * size : (place + 1) * size] for array in actions))
        for one, views in zip(copies, seen, strict=True):
            views.append(one.receive())
    for one in copies:
        one.close()
        one.close()
    return [np.concatenate(arrays) for arrays in zip(*(jax.tree.leaves(views) for views in seen), strict=True)]


def assert_same(one, other):
    assert len(one) == len(other) > 0
    for left, right in zip(one, other, strict=True):
        assert left.dtype == right.dtype
        np.testing.assert_array_equal(left, right)


def test_threads_and_halves_change_no_bit():
    first = rollout(make("mamujoco/Ant-4x2", threads=1, max_steps=15), 30, range(4))
    for threads, halves in ((2, 1), (3, 1), (2, 2)):
        assert_same(first, rollout(make("mamujoco/Ant-4x2", threads=threads, max_steps=15), 30, range(4), halves))


def test_an_episode_depends_on_the_seed_the_number_and_the_episode_alone():
    env = make("mamujoco/HalfCheetah-2x3")
    one, other, third = env.open(1, range(4)), env.open(1, range(2, 4)), env.open(2, range(2, 4))
    whole = one.begin(np.array([0, 0, 5, 6], np.int32)).state
    np.testing.assert_array_equal(whole[2:], other.begin(np.array([5, 6], np.int32)).state)
    assert (whole[2:] != third.begin(np.array([5, 6], np.int32)).state).any(1).all()
    assert len(np.unique(np.concatenate([whole, one.begin(np.arange(1, 5, dtype=np.int32)).state]), axis=0)) == 8


@pytest.mark.parametrize("name", ["mamujoco/HalfCheetah-2x3", "mamujoco/Humanoid-17x1"])
def test_a_restored_snapshot_goes_on_bit_for_bit(name):
    env = make(name, max_steps=20)
    one, other = env.open(0, range(3)), env.open(0, range(3))
    random = np.random.default_rng(0)
    one.begin(np.array([4, 0, 9], np.int32))
    for _ in range(13):
        one.send(drawn(env, random, 3))
        before = one.receive().view
    snapshot = one.snapshot()
    blank = env.blank(3)
    assert {key: (value.shape, value.dtype) for key, value in blank.items()} == {
        key: (value.shape, value.dtype) for key, value in snapshot.items()
    }
    np.testing.assert_array_equal(snapshot["episode"], [4, 0, 9])
    assert_same(jax.tree.leaves(other.restore(snapshot)), jax.tree.leaves(before))
    for _ in range(12):
        actions = drawn(env, random, 3)
        one.send(actions)
        other.send(actions)
        assert_same(jax.tree.leaves(one.receive()), jax.tree.leaves(other.receive()))
    np.testing.assert_array_equal(other.snapshot()["episode"], [5, 1, 10])


def test_what_is_handed_out_stays_as_it_was():
    env = make("mamujoco/HalfCheetah-2x3", max_steps=2)
    copies, random = env.open(0, range(2)), np.random.default_rng(0)
    view = copies.begin(np.zeros(2, np.int32))
    kept = [array.copy() for array in jax.tree.leaves(view)]
    for _ in range(3):
        copies.send(drawn(env, random, 2))
        step = copies.receive()
        assert_same(jax.tree.leaves(view), kept)
        view, kept = step, [array.copy() for array in jax.tree.leaves(step)]


def test_a_simulation_that_mujoco_sets_back_has_failed_and_begins_its_next_episode(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)  # MuJoCo writes a log file there
    env = make("mamujoco/HalfCheetah-2x3")
    copies, random = env.open(0, range(2)), np.random.default_rng(0)
    copies.begin(np.zeros(2, np.int32))
    copies.send(drawn(env, random, 2))
    copies.receive()
    snapshot = dict(copies.snapshot())
    model = layout_of("HalfCheetah", "2x3", 1).model
    snapshot["physics"][1, 1 + model.nq] = 1e12  # the first velocity, after the time and the positions
    before = copies.restore(snapshot)
    copies.send(drawn(env, random, 2))
    arrival, outcome, view, _ = copies.receive()
    assert outcome.failed.tolist() == outcome.truncated.tolist() == [False, True] and not outcome.terminated.any()
    assert np.isfinite(outcome.reward).all() and outcome.reward[0].all() and not outcome.reward[1].any()
    assert (arrival.state[1] == before.state[1]).all() and (arrival.state[0] != before.state[0]).any()
    assert copies.snapshot()["episode"].tolist() == [0, 1] and np.abs(view.state).max() < 100
    copies.send(drawn(env, random, 2))
    assert copies.receive().outcome.failed is None
    (line,) = copies.failures()
    assert line.startswith(f"mamujoco/HalfCheetah-2x3, copy 1, episode 0 (seed {seed_of(0, 1, 0)}), step 2: the simul")
    assert copies.failures() == ()


def test_what_is_no_number_stops_the_run_by_name(monkeypatch):
    env = make("mamujoco/HalfCheetah-6x1")
    copies, random = env.open(0, range(3, 5)), np.random.default_rng(0)
    copies.begin(np.zeros(2, np.int32))
    actions = drawn(env, random, 2)
    actions[1][1, 0, 0] = np.nan
    copies.send(actions)
    with pytest.raises(RunError, match=r"6x1, copy 4, episode 0 \(seed \d+\), step 1: the action of agent_2 is nan"):
        copies.receive()
    copies.begin(np.zeros(2, np.int32))
    copies.send(drawn(env, random, 2))
    copies._physics.wait()
    copies._physics.rows[0, 11] = np.inf
    monkeypatch.setattr(copies._physics, "wait", lambda: None)
    with pytest.raises(RunError, match=r"copy 3, episode 0 \(seed \d+\), step 1: qvel\[2\] of the simulation is inf"):
        copies.receive()


def test_partitions_that_the_package_lacks_are_those_of_the_papers():
    def dealt(scenario, partition):
        """Every agent's actuators, agents in their own order."""
        found = layout_of(scenario, partition, 1)
        pairs = [
            (int(name.removeprefix("agent_")), actuators.tolist())
            for names, group in zip(found.names, found.actuator, strict=True)
            for name, actuators in zip(names, group, strict=True)
        ]
        return [actuators for _, actuators in sorted(pairs)]

    assert dealt("HalfCheetah", "3x2") == [[2, 1], [0, 5], [4, 3]]
    assert dealt("Walker2d", "3x2") == [[2, 1], [0, 5], [4, 3]]
    assert dealt("Walker2d", "6x1") == [[2], [1], [0], [5], [4], [3]]
    assert dealt("Ant", "8x1") == [[2], [3], [4], [5], [6], [7], [0], [1]]
    assert sorted(dealt("Humanoid", "17x1")) == [[actuator] for actuator in range(17)]


def test_agents_of_equal_widths_form_a_group():
    groups = make("mamujoco/HalfCheetah-6x1").groups
    assert [group.names for group in groups] == [
        ("agent_0", "agent_1", "agent_3", "agent_4"),
        ("agent_2", "agent_5"),
    ]
    assert [group.observation.shape for group in groups] == [(9,), (8,)]
    assert make("mamujoco/Humanoid-17x1").groups[0].action == Box(*(float(np.float32(x)) for x in (-0.4, 0.4)), (1,))


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("mamujoco/Ant-3x3", {}, "no environment 'mamujoco/Ant-3x3'; the nearest is 'mamujoco/Ant-"),
        (
            "mamujoco/ManySegmentAnt-2",
            {},
            "ManySegmentAnt needs a partition NxM, N agents with M segments each, got '2'",
        ),
        ("mamujoco/ManySegmentSwimmer-1x1", {}, "has one segment, but needs at least two, as in 2x1"),
        ("mamujoco/ManySegmentSnake-1x1", {}, "no environment 'mamujoco/ManySegmentSnake-1x1'"),
        ("mamujoco/Ant-4x2", {"obsk": -1}, "obsk must be at least 0, got -1"),
        ("mamujoco/Ant-4x2", {"threads": -1}, "threads must be at least 0, got -1"),
        ("mamujoco/Ant-4x2", {"max_steps": 0}, "max_steps must be at least 1, got 0"),
        ("mamujoco/Ant-4x2", {"healthy_z_range": (0.2, float("nan"))}, "healthy_z_range must be a number"),
        ("mamujoco/HalfCheetah-2x3", {"healthy_reward": 1.0}, "HalfCheetah-2x3 has no option 'healthy_reward'"),
    ],
)
def test_what_is_no_task_is_refused_in_one_line(name, options, message):
    with pytest.raises(RequestError, match=re.escape(message)):
        make(name, **options)


def test_without_the_package_one_line_says_what_brings_it(monkeypatch):
    for module in ("gymnasium_robotics", "gymnasium_robotics.envs.multiagent_mujoco.obsk"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(RequestError, match=r"mamujoco/Swimmer-2x1 needs .*\[mamujoco\]"):
        _ = make("mamujoco/Swimmer-2x1", obsk=7).groups


def test_nothing_of_mujoco_is_imported_for_a_name():
    script = "import sys; from hamlet.envs import make; make('mamujoco/Ant-4x2'); print('mujoco' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout.strip() == "False"


def test_a_task_is_written_into_a_configuration_and_read_back():
    env = make("mamujoco/Hopper-3x1", healthy_reward=2.0, threads=2)
    assert configuration.decode(configuration.encode(env)) == env and hash(env) == hash(env)
    with pytest.raises(RequestError, match="rules of Hopper must be a Hopper, got Runner"):
        mamujoco.MultiAgentMujoco("Hopper", "3x1", Runner())


def test_every_agent_of_an_unread_observation_is_refused():
    data = original("HalfCheetah", "2x3", 1).single_agent_env.unwrapped.data
    with pytest.raises(RequestError, match="builds observations in a way that Hamlet does not know"):
        layout._traced(lambda fake: np.sin(fake.qpos), data)
