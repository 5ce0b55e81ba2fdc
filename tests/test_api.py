"""The functions at the top of the package: what they take, what they refuse, and what a run can be asked for."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import Pot
from hamlet.training.ending import Ending

SMALL = {"hidden": (8,), "num_envs": 4, "rollout_length": 4, "epochs": 1, "critic_epochs": 1}
pytestmark = pytest.mark.usefixtures("programs_once")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two runs, of seeds 3 and 4."""
    place = tmp_path_factory.mktemp("api") / "pots"
    how = {"seeds": 2, "seed": 3, "steps": 64, "out": place, "quiet": True, "evaluate_episodes": 2}
    return hamlet.train("happo", Pot(), clip=0.1, **how, **SMALL)


def test_a_name_is_trained_with_hyperparameters_and_seeds(trained):
    assert [run.path.name for run in trained] == ["seed-3", "seed-4"]
    declared = hamlet.algorithms.happo(clip=0.1, **SMALL)
    assert hamlet.replace(trained[0].algorithm, accumulation=None) == declared
    assert trained[1].directory.config()["seed"] == 4


def test_a_directory_of_seeds_is_evaluated_run_by_run(trained):
    alone = [hamlet.evaluate(run, episodes=5) for run in trained]
    together = hamlet.evaluate(trained[0].path.parent, episodes=5)
    assert [part.returns.tolist() for part in together.by_run] == [part.returns.tolist() for part in alone]
    assert together.mean == pytest.approx(np.mean([part.mean for part in alone]))
    runs = np.std([part.mean for part in alone], ddof=1) / np.sqrt(2)
    episodes = np.std(np.mean([part.returns for part in alone], axis=0), ddof=1) / np.sqrt(5)
    assert together.standard_error == pytest.approx(np.hypot(runs, episodes))
    assert "over 2 runs, 10 episodes" in together.summary()


def test_a_policy_is_evaluated_in_another_environment_where_it_fits(trained):
    assert hamlet.evaluate(trained[0], episodes=2, environment=Pot(steps=7)).lengths.tolist() == [7, 7]
    with pytest.raises(hamlet.RequestError, match="agent"):
        hamlet.evaluate(trained[0], episodes=2, environment="mpe/simple_spread")


def test_a_run_is_named_by_itself_its_path_or_its_best(trained):
    run = trained[0]
    for named in (run, run.path, str(run.path)):
        assert hamlet.evaluate(named, episodes=3).returns.tolist() == run.evaluate(episodes=3).returns.tolist()
    best = hamlet.evaluate(run, episodes=3, best=True).returns.tolist()
    assert hamlet.evaluate(run.path / "best", episodes=3).returns.tolist() == best
    assert hamlet.load_runs(run.path.parent) == trained and hamlet.load_runs(run.path) == [run]


def test_the_metrics_of_a_run_are_a_table_by_steps(trained, monkeypatch):
    monkeypatch.setattr(hamlet.api, "find_spec", lambda name: None)
    table = trained[0].metrics()
    assert table["step"].tolist() == [16, 32, 48, 64] and table["return"].shape == (4,)
    steps, values = trained[0].curve("evaluation/return")
    known = np.isfinite(table["evaluation/return"])
    assert (
        steps.tolist() == table["step"][known].tolist()
        and values.tolist() == table["evaluation/return"][known].tolist()
    )
    with pytest.raises(hamlet.RequestError, match="no metric 'returns'; the nearest is 'return'"):
        trained[0].curve("returns")


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"agents": 4}, r"agents is an option of the environment: write hamlet.envs.make\(…, agents=4\)"),
        (
            {"algorithm": "mpe/simple_spread", "environment": "happo"},
            r"comes before the environment: write train\('happo', 'mpe",
        ),
        ({"algorithm": "qmix"}, r"choose discrete actions with --env.no-continuous \(continuous=False\), or use"),
        ({"preset": "paper"}, r"no preset 'paper'; the nearest is 'paper/mpe'"),
        ({"steps": 2.5}, "steps must be a whole number, got 2.5"),
    ],
)
def test_what_a_newcomer_writes_is_answered_with_what_to_write(given, line):
    asked = {"algorithm": "happo", "environment": "mpe/simple_spread", "steps": 8} | given
    with pytest.raises(hamlet.RequestError, match=line):
        hamlet.train(**asked)


@pytest.mark.parametrize("reason", ["return", "callback"])
def test_a_run_ends_early_as_one_of_the_steps_that_it_has_done(tmp_path, reason):
    heard = []

    def callback(step, values):
        heard.append(step)
        return step >= 32

    how = {"stop_at": -1e9} if reason == "return" else {"callback": callback}
    run = hamlet.train("happo", Pot(), steps=160, out=tmp_path / "r", quiet=True, evaluate_episodes=2, **how, **SMALL)
    steps = run.directory.config()["steps"]
    assert steps < 160 and (reason == "return" or steps == 32)
    assert hamlet.evaluate(run, episodes=2).returns.shape == (2,)
    with pytest.raises(hamlet.RequestError, match=f"already has {steps} steps"):
        run.resume(quiet=True)
    assert run.resume(steps=steps + 16, quiet=True).directory.config()["steps"] == steps + 16


def test_a_policy_says_what_each_agent_draws_from(trained):
    policy = trained[0].policy()
    names = policy.agents
    seen = dict(zip(names, np.random.default_rng(0).normal(size=(len(names), 2)).astype(np.float32), strict=True))
    both = policy.distribution(seen)
    for number, name in enumerate(names):
        actor = jax.tree.map(lambda leaf, number=number: leaf[number], trained[0].actors()[0][0])
        expected = actor(jnp.asarray(seen[name])[None, None], None, jnp.ones((1, 1), bool))[0].log_probs[0, 0]
        np.testing.assert_allclose(both[name].log_probs, expected, rtol=1e-5, atol=1e-6)
    assert not np.allclose(both[names[0]].log_probs, both[names[1]].log_probs)
    assert policy.act(seen) == {name: own.log_probs.argmax() for name, own in both.items()}


def test_the_value_of_a_state_is_what_the_critic_predicts_in_units_of_reward(trained):
    policy, critic = trained[0].policy(), trained[0].training().learner.critic
    states = np.random.default_rng(1).normal(size=(3, 2)).astype(np.float32)
    network, moments = jax.tree.map(lambda leaf: leaf[0], (critic.networks[0], critic.moments[0]))
    expected = moments.unscale(network(jnp.asarray(states)[:, None], None, jnp.ones((3, 1), bool))[0])[:, 0]
    np.testing.assert_allclose(policy.value(states), expected, rtol=1e-5, atol=1e-6)
    assert policy.value(states[0]) == pytest.approx(float(expected[0]), rel=1e-5)
    assert len(set(expected.tolist())) == 3


@pytest.mark.parametrize(("evaluated", "ends"), [(2.9, False), (3.0, True), (float("nan"), False)])
def test_a_run_ends_with_the_first_evaluation_that_reaches_the_return(evaluated, ends):
    ending = Ending(stop_at=3.0)
    ending.write(10, {"return": 9.0})
    ending.write(20, {"evaluation/return": evaluated})
    assert bool(ending.reason) == ends


@pytest.mark.parametrize(
    ("given", "line"),
    [
        (5, "5 is not an environment: give a name"),
        (int, "is a class|cannot be|makes no|not an environment"),
        ("mpe/simple_spraed", "no environment 'mpe/simple_spraed'; the nearest is 'mpe/simple_spread'"),
    ],
)
def test_what_is_no_environment_is_refused_in_one_line(given, line):
    with pytest.raises(hamlet.RequestError, match=line):
        hamlet.train("happo", given, steps=8)


def test_instances_of_pettingzoo_and_gymnasium_are_answered_with_what_to_give():
    pettingzoo, gymnasium = pytest.importorskip("pettingzoo"), pytest.importorskip("gymnasium")

    class Parallel(pettingzoo.ParallelEnv):
        """One environment."""

    class Single(gymnasium.Env):
        """One agent."""

    with pytest.raises(hamlet.RequestError, match=r"is one PettingZoo environment.*give the function that makes it"):
        hamlet.train("happo", Parallel(), steps=8)
    with pytest.raises(hamlet.RequestError, match="is a Gymnasium environment, which has one agent"):
        hamlet.train("happo", Single(), steps=8)


@pytest.mark.slow
def test_every_wrong_argument_is_refused_in_one_line_and_leaves_nothing(tmp_path):
    program = Path(__file__).parent / "wrong_arguments.py"
    done = subprocess.run([sys.executable, program], cwd=tmp_path, capture_output=True, text=True, check=True)
    count, complaints = json.loads(done.stdout.splitlines()[-1])
    assert count >= 60 and not complaints, complaints


def test_an_environment_made_by_name_is_trained_with_the_values_of_its_name(tmp_path):
    environment = hamlet.envs.make("mpe/simple_spread", agents=2)
    run = hamlet.train("happo", environment, steps=50, out=tmp_path / "run", quiet=True, evaluate_episodes=0, **SMALL)
    config = run.directory.config()
    assert (config["preset"], config["environment_name"]) == ("tuned/mpe", "mpe/simple_spread")
    assert config["algorithm"]["advantage"]["discount"] == 0.95


@pytest.mark.parametrize(
    "name", [name for name in hamlet.envs.ENVIRONMENTS if name not in ("matrix/file", "atari/pong")]
)
def test_an_environment_knows_the_name_that_it_was_made_by(name):
    from hamlet.envs.registry import name_of

    pytest.importorskip("mujoco")
    assert name_of(hamlet.envs.make(name)) == name
