"""Environments that no one here wrote, held against PettingZoo's own loop over them: equal seeds, equal actions."""

import jax
import numpy as np
import pytest

import hamlet
from hamlet.backends.select import backend_of
from hamlet.envs import from_pettingzoo
from hamlet.envs.factories.place import find
from hamlet.envs.pettingzoo.check import choices
from hamlet.envs.pettingzoo.env_driver import parallel, seed_of
from pieces import same as equal

pytestmark = pytest.mark.filterwarnings("ignore:The old environment creation API")
pytest.importorskip("Box2D", reason="needs the extra pettingzoo")

# Small games and few steps; knights and archers among so many zombies that they fall one by one.
QUICK = {
    "pettingzoo.sisl.multiwalker_v9:parallel_env": ({"n_walkers": 2, "max_cycles": 25}, 30),
    "pettingzoo.sisl.pursuit_v5:parallel_env": ({"n_pursuers": 3, "n_evaders": 4, "max_cycles": 20}, 25),
    "pettingzoo.butterfly.knights_archers_zombies_v11:parallel_env": ({"spawn_delay": 2, "max_zombies": 60}, 160),
    "pettingzoo.classic.connect_four_v3:env": ({}, 60),
    "pettingzoo.classic.tictactoe_v3:env": ({}, 30),
    "mpe2.simple_world_comm_v3:parallel_env": ({"max_cycles": 10}, 25),
    "mpe2.simple_tag_v3:env": ({"continuous_actions": True, "max_cycles": 10}, 25),
}
LONG = {
    "pettingzoo.sisl.pursuit_v5:parallel_env": ({}, 600),
    "pettingzoo.sisl.multiwalker_v9:parallel_env": ({}, 600),
    "pettingzoo.butterfly.cooperative_pong_v6:parallel_env": ({"state": "observations"}, 200),
    "pettingzoo.butterfly.pistonball_v6:parallel_env": ({"n_pistons": 4}, 150),
}


def compare(place, options, steps, processes=2, seed=3):
    """Play two copies, and each of them by hand; how often agents left before the others."""
    env = from_pettingzoo(place, processes=processes, copies=2, **options)
    options = {name: value for name, value in options.items() if name != "state"}
    own = [parallel(find(place)(**options)) for _ in range(2)]
    rng, episode, alone = np.random.default_rng(seed), [0, 0], 0
    copies = env.open(seed, range(2))
    try:
        view = copies.begin(np.zeros(2, int))
        for e in range(2):
            same(env, view, e, *own[e].reset(seed=seed_of(seed, e, 0)))
        for _ in range(steps):
            actions = choices(env, view.available, rng, 2)
            copies.send(actions)
            step = copies.receive()
            for e in range(2):
                sent = {name: action for name, action in by_name(env, actions, e).items() if name in own[e].agents}
                seen, rewards, ends, cuts, infos = own[e].step(
                    {name: spoken(own[e].action_space(name), action) for name, action in sent.items()}
                )
                same(env, step.arrival, e, seen, infos)
                got = by_name(env, step.outcome.reward, e)
                assert got == {name: np.float32(rewards[name] if name in sent else 0.0) for name in got}
                left = {name for name in sent if ends[name] or cuts[name]}
                over = left == set(sent)
                alone += 0 if over else len(left)
                assert step.outcome.terminated[e] == (over and all(ends[name] for name in left))
                assert step.outcome.truncated[e] == (over and not all(ends[name] for name in left))
                if over:
                    episode[e] += 1
                    same(env, step.view, e, *own[e].reset(seed=seed_of(seed, e, episode[e])))
            view = step.view
        assert copies.failures() == ()
    finally:
        copies.close()
        for one in own:
            one.close()
    return alone, sum(episode)


def by_name(env, values, e):
    """Of groups of arrays, or of one for all agents, what each agent of a copy has."""
    names = [group.names for group in env.groups]
    if isinstance(values, tuple):
        return {name: value[e, k] for row, value in zip(names, values, strict=True) for k, name in enumerate(row)}
    return dict(zip([name for row in names for name in row], values[e], strict=True))


def spoken(space, action):
    return int(action) + int(space.start) if type(space).__name__ == "Discrete" else action.astype(space.dtype)


def same(env, view, e, observations, infos):
    seen = by_name(env, view.observation, e)
    for name, value in observations.items():
        value = value["observation"] if isinstance(value, dict) else value
        assert np.array_equal(seen[name], np.asarray(value).astype(seen[name].dtype))


@pytest.mark.parametrize("place", QUICK)
def test_a_batch_is_what_pettingzoo_gives_one_by_one(place):
    options, steps = QUICK[place]
    alone, episodes = compare(place, options, steps, processes=1)
    assert episodes >= 2
    if "zombies" in place:
        assert alone >= 2  # agents fell while others fought on


@pytest.mark.slow
@pytest.mark.parametrize("place", LONG)
def test_a_long_batch_is_what_pettingzoo_gives_one_by_one(place):
    assert compare(place, *LONG[place])[1] >= 2


def networks(learner):
    return (*learner.team.actors, *learner.critic.networks)


def trained(place, options, steps, out, algorithm):
    """A run with small networks: every step is made, and from them every network learns."""
    make = getattr(hamlet.algorithms, algorithm)
    small = make(num_envs=4, rollout_length=10, hidden=(16,), epochs=1, critic_epochs=1)
    env = from_pettingzoo(place, copies=4, **options)
    run = hamlet.train(small, env, steps=steps, out=out, quiet=True, evaluate_episodes=0)
    after, before = run.training(), backend_of(env).begin(small)(0)
    assert int(after.iteration) == steps // 40
    # Networks alone: an optimiser counts its steps also where nothing is learnt.
    for old, new in zip(networks(before.learner), networks(after.learner), strict=True):
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(new)) and not equal(old, new)
    return run


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "algorithm"),
    [
        ("pettingzoo.classic.tictactoe_v3:env", "ippo"),
        pytest.param("pettingzoo.sisl.multiwalker_v9:parallel_env", "happo", marks=pytest.mark.slow),
    ],
)
def test_they_are_trained_on(place, algorithm, tmp_path):
    trained(place, QUICK[place][0], 80, tmp_path / "run", algorithm)


@pytest.mark.slow
@pytest.mark.parametrize("place", QUICK)
def test_they_are_trained_on_for_a_minute(place, tmp_path):
    run = trained(place, QUICK[place][0], 2_000, tmp_path / "run", "ippo" if "classic" in place else "happo")
    assert np.isfinite(run.evaluate(episodes=4).returns).all()


@pytest.mark.slow
@pytest.mark.parametrize("place", ["pong_v6", "pistonball_v6"])
def test_so_are_those_of_large_pictures_for_a_few_steps(place, tmp_path):
    place = next(name for name in LONG if place in name)
    trained(place, LONG[place][0], 80, tmp_path / "run", "happo")


def test_the_state_of_mpe2_is_its_observations_joined_so_that_they_need_not_be_computed_twice():
    pytest.importorskip("mpe2")
    seen = {}
    for state in ("own", "observations"):
        env = from_pettingzoo("mpe2.simple_spread_v3:parallel_env", state=state, continuous_actions=True, max_cycles=3)
        copies = env.open(0, range(2))
        try:
            views = [copies.begin(np.zeros(2, np.int64))]
            for _ in range(4):
                copies.send((np.full((2, 3, 5), 0.3, np.float32),))
                views.append(copies.receive().view)
        finally:
            copies.close()
        seen[state] = np.stack([view.state for view in views])
    np.testing.assert_array_equal(seen["own"], seen["observations"])
