"""Streams beside the reward: learnt from, replayed, kept in files, and reported in the environment's own units."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import Pot, Toll
from hamlet.backends.iteration import roster_of
from hamlet.buffers import replay as ring
from hamlet.checkpoints import replay_files
from hamlet.commands.evaluate import of_measures
from hamlet.estimation.advantage import Gae
from hamlet.estimation.critic import Estimate, StateValue
from hamlet.evaluation import evaluation_log
from hamlet.evaluation.evaluate import evaluate
from hamlet.haml.template import create
from hamlet.rollouts.rollout import begin, rollout
from hamlet.runs.metrics import Metrics
from hamlet.streams import REWARD
from hamlet.training import announce
from hamlet.training.final_evaluation import Judgement
from hamlet.training.loop import _named, _sums
from hostgames import OnHost
from offpolicy import remembered, remembering
from pieces import same

pytestmark = pytest.mark.usefixtures("programs_once")

COPIES, STEPS = 3, 10
TOLL, STEP, LESSON = Toll().streams


def small(**settings):
    return hamlet.algorithms.happo(hidden=(8,), num_envs=COPIES, rollout_length=STEPS, **settings)


@pytest.fixture(scope="module")
def played():
    """One rollout of the game that takes toll, and of the same game without; episodes have four steps."""
    algorithm, first, second = small(), *jax.random.split(jax.random.key(1))
    roster = roster_of(algorithm, Toll())

    @jax.jit
    def both():
        actors = create(algorithm, roster, first).actors
        games = [
            rollout(env, roster, actors, begin(env, algorithm.body, COPIES, first), steps=STEPS, length=5, key=second)
            for env in (Toll(), Pot())
        ]
        return actors, *games

    actors, toll, plain = both()
    return SimpleNamespace(algorithm=algorithm, actors=actors, toll=toll, plain=plain)


def test_agents_learn_from_what_stands_in_for_the_reward_and_the_return_stays_the_rewards(played):
    (_, steps, ended), (_, plain, before) = played.toll, played.plain
    toll = np.asarray(steps.action[0], np.float32)
    np.testing.assert_allclose(steps.reward, plain.reward - 0.5 * toll, rtol=1e-6)
    np.testing.assert_array_equal(steps.paid(LESSON), steps.paid(REWARD))
    assert (ended.total, ended.count) == (before.total, before.count)


def test_a_stream_that_is_not_paid_is_not_found(played):
    with pytest.raises(KeyError):
        played.plain[1].paid(TOLL)


def test_a_rollout_has_every_stream_by_its_owners_and_those_that_end_count_in_its_episodes(played):
    play, steps, ended = played.toll
    assert set(steps.streams) == {"toll", "steps"}
    np.testing.assert_array_equal(steps.paid(TOLL), np.asarray(steps.action[0], np.float32))
    assert steps.paid(STEP).shape == (2, 5, COPIES, 1)
    rows = np.asarray(steps.paid(TOLL)).reshape(STEPS, COPIES, 2).sum(-1)
    assert ended.count == 2 * COPIES and ended.paid == {"toll": rows[:8].sum(), "steps": 8 * COPIES}
    np.testing.assert_array_equal(play.paid["toll"], rows[8:].sum(0))


def test_a_game_without_streams_has_no_more_leaves_than_ever(played):
    play, steps, ended = played.plain
    assert (play.paid, steps.streams, ended.paid) == ({}, {}, {})
    names = [name for name, _ in replay_files._named(ring.steps_of(steps))]
    assert names == [
        *(".view.observation[0]", ".view.state", ".action[0]", ".reward", ".terminated", ".episode"),
        *(".arrival.observation[0]", ".arrival.state"),
    ]


def test_advantages_and_returns_of_a_stream_are_those_of_a_reward_that_pays_as_much(played):
    steps, own = played.toll[1], StateValue(sees="observation", credits="own")
    value, after = jax.random.normal(jax.random.key(0), (2, 2, 5, COPIES, 2))
    estimate = Estimate(value, value, after, (None,))
    alone = eqx.tree_at(lambda t: t.reward, steps, steps.paid(TOLL))
    found, alike = jax.jit(lambda: (Gae()(steps, estimate, own, TOLL), Gae()(alone, estimate, own)))()
    assert same(found, alike)


def test_values_of_each_agent_share_what_the_team_is_paid(played):
    paid = StateValue(sees="observation", credits="own").paid(played.toll[1], 2, STEP)
    assert paid.shape == (2, 5, COPIES, 2) and (np.asarray(paid) == 1).all()


@pytest.mark.parametrize("hosted", [False, True])
def test_an_evaluation_reports_streams_beside_returns(played, hosted):
    """Of 25 episodes of unlike lengths, which more than one copy plays one after another on the host."""
    env = OnHost(Toll(uneven=True)) if hosted else Toll(uneven=True)
    roster = roster_of(played.algorithm, env)
    play = partial(evaluate, env, roster, played.actors, played.algorithm.body, episodes=25, seed=3)
    found, random = play(mode="deterministic"), play(mode="random")
    assert found.streams.keys() == {"toll", "steps"}
    assert found.streams["steps"][:, 0].tolist() == found.lengths.tolist() and set(found.lengths) == {1, 2, 3, 4}
    tolls, measured = found.streams["toll"], found.measured
    assert tolls.shape == (25, 2) and measured["toll"].mean == tolls.sum(-1).mean()
    assert (tolls >= 0).all() and (tolls <= found.lengths[:, None]).all()
    point = evaluation_log.describe(found, 10, roster.names)
    assert point["measures"]["steps"] == {"episodes": 25, **measured["steps"]._asdict()}
    assert point["agent_streams"] == {"toll": dict(zip(roster.names, tolls.mean(0).tolist(), strict=True))}
    line = of_measures(Judgement(10, found, random, roster.names))[0]
    assert line.startswith(f"steps {measured['steps'].mean:.4g} ± ") and "over 25 of 25 episodes; random play " in line
    json.dumps(point, allow_nan=False)


def test_an_episode_that_was_paid_no_number_failed(played):
    class Broken(Toll):
        def step(self, key, state, actions):
            after, view, outcome = super().step(key, state, actions)
            broken = jnp.where(state.seen[0] > 2.3, jnp.nan, 1.0)[None]
            return after, view, replace(outcome, streams=outcome.streams | {"steps": broken})

    play = partial(evaluate, Broken(), roster_of(played.algorithm, Broken()), played.actors, played.algorithm.body)
    with pytest.warns(UserWarning, match="first failure: the steps of the team in episode [0-9]+ is nan"):
        found = play(episodes=40, seed=2, mode="random")
    assert found.failed and (found.streams["steps"] == 4).all()


def test_a_sum_over_episodes_that_is_no_number_is_not_passed_over():
    assert _sums(Toll()) == ("return", "measure/toll", "measure/steps") and _sums(Pot()) == ("return",)
    host = {"episodes": np.array([0, 2]), "measure/toll": np.full(2, np.nan), "measure/success": np.full(2, np.nan)}
    assert [list(_named(host, {}, k, _sums(Toll()))) for k in range(2)] == [["episodes"], ["episodes", "measure/toll"]]


def test_a_run_says_what_its_environment_pays():
    lines = []
    announce.describe(small(), Toll(), jax.devices()[:1], lines.append)
    assert "every step also returns the stream toll, to each agent, in choices: second choices" in lines
    assert (
        "every step also returns the stream lesson, to each agent; agents are trained on it instead of the reward"
        in lines
    )


@pytest.mark.slow
@pytest.mark.parametrize(("env", "evaluated"), [(Toll(), 2), (OnHost(Toll()), 0)], ids=["compiled", "hosted"])
def test_streams_are_metrics_of_a_run(tmp_path, env, evaluated):
    steps = 6 * COPIES * STEPS
    run = hamlet.train(small(), env, steps=steps, out=tmp_path / "a", quiet=True, evaluate_episodes=evaluated)
    with Metrics(run.path / "metrics.sqlite", write=False) as metrics:
        assert set(metrics.read("measure/steps")[1]) == {4.0} and 0 < metrics.last("measure/toll") < 8
        assert set(metrics.read("evaluation/measure/steps")[1]) == ({4.0} if evaluated else set())
        assert "measure/lesson" not in metrics.names()


@pytest.mark.slow
def test_sums_begin_anew_where_a_resumed_run_cannot_put_its_episodes_back(tmp_path):
    env, steps = OnHost(Toll(), restorable=False), COPIES * STEPS
    run = hamlet.train(small(), env, steps=steps, out=tmp_path / "a", quiet=True, evaluate_episodes=0)
    assert (run.training().play.paid["steps"] > 0).all()
    hamlet.resume(run.path, steps=3 * steps, quiet=True)
    with Metrics(run.path / "metrics.sqlite", write=False) as metrics:
        steps, sums = metrics.read("measure/steps")
    assert len(steps) == 3 and set(sums) == {4.0}


@pytest.mark.slow
@pytest.mark.parametrize("hosted", [False, True])
def test_a_learning_reward_that_is_the_reward_changes_no_bit_and_another_does(tmp_path, hosted):
    ends, own = [], {"quiet": True, "evaluate_episodes": 0}
    for number, game in enumerate((Pot(), Toll(price=0.0), Toll(price=0.5))):
        env = OnHost(game) if hosted else game
        ends.append(hamlet.train(small(), env, steps=60, out=tmp_path / str(number), **own).training().learner)
    assert same(*ends[:2]) and not same(*ends[1:])


@pytest.mark.slow
@pytest.mark.parametrize(("name", "hosted"), [("had3qn", False), ("qmix", False), ("had3qn", True)])
def test_a_resumed_run_ends_in_the_bits_of_one_that_never_stopped_and_remembers_every_stream(tmp_path, name, hosted):
    algorithm, env = remembering(name), OnHost(Toll()) if hosted else Toll()
    own = {"quiet": True, "seed": 3, "evaluate_episodes": 0}
    whole = hamlet.train(algorithm, env, steps=4 * 48, out=tmp_path / "whole", **own)
    hamlet.train(algorithm, env, steps=2 * 48, out=tmp_path / "part", **own)
    part = hamlet.resume(tmp_path / "part", steps=4 * 48, quiet=True)
    assert same(part.training(), whole.training()) and same(remembered(part), remembered(whole))
    steps = remembered(whole).steps
    np.testing.assert_array_equal(steps.streams["toll"], np.asarray(steps.action[0], np.float32))
    assert steps.streams["steps"].shape == (*steps.episode.shape, 1)
