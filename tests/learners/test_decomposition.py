"""The template of decomposed values: its targets, who has part in its loss, and when its networks move."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet import algorithms, envs
from hamlet.backends.jax_backend import begin_training, iterate
from hamlet.buffers.episodes import Windows
from hamlet.envs.base import View
from hamlet.errors import RequestError
from hamlet.learners import decomposition
from hamlet.networks.exploration import EpsilonGreedy, Schedule
from hamlet.networks.recurrence import episodes
from hamlet.networks.torso import NetworkConfig
from hamlet.networks.utility import Utilities
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete
from hamlet.training.check import check
from pieces import same

SIGHT = Box(-1.0, 1.0, (2,))
ROSTER = Roster((Group(("a", "b"), SIGHT, Discrete(2)),))
# A linear value of what is seen: an agent's observation is its values.
PLAIN = {"hidden": (), "rnn_size": 0, "batch_size": 1, "episode_length": 2, "discount": 0.5, "max_gradient_norm": 0.0}


def learner(name="vdn", live=1.0, slow=1.0, **settings):
    """Agents that value every choice at ``live`` times what they see of it, their targets at ``slow`` times that."""
    algorithm = algorithms.make(name, **(PLAIN | settings))
    made = decomposition.init(algorithm, ROSTER, (2,), jax.random.key(0))

    def scaled(actor, scale):
        heads = jnp.broadcast_to(scale * jnp.eye(2)[None], (2, 2, 2))
        return eqx.tree_at(lambda a: (a.head.weight, a.head.bias), actor, (heads, jnp.zeros((2, 2))))

    actors, targets = ((scaled(made.team.actors[0], scale),) for scale in (live, slow))
    return algorithm, eqx.tree_at(lambda t: (t.team.actors, t.targets), made, (actors, targets))


def window(seen, reward, *, terminated=(False, False), present=(True, True), action=((0, 0), (0, 0)), **view):
    """One episode of two steps; ``seen`` is ``[3, 2, 2]``: step, agent, choice."""
    seen = jnp.asarray(seen, jnp.float32)[:, None]
    available, alive = view.get("available"), view.get("alive")
    return Windows(
        View(
            (seen,),
            jnp.zeros((3, 1, 2)),
            (None if available is None else jnp.asarray(available)[:, None],),
            None if alive is None else jnp.asarray(alive)[:, None],
        ),
        (jnp.asarray(action, jnp.int32)[:, None],),
        jnp.asarray(reward, jnp.float32)[:, None],
        jnp.asarray(terminated)[:, None],
        jnp.asarray(present)[:, None],
        jnp.asarray([False, True])[:, None],
    )


SEEN = [[[0, 0], [0, 0]], [[1, 3], [5, 2]], [[4, 2], [6, 8]]]
REWARD = [[1, 2], [10, 20]]


def target(algorithm, made, sample):
    values = decomposition.evaluated(ROSTER, made.team.actors, sample)
    return np.asarray(decomposition.target(algorithm, ROSTER, made, sample, values, sample.view.state))[:, 0]


def test_the_live_values_choose_and_the_slow_ones_judge():
    # Live: choices 1 and 0 after the first step, 0 and 1 after the second. Slow values are −1 times those.
    algorithm, made = learner(live=1.0, slow=-1.0)
    expected = [[3 + 0.5 * -(3 + 5)], [30 + 0.5 * -(4 + 8)]]
    np.testing.assert_allclose(target(algorithm, made, window(SEEN, REWARD)), expected)


def test_nothing_follows_a_terminated_step_and_a_truncated_one_goes_on_from_its_final_view():
    algorithm, made = learner()
    sample = window(SEEN, REWARD, terminated=(False, True))
    np.testing.assert_allclose(target(algorithm, made, sample), [[3 + 0.5 * 8], [30]])


def test_what_is_not_available_is_not_chosen():
    able = np.ones((3, 2, 2), bool)
    able[1, 0, 1] = able[2, 1, 1] = False
    algorithm, made = learner()
    found = target(algorithm, made, window(SEEN, REWARD, available=able))
    np.testing.assert_allclose(found, [[3 + 0.5 * (1 + 5)], [30 + 0.5 * (4 + 6)]])


def test_absent_agents_count_nothing_in_what_follows():
    alive = [[True, True], [True, True], [True, False]]
    algorithm, made = learner()
    np.testing.assert_allclose(
        target(algorithm, made, window(SEEN, REWARD, alive=alive)), [[3 + 0.5 * 8], [30 + 0.5 * 4]]
    )


def test_independent_learners_have_their_own_rewards_and_their_own_ends():
    alive = [[True, True], [True, True], [True, False]]
    algorithm, made = learner("iql")
    found = target(algorithm, made, window(SEEN, REWARD, alive=alive))
    np.testing.assert_allclose(found, [[1 + 0.5 * 3, 2 + 0.5 * 5], [10 + 0.5 * 4, 20]])


def test_nothing_that_comes_after_its_end_reaches_an_independent_learner_by_returns_of_many_steps():
    alive = [[True, True], [True, False], [True, False]]
    algorithm, made = learner("iql", td_lambda=1.0)
    found = target(algorithm, made, window(SEEN, REWARD, alive=alive))
    np.testing.assert_allclose(found[0], [1 + 0.5 * (10 + 0.5 * 4), 2])


def test_returns_of_many_steps_mix_what_follows_in_the_live_order():
    algorithm, made = learner(td_lambda=0.25)
    second = 30 + 0.5 * 12
    expected = [[3 + 0.5 * (0.75 * 8 + 0.25 * second)], [second]]
    np.testing.assert_allclose(target(algorithm, made, window(SEEN, REWARD)), expected)
    # λ = 1: nothing but rewards, and what follows the last step.
    algorithm, made = learner(td_lambda=1.0)
    np.testing.assert_allclose(target(algorithm, made, window(SEEN, REWARD))[0], [3 + 0.5 * second])


@pytest.mark.parametrize("name", ["iql", "qmix"])
def test_padding_has_no_part_in_an_update(name):
    algorithm, made = learner(name)
    other = [SEEN[0], SEEN[1], [[90, -90], [70, 7]]]
    padded = {"present": (True, False), "terminated": (True, False)}
    step = jax.jit(lambda made, sample: decomposition.update(algorithm, ROSTER, made, sample))
    one = step(made, window(SEEN, REWARD, **padded))
    two = step(made, window(other, [[1, 2], [-70, 50]], **padded, action=((0, 0), (1, 1))))
    assert same(one, two) and not same(one[0].team.actors, made.team.actors)


@pytest.mark.slow
def test_the_error_is_the_mean_over_steps_and_moves_every_agent():
    algorithm, made = learner()
    after, (agents, info) = decomposition.update(algorithm, ROSTER, made, window(SEEN, REWARD))
    errors = [0 - (3 + 0.5 * 8), 6 - (30 + 0.5 * 12)]  # Q of choices 0 and 0: nothing, then 1 + 5
    np.testing.assert_allclose(info["loss"], [np.mean(np.square(errors))], rtol=1e-6)
    np.testing.assert_allclose(info["value"], [3.0])
    np.testing.assert_allclose(agents["value"], [0.5, 2.5])
    np.testing.assert_allclose(agents["exploration"], [1.0, 1.0])
    assert (np.asarray(agents["gradient_norm"]) > 0).all() and int(after.updates) == 1


def test_targets_are_copied_after_so_many_episodes_or_follow_slowly():
    algorithm, made = learner(target_interval=200)
    sample = window(SEEN, REWARD)
    step = jax.jit(lambda made: decomposition.update(algorithm, ROSTER, made, sample)[0])
    counted = lambda made, count: eqx.tree_at(lambda t: t.index.count, made, jnp.int32(count))  # noqa: E731
    still = step(counted(made, 199))
    assert same(still.targets, made.targets) and int(still.renewed) == 0
    copied = step(counted(made, 200))
    assert same(copied.targets, copied.team.actors) and int(copied.renewed) == 200
    assert same(step(counted(copied, 399)).targets, copied.targets)
    algorithm, made = learner(target_interval=0, polyak=0.1)
    after = decomposition.update(algorithm, ROSTER, made, sample)[0]
    expected = 0.9 * made.targets[0].head.weight + 0.1 * after.team.actors[0].head.weight
    np.testing.assert_allclose(after.targets[0].head.weight, expected, rtol=1e-6)


def test_exploration_falls_with_the_steps_that_were_played_and_no_further():
    env = envs.make("matrix/climbing")
    algorithm = algorithms.make(
        "vdn",
        **PLAIN | {"episode_length": 1, "buffer_size": 8},
        exploration_steps=64,
        exploration_end=0.5,
        num_envs=4,
        rollout_length=4,
    )
    training = begin_training(algorithm, env, 0)
    step, rates = jax.jit(lambda training: iterate(algorithm, env, training)[0]), []
    for _ in range(6):
        rates.append(float(training.learner.team.actors[0].exploration.value[0]))
        training = step(training)
    np.testing.assert_allclose(rates, [1.0, 0.875, 0.75, 0.625, 0.5, 0.5])


def test_even_play_draws_what_is_available_alike_and_still_has_a_best_choice():
    able = jnp.asarray([[True, False, True, True]] * 4000)
    policy = EpsilonGreedy(jnp.tile(jnp.asarray([[0.0, 9.0, 2.0, 1.0]]), (4000, 1)), able, jnp.ones(4000))
    drawn = np.asarray(policy.sample(jax.random.gumbel(jax.random.key(0), (4000, 4))))
    counts = np.bincount(drawn, minlength=4)
    assert counts[1] == 0 and (np.abs(counts[[0, 2, 3]] - 4000 / 3) < 120).all()
    assert (policy.mode() == 2).all()


def test_memories_of_whole_episodes_are_those_of_step_by_step_and_so_are_their_gradients():
    body = NetworkConfig(hidden=(6,), memory=5, plain=True)
    actor = Utilities().create(jax.random.key(0), SIGHT, Discrete(3), body)
    seen = jax.random.normal(jax.random.key(1), (7, 4, 2))
    start = jnp.zeros((4, 7), bool).at[:, 0].set(True)

    def whole(actor):
        return actor.values(seen)[0]

    def stepwise(actor):  # the torso of all other algorithms
        features, _ = actor.torso(seen.swapaxes(0, 1), jnp.ones((4, 5)), start)
        return actor.head(features).swapaxes(0, 1)

    def acting(actor):
        return actor(seen.swapaxes(0, 1), jnp.ones((4, 5)), start)[0].values.swapaxes(0, 1)

    weight = jax.random.normal(jax.random.key(2), (7, 4, 3))
    one, *others = (
        jax.jit(jax.value_and_grad(lambda a, f=f: (weight * f(a) ** 2).sum()))(actor) for f in (stepwise, whole, acting)
    )
    for other in others:
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5), one, other)
    assert actor.torso.cell is not None and episodes(actor.torso.cell, jnp.zeros((3, 2, 6))).shape == (3, 2, 5)


@pytest.mark.parametrize("name", ["iql", "qmix"])
def test_what_a_dead_agent_sees_and_is_said_to_do_changes_no_update(name):
    alive = [[True, True], [True, False], [True, False]]
    algorithm, made = learner(name)
    step = jax.jit(lambda made, sample: decomposition.update(algorithm, ROSTER, made, sample))
    one = step(made, window(SEEN, REWARD, alive=alive))
    other = [SEEN[0], [SEEN[1][0], [80, -9]], [SEEN[2][0], [-7, 77]]]
    two = step(made, window(other, REWARD, alive=alive, action=((0, 0), (0, 1))))
    assert same(one, two) and not same(one[0].team.actors, made.team.actors)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"learning_rate": -1.0}, "--learning-rate must not be negative: -1.0"),
        ({"max_gradient_norm": -1.0}, "--max-gradient-norm must not be negative: -1.0"),
        ({"discount": 1.5}, r"--discount must lie in \[0, 1\], not at 1.5"),
        ({"td_lambda": 1.5}, r"--td-lambda must lie in \[0, 1\], not at 1.5"),
        ({"polyak": 0.0}, r"--polyak must lie in \(0, 1\], not at 0.0"),
        ({"target_interval": -1}, "--target-interval must not be negative: -1"),
        ({"exploration_start": 1.5}, r"--exploration-start must be in \[0, 1\], got 1.5"),
        ({"exploration_end": -0.1}, r"--exploration-end must be in \[0, 1\], got -0.1"),
        ({"exploration_steps": -1}, "--exploration-steps must not be negative: -1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, said):
    with pytest.raises(RequestError, match=said):
        algorithms.make("iql", **settings)


def test_actions_that_are_no_choices_are_refused_with_what_takes_them():
    with pytest.raises(RequestError, match=r"acts in a Box space, .* supports Discrete only: .*use happo, .*hatd3"):
        check(algorithms.make("qmix"), envs.make("mpe/simple_spread"), steps=1)
    with pytest.raises(RequestError, match=r"need a Discrete space, got Box.*: use hatd3 for a Box"):
        Utilities().create(jax.random.key(0), SIGHT, SIGHT, NetworkConfig())


def test_a_state_that_is_an_image_is_refused():
    with pytest.raises(RequestError, match=r"a vector of numbers, not as an image \(84, 84, 4\): use happo"):
        decomposition.init(algorithms.make("vdn"), ROSTER, (84, 84, 4), jax.random.key(0))


def test_exploration_need_not_fall():
    assert float(Schedule(start=1.0, end=1.0, steps=0)(0)) == float(Schedule(start=1.0, end=1.0)(10**6)) == 1.0
