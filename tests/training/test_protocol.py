"""Evaluation while a run trains: how often, on what, what is kept of it, and what it must not touch."""

import shutil
import signal
import sqlite3

import jax
import numpy as np
import pytest

import hamlet
import hostgames
from games import Pot
from hamlet.backends.iteration import roster_of
from hamlet.checkpoints import checkpoint
from hamlet.cli import main
from hamlet.commands.train import finish
from hamlet.evaluation import best_policy, evaluation_log, evaluator
from hamlet.evaluation.evaluate import Evaluation, evaluate
from hamlet.reports.data import run_data
from hamlet.rollouts import episodes
from hamlet.rollouts.played import EpisodesFailed
from hamlet.runs import declaration
from hamlet.runs.directory import RunDirectory
from hamlet.runs.evaluation_schedule import EvaluationConfig, EvaluationSchedule, interval
from hamlet.runs.metrics import Metrics
from hamlet.runs.progress import Progress
from hamlet.training import final_evaluation
from hamlet.training.loop import Interrupted
from hamlet.training.run import SavedRun
from hostgames import OnHost, Slide
from pieces import same

pytestmark = pytest.mark.usefixtures("programs_once")

COPIES, STEPS = 4, 8
BATCH = COPIES * STEPS
POINTS = {"evaluate_every": 2 * BATCH, "evaluate_episodes": 6, "evaluate_mode": "stochastic"}


def train(path, env=None, *, iterations=5, **options):
    algorithm = hamlet.algorithms.happo(hidden=(16,), num_envs=COPIES, rollout_length=STEPS, learning_rate=0.05)
    settings = {"quiet": True, "checkpoint_every": BATCH} | POINTS | options
    return hamlet.train(algorithm, env or Pot(), steps=iterations * BATCH, out=path, **settings)


def points(run):
    with Metrics(run.directory.metrics) as metrics:
        return metrics.evaluations()


def told(run):
    """All that a run keeps of its evaluations."""
    found, (actors, step) = points(run), run.actors(best=True)
    leaves = [leaf.tolist() for leaf in jax.tree.leaves(actors)]
    return (
        found.steps.tolist(),
        found.returns.tolist(),
        found.lengths.tolist(),
        step,
        leaves,
        evaluation_log.points(run.directory),
    )


class Ear:
    """A sink that remembers the evaluations."""

    heard: list = []  # noqa: RUF012

    def write(self, step, values):
        self.heard += [(step, values["evaluation/return"])] if "evaluation/return" in values else []

    def close(self):
        pass


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole") / "run", sinks=[lambda _: Ear()])


@pytest.fixture
def copied(tmp_path, whole):
    """A copy of it, to be maltreated."""
    return SavedRun(shutil.copytree(whole.path, tmp_path / "run"))


@pytest.mark.parametrize("horizon", [1, 25, 1000, 10**6])
@pytest.mark.parametrize("total", [1, 4, 5, 6, 7, 19, 23, 49, 50, 51, 99, 500, 1000, 12_345])
def test_points_are_three_to_fifty_and_add_a_twentieth_of_the_steps_unless_they_would_be_fewer(total, horizon):
    batch, episodes = 4000, 32
    every = interval(EvaluationConfig(), total, batch, horizon)
    count = len({*range(every, total + 1, every), total})
    assert min(3, total) <= count <= 50
    added = count * episodes * horizon / (total * batch)
    smallest = len({*range(every + 1, total + 1, every + 1), total})
    assert added <= 0.05 or count == min(3, total) or smallest < 3
    if count < min(50, total) and total > 100:  # there are no fewer than that allows
        assert (count + 2) * episodes * horizon > 0.05 * total * batch or count == total // every


def test_an_environment_that_tells_its_horizon_is_believed_and_of_another_one_is_assumed_and_said():
    algorithm = hamlet.algorithms.happo(num_envs=COPIES, rollout_length=STEPS)
    spread = hamlet.envs.make("mpe/simple_spread", max_steps=50)
    plan, line = evaluator.resolve(EvaluationConfig(), algorithm, spread, 320_000)
    assert plan["interval"] == 32_000 and line.endswith("32 episodes of the deterministic policy")
    plan, line = evaluator.resolve(EvaluationConfig(), algorithm, spread, 3_200)
    assert plan["interval"] == 1088 and "up to 150 % more steps; --evaluate-every sets the interval" in line
    plan, line = evaluator.resolve(EvaluationConfig(), algorithm, OnHost(Slide()), 320_000)
    assert plan["interval"] == 106_688 and "if an episode has 500 steps (an assumption)" in line
    plan, line = evaluator.resolve(EvaluationConfig(episodes=0), algorithm, spread, 320_000)
    assert plan["episodes"] == 0 and line == "no evaluation during training"


@pytest.mark.parametrize(
    "asked", [EvaluationConfig(every=0), EvaluationConfig(episodes=-1), EvaluationConfig(mode="random")]
)
def test_what_cannot_be_evaluated_is_refused_before_anything_is_made(tmp_path, asked):
    settings = {"evaluate_every": asked.every, "evaluate_episodes": asked.episodes, "evaluate_mode": asked.mode}
    with pytest.raises(hamlet.RequestError, match=r"--evaluate-(every|episodes|mode) "):
        train(tmp_path / "a", **settings)
    assert not (tmp_path / "a").exists()


def test_points_are_what_the_policies_of_the_moment_earn_on_the_seed_that_is_declared(whole, copied):
    """Against the checkpoints of those moments, judged from outside."""
    declared = whole.directory.config()["evaluation"]
    assert (declared["interval"], declared["episodes"], declared["mode"]) == (2 * BATCH, 6, "stochastic")
    found = points(whole)
    assert found.steps.tolist() == [2 * BATCH, 4 * BATCH, 5 * BATCH] and found.agents == ("left", "right")
    assert (found.seed, found.mode) == (declared["seed"], "stochastic") and declared["seed"] != 0
    assert (
        whole.evaluate(episodes=6, seed=declared["seed"], mode="stochastic").returns.tolist() == found.team[2].tolist()
    )
    checkpoint.discard(copied.directory.checkpoints, [5 * BATCH])
    judged = copied.evaluate(episodes=6, seed=declared["seed"], mode="stochastic")
    assert judged.agent_returns.tolist() == found.returns[1].tolist() != found.returns[2].tolist()
    assert judged.lengths.tolist() == found.lengths[1].tolist()


def test_evaluating_changes_no_bit_of_the_run(whole, tmp_path):
    plain = train(tmp_path / "a", evaluate_episodes=0)
    assert same(plain.training(), whole.training())
    assert (
        not len(points(plain).steps)
        and not plain.directory.best.exists()
        and evaluation_log.points(plain.directory) == []
    )


def test_the_best_policy_is_kept_and_judged_on_ten_times_as_many_episodes_of_fresh_seeds(whole):
    found = points(whole).team.mean(1)
    actors, step = whole.actors(best=True)
    assert step == points(whole).steps[found.argmax()]
    [point] = evaluation_log.points(whole.directory)
    seeds = whole.directory.config()["evaluation"]
    assert (point["metric"], point["step"], point["episodes"]) == ("absolute", step, 60)
    assert point["seed"] == seeds["absolute_seed"] != seeds["seed"]
    first = evaluate(
        whole.environment,
        roster_of(whole.algorithm, whole.environment),
        actors,
        whole.algorithm.body,
        episodes=6,
        seed=point["seed"],
        mode="stochastic",
    )
    assert point["returns"][:6] == first.returns.tolist()
    assert same(hamlet.load_policy(whole.path, best=True)._actors, actors)


def test_the_first_of_equal_means_stays_the_best_and_a_mean_that_is_no_number_never_wins():
    first = best_policy.BestPolicy(10, 1.0)
    assert not first.beaten(1.0) and first.beaten(1.5) and not first.beaten(float("nan"))
    assert best_policy.BestPolicy(10, float("nan")).beaten(-1e9) and not best_policy.BestPolicy(
        10, float("nan")
    ).beaten(float("nan"))


def test_the_best_of_what_a_checkpoint_knew_stays_as_long_as_the_checkpoint(tmp_path):
    run = RunDirectory.create(tmp_path / "a", {})
    state = {"weight": np.zeros(2)}
    for step in (10, 20, 30, 40):
        checkpoint.save(run.checkpoints, state, step=step)
        if step != 30:
            best_policy.save(run, ({"weight": np.full(2, float(step))},), step, float(step))
    assert checkpoint.steps(run.checkpoints) == [30, 40] and checkpoint.steps(run.best) == [20, 40]
    best_policy.truncate(run, 30)
    assert best_policy.current(run) == (20, 20.0)
    assert best_policy.restore(run, ({"weight": np.zeros(2)},)).state[0]["weight"].tolist() == [20, 20]


@pytest.mark.slow
def test_what_lies_beyond_the_checkpoint_is_measured_again_and_the_same(whole, copied):
    before = told(whole)
    checkpoint.discard(copied.directory.checkpoints, [5 * BATCH])
    copied.directory.evaluation.unlink()
    with Metrics(copied.directory.metrics) as metrics:
        metrics.write_evaluation(
            5 * BATCH, {}, returns=np.zeros((6, 2)), lengths=np.zeros(6, int), agents=("x", "y"), mode="no", seed=1
        )
    hamlet.resume(copied.path, quiet=True)
    assert told(copied) == before and same(copied.training(), whole.training())


@pytest.mark.slow
def test_a_longer_run_goes_on_with_its_interval_and_has_one_absolute_metric(copied):
    before = points(copied)
    hamlet.resume(copied.path, steps=7 * BATCH, quiet=True)
    found = points(copied)
    assert found.steps.tolist() == [step * BATCH for step in (2, 4, 5, 6, 7)]
    assert found.returns[:3].tolist() == before.returns.tolist()
    [point] = evaluation_log.points(copied.directory)
    assert (point["metric"], point["run_steps"]) == ("absolute", 7 * BATCH)
    assert copied.actors(best=True)[1] == found.steps[found.team.mean(1).argmax()]


def test_a_run_from_before_there_were_evaluations_is_read_and_has_nothing_left_to_evaluate(copied):
    config = copied.directory.config()
    del config["evaluation"]
    declaration.rewrite(copied.directory, config, print)
    shutil.rmtree(copied.directory.best)
    copied.directory.evaluation.unlink()
    with sqlite3.connect(copied.directory.metrics) as connection:
        connection.execute("DROP TABLE evaluations")
    connection.close()
    assert points(copied).returns.shape == (0, 0, 0)
    with pytest.raises(hamlet.RequestError, match="no best policy: the run evaluated no policy during training"):
        hamlet.load_policy(copied.path, best=True)
    assert EvaluationSchedule.of(copied.directory.config()).episodes == 0
    with pytest.raises(hamlet.RequestError, match="already has 160 steps"):
        hamlet.resume(copied.path, quiet=True)


def test_the_seconds_of_every_phase_are_measured(whole):
    with Metrics(whole.directory.metrics) as metrics:
        spent = {name: metrics.read(f"seconds/{name}") for name in ("compile", "evaluation", "checkpoint")}
    assert {name: steps.tolist() for name, (steps, _) in spent.items()} == {
        "compile": [BATCH],
        "evaluation": [2 * BATCH, 4 * BATCH, 5 * BATCH],
        "checkpoint": [k * BATCH for k in range(1, 6)],
    }
    assert all((seconds > 0).all() for _, seconds in spent.values())


def test_sinks_and_the_line_of_progress_hear_of_evaluations(whole):
    found = points(whole)
    assert Ear.heard == list(zip(found.steps, found.team.mean(1), strict=True))
    line = Progress(total=1000, done=500, evaluated=-3.25).line(1.0, -4.0)
    assert line.startswith("500/1k steps · return -4.00 · evaluation -3.25")


@pytest.mark.slow
def test_games_on_the_host_are_evaluated_beside_those_under_way_which_stay_as_they_are(tmp_path):
    game, episodes = (
        OnHost(Slide()),
        {"evaluate_every": BATCH, "evaluate_episodes": 3, "evaluate_mode": "deterministic"},
    )
    plain = train(tmp_path / "a", game, iterations=2, evaluate_episodes=0)
    judged = train(tmp_path / "b", game, iterations=2, **episodes)
    assert same(plain.training(), judged.training()) and hostgames.OPEN == []
    found, seed = points(judged), judged.directory.config()["evaluation"]["seed"]
    assert found.steps.tolist() == [BATCH, 2 * BATCH] and (found.lengths == 6).all()
    assert found.returns[1].tolist() == judged.evaluate(3, seed).agent_returns.tolist()


@pytest.mark.slow
def test_a_stop_within_an_evaluation_throws_it_away_and_it_is_made_when_the_run_goes_on(copied, monkeypatch, whole):
    before, play = told(whole), evaluator.Evaluator._point
    with pytest.raises(hamlet.RequestError, match="already has 160 steps"):
        hamlet.resume(copied.path, quiet=True)

    def stopped(self, *rest):
        signal.raise_signal(signal.SIGTERM)
        play(self, *rest)

    checkpoint.discard(copied.directory.checkpoints, [5 * BATCH])
    monkeypatch.setattr(evaluator.Evaluator, "_point", stopped)
    with pytest.raises(Interrupted, match="stopped as requested at 160 steps"):
        hamlet.resume(copied.path, quiet=True)
    assert points(copied).steps.tolist() == [2 * BATCH, 4 * BATCH]
    assert checkpoint.steps(copied.directory.checkpoints)[-1] == 5 * BATCH
    monkeypatch.undo()
    hamlet.resume(copied.path, quiet=True)
    assert told(copied) == before and same(copied.training(), whole.training())


def test_a_point_at_which_too_many_episodes_fail_is_recorded_without_a_return_and_is_never_the_best(
    tmp_path, monkeypatch, whole, capsys
):
    """The second of three points, and the absolute metric; training ends as it would without."""
    play, calls = episodes.CompiledTrials.play, []

    def failing(self, *given):
        calls.append(given)
        if len(calls) in (2, 4):
            raise EpisodesFailed(5, 11, given[2], "copy 3 fell")
        return play(self, *given)

    monkeypatch.setattr(episodes.CompiledTrials, "play", failing)
    run = train(tmp_path / "a")
    assert same(run.training(), whole.training())
    found, untouched = points(run), points(whole)
    assert np.isnan(found.returns[1]).all() and found.returns[::2].tolist() == untouched.returns[::2].tolist()
    means = untouched.team.mean(1)[::2]
    assert run.actors(best=True)[1] == untouched.steps[::2][means.argmax()]
    with Metrics(run.directory.metrics) as metrics:
        assert [column.tolist() for column in metrics.read("evaluation/failed")] == [[4 * BATCH], [5.0]]
    assert evaluation_log.points(run.directory) == [] and evaluation_log.absolute(run.directory) is None
    [point] = evaluation_log.failed_points(run.directory)
    assert (point["metric"], point["mean"], point["failed"], point["episodes"]) == ("absolute", None, 5, 60)
    said = capsys.readouterr().err.splitlines()
    assert f"evaluation at {4 * BATCH:,} steps: 5 of 11 episodes failed" in said[0]
    assert said[1].startswith("no final evaluation of the best policy: 5 of 11 episodes failed")
    with pytest.raises(hamlet.RequestError, match="already has 160 steps"):
        hamlet.resume(run.path, quiet=True)
    assert any("has no result: 5 episodes failed" in line for line in run_data.read(run.path).remarks)


def test_an_evaluation_of_which_too_many_episodes_fail_ends_with_status_1_and_is_recorded(copied, monkeypatch, capsys):
    def failing(*_, mode, **how):
        if mode == "random":
            raise EpisodesFailed(3, 9, how["episodes"], "copy 3 fell")
        return Evaluation.of(np.zeros((20, 2)), np.ones(20, int), mode, 1)

    monkeypatch.setattr(final_evaluation, "play", failing)
    assert main(["evaluate", str(copied.path), "--episodes", "20"]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert "3 of 9 episodes failed; of 20 requested episodes, at most 2 may fail and be replaced" in line
    assert "first failure: copy 3 fell" in line
    [point] = evaluation_log.failed_points(copied.directory)
    assert (point["mode"], point["step"], point["failed"]) == ("random", 0, 3)
    with pytest.raises(hamlet.RunError, match="is trained, but its evaluation failed: 3 of 9 episodes failed"):
        finish([copied], quiet=True)


@pytest.mark.slow
def test_the_horizon_of_a_run_is_that_which_was_asked_for_and_holds_for_later_evaluations(tmp_path):
    run = train(tmp_path / "a", iterations=1, max_episode_steps=3)
    assert run.directory.config()["evaluation"]["max_episode_steps"] == 3
    assert (points(run).lengths == 3).all()
    with pytest.warns(UserWarning, match="2 of 2 episodes were truncated after 3 steps"):
        assert run.evaluate(2).cut == 2
    with pytest.warns(UserWarning, match="2 of 2 episodes were truncated after 2 steps"):
        assert hamlet.evaluate(run.path, episodes=2, max_episode_steps=2).lengths.tolist() == [2, 2]
    assert run.evaluate(2, max_episode_steps=9).cut == 0
    with pytest.raises(hamlet.RequestError, match="--max-episode-steps must be at least 1, got 0"):
        train(tmp_path / "b", max_episode_steps=0)


def test_evaluations_from_other_seeds_stand_beside_each_other_and_one_asked_for_again_is_replaced(tmp_path):
    directory = RunDirectory.create(tmp_path / "a", {})
    for seed, mean in ((1, 1.0), (2, 2.0), (1, 3.0)):
        point = {"step": 10, "mode": "random", "episodes": 1, "seed": seed, "mean": mean}
        evaluation_log.record(directory, point)
    assert [(point["seed"], point["mean"]) for point in evaluation_log.points(directory)] == [(2, 2.0), (1, 3.0)]
