"""What a report knows of runs that are whole, under way, damaged or of unlike kinds."""

import fcntl
import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from hamlet.bench.baseline.runs import make
from hamlet.errors import RequestError
from hamlet.reports.data import run_data
from hamlet.reports.data.grouping import tasks
from hamlet.reports.data.scores import random_play, source
from hamlet.reports.document import gather
from hamlet.runs.metrics import Metrics

DESCRIBED = {"versions": {"hamlet": "0.1.0"}, "hardware": {"cpu": "a"}, "platform": "b", "revision": None}
STEPS, ROLLOUTS = 1_000_000, 50


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Runs of two algorithms, two seeds each, and one on another environment."""
    root = tmp_path_factory.mktemp("runs")
    for algorithm, task, seed in [
        ("happo", "mpe/simple_spread", 2),
        ("happo", "mpe/simple_spread", 10),
        ("mappo", "mpe/simple_spread", 0),
        ("mappo", "mpe/simple_spread", 1),
        ("happo", "mpe/simple_reference", 0),
    ]:
        name = f"{algorithm}-{task[4:]}"
        make(root / name / f"seed-{seed}", algorithm, task, seed, steps=STEPS, rollouts=ROLLOUTS, described=DESCRIBED)
    return root


@pytest.fixture
def runs(originals, tmp_path):
    return shutil.copytree(originals, tmp_path / "runs")


def told(document):
    return " ".join(f"{one['run']}: {one['text']}" for one in document["remarks"])


def test_a_directory_of_seeds_counts_as_its_runs_in_the_order_of_their_numbers(runs):
    found = run_data.read_all([runs / "happo-simple_spread"])
    assert [run.seed for run in found] == [2, 10]
    assert run_data.read_all([runs / "happo-simple_spread" / "seed-10", runs])[0].path.name == "seed-10"
    assert len(run_data.read_all([runs, runs / "mappo-simple_spread"])) == 5


def test_a_run_is_read_without_a_change_to_its_directory(runs):
    run = runs / "happo-simple_spread" / "seed-2"
    run.chmod(0o555)
    before = {path.name: path.stat().st_mtime_ns for path in run.iterdir()}
    found = run_data.read(run)
    assert {path.name: path.stat().st_mtime_ns for path in run.iterdir()} == before
    assert (found.state, found.done, found.asked, found.remarks) == ("done", STEPS, STEPS, ())
    with Metrics(run / "metrics.sqlite") as metrics:
        steps, values = metrics.read("return")
    assert np.array_equal(found.training.steps, steps) and np.array_equal(found.training.values, values)


def test_seconds_of_training_are_steps_over_rates_and_know_nothing_of_pauses(tmp_path):
    run = make(tmp_path / "a", "happo", "mpe/simple_spread", 0, steps=300, rollouts=3, described=DESCRIBED)
    with Metrics(run / "metrics.sqlite") as metrics:
        for step, rate in [(100, 10.0), (200, 20.0), (300, 50.0)]:
            metrics.write([(step, {"env_steps_per_second": rate, "return": 0.0, "seconds/evaluation": 3.0})])
    found = run_data.read(run)
    assert found.training.seconds.tolist() == [10.0, 15.0, 17.0]
    assert found.rate == 20.0
    assert found.phases == {"training": 17.0, "evaluation": 9.0}


def test_evaluations_while_training_are_the_curve_and_the_last_of_them_the_score(tmp_path):
    for seed in (0, 1):
        path = tmp_path / f"seed-{seed}"
        make(path, "happo", "mpe/simple_spread", seed, steps=STEPS, rollouts=50, evaluations=5, described=DESCRIBED)
    runs = run_data.read_all([tmp_path])
    with Metrics(runs[0].path / "metrics.sqlite") as metrics:
        steps, values = metrics.read("evaluation/return")
    assert np.array_equal(runs[0].evaluated.steps, steps) and np.array_equal(runs[0].evaluated.values, values)
    document = gather(runs)
    assert document["tasks"][0]["source"] == "the last evaluation during training"
    (group,) = document["groups"]
    assert group["curves"]["steps"]["x"] == steps.tolist()
    ends = [run.evaluated.values[-1] for run in runs]
    assert group["final"]["mean"][0] == pytest.approx(np.mean(ends), rel=1e-4)
    absolute = [one["mean"] for run in runs for one in run.points if one.get("metric") == "absolute"]
    assert group["absolute"]["mean"][0] == pytest.approx(np.mean(absolute), rel=1e-4)


def test_losses_entropy_and_divergence_are_curves_over_seeds_of_the_mean_over_agents(runs):
    """Also of a run from before their names of now; what is no number has no part in it."""
    first, second = (runs / "happo-simple_spread" / f"seed-{seed}" / "metrics.sqlite" for seed in (2, 10))
    for path, name, greater in ((first, "actor/approx_kl", 0.3), (second, "actor/divergence", 0.5)):
        with Metrics(path) as metrics:
            metrics.write((step, {f"{name}/a": 0.1, f"{name}/b": greater}) for step in (1000, 2000))
            metrics.write([(3000, {f"{name}/a": float("nan"), f"{name}/b": float("inf")})])
            metrics.write([(1000, {"critic/loss/team": 2.0})])
    document = gather(run_data.read_all([runs / "happo-simple_spread"]))
    (group,) = document["groups"]
    assert {*group["learning"]} == {"entropy", "kl", "critic_loss"}
    kl = group["learning"]["kl"]["steps"]
    assert (kl["x"], kl["y"]) == ([1000, 2000], [0.25, 0.25])
    assert group["learning"]["critic_loss"]["steps"]["y"] == [2]
    assert [one["key"] for one in document["diagnostics"]][:1] == ["critic_loss"]


def test_runs_that_differ_in_their_seed_alone_are_a_group(runs):
    found = {task.name: task for task in tasks(run_data.read_all([runs]))}
    assert set(found) == {"mpe/simple_reference", "mpe/simple_spread"}
    spread = {group.label: [run.seed for run in group.runs] for group in found["mpe/simple_spread"].groups}
    assert spread == {"happo": [2, 10], "mappo": [0, 1]}


def test_one_algorithm_with_two_settings_makes_two_groups_named_by_what_differs(runs):
    path = runs / "mappo-simple_spread" / "seed-1" / "config.json"
    config = json.loads(path.read_text())
    config["algorithm"]["drift"]["epsilon"] = 0.05
    path.write_text(json.dumps(config))
    labels = [group.label for group in tasks(run_data.read_all([runs / "mappo-simple_spread"]))[0].groups]
    assert labels == ["mappo (epsilon 0.05)", "mappo (epsilon 0.2)"]


def test_an_environment_with_other_options_is_another_and_is_never_ranked_with_it(runs):
    path = runs / "mappo-simple_spread"
    for seed in (0, 1):
        config = json.loads((path / f"seed-{seed}" / "config.json").read_text())
        config["environment"]["agents"] = 5
        (path / f"seed-{seed}" / "config.json").write_text(json.dumps(config))
    document = gather(run_data.read_all([path, runs / "happo-simple_spread"]))
    assert [task["options"] for task in document["tasks"]] == [[["agents", "3"]], [["agents", "5"]]]
    assert [task["verdict"] for task in document["tasks"]] == ["", ""]
    assert document["overall"] is None


def test_damaged_metrics_cost_the_curve_of_their_run_alone_and_are_said(runs):
    damaged = runs / "happo-simple_spread" / "seed-2"
    (damaged / "metrics.sqlite").write_bytes(b"no database at all" * 100)
    document = gather(run_data.read_all([runs / "happo-simple_spread"]))
    assert "seed-2: metrics.sqlite cannot be read: file is not a database" in told(document)
    assert document["groups"][0]["curves"]["steps"]["x"]
    assert len(document["runs"]) == 2


def test_metrics_torn_in_the_middle_are_said_too(runs):
    path = runs / "happo-simple_spread" / "seed-2" / "metrics.sqlite"
    path.write_bytes(path.read_bytes()[:2000] + bytes(3000))
    assert "metrics.sqlite cannot be read" in " ".join(run_data.read(path.parent).remarks)


def test_a_journal_left_by_a_killed_process_is_undone_in_a_copy(runs):
    path = runs / "happo-simple_spread" / "seed-2" / "metrics.sqlite"
    whole = run_data.read(path.parent).training
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA cache_size = 1")
    writer.execute("BEGIN IMMEDIATE")
    writer.execute("UPDATE metrics SET value = 1e6")  # spilt into the file, with what it was in the journal
    journal = path.with_name("metrics.sqlite-journal")
    killed = shutil.copytree(path.parent, path.parents[2] / "killed", ignore=shutil.ignore_patterns("lock"))
    writer.execute("ROLLBACK")
    assert not journal.exists() and (killed / journal.name).stat().st_size
    assert b"metrics" in (killed / "metrics.sqlite").read_bytes()
    found = run_data.read(killed)
    assert np.array_equal(found.training.values, whole.values), found.remarks
    assert (killed / journal.name).exists()


@pytest.mark.parametrize("name", ["config.json", "metrics.sqlite", "evaluation.json"])
def test_a_missing_file_is_no_end_of_the_report(runs, name):
    (runs / "happo-simple_spread" / "seed-2" / name).unlink()
    document = gather(run_data.read_all([runs / "happo-simple_spread", runs / "happo-simple_spread" / "seed-2"]))
    assert len(document["runs"]) == 2
    expected = {"config.json": "their environment is unknown", "metrics.sqlite": "is missing", "evaluation.json": ""}
    assert expected[name] in told(document)
    if name == "evaluation.json":
        assert document["tasks"][0]["source"].startswith("training episodes in the last 5")


def test_an_evaluation_that_is_no_json_is_said(runs):
    (runs / "happo-simple_spread" / "seed-2" / "evaluation.json").write_text("[{")
    assert "evaluation.json cannot be read" in told(gather(run_data.read_all([runs / "happo-simple_spread"])))


def test_a_run_still_training_is_said_and_left_out_of_the_numbers_of_finished_ones(runs):
    path = runs / "happo-simple_spread" / "seed-2"
    with Metrics(path / "metrics.sqlite") as metrics:
        metrics.truncate(STEPS // 2)
    assert run_data.read(path).state == "stopped"
    with (path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        document = gather(run_data.read_all([runs / "happo-simple_spread"]))
    assert "still training: 500,000 of 1,000,000 steps" in told(document)
    assert "1 of 2 runs is unfinished and left out of the group's numbers" in told(document)
    (group,) = document["groups"]
    assert (group["runs"], group["counted"]) == ([0, 1], [1])
    assert len(group["each"]) == 2


def test_runs_of_which_none_is_finished_are_shown_as_far_as_they_are(runs):
    for seed in (2, 10):
        with Metrics(runs / "happo-simple_spread" / f"seed-{seed}" / "metrics.sqlite") as metrics:
            metrics.truncate(STEPS // 2)
    (group,) = gather(run_data.read_all([runs / "happo-simple_spread"]))["groups"]
    assert group["counted"] == [0, 1] and group["steps"] == STEPS // 2


def test_what_is_no_run_is_refused_with_the_nearest(runs):
    with pytest.raises(RequestError, match="the nearest run is"):
        run_data.read_all([runs / "happo-simple_spread" / "seed-3"])


def bare(points=(), training=()):
    """A run with nothing but some evaluations after it and some training returns."""
    steps, empty = np.arange(1, len(training) + 1), np.zeros(0)
    curve = run_data.Series(steps, np.array(training, float), np.zeros(len(training)))
    nothing = run_data.Series(empty.astype(int), empty, empty)
    return run_data.RunData(Path("a"), {}, "done", len(training), curve, nothing, points=points)


def test_random_play_is_that_of_the_longest_evaluations():
    points = [{"mode": "random", "mean": mean, "returns": [mean] * count} for mean, count in ((-8.0, 100), (-1.0, 2))]
    assert random_play([bare(points)]) == -8.0
    assert random_play([bare(points), bare(points[:1]), bare(points[1:])]) == -8.0


def test_without_evaluations_a_run_is_scored_by_the_last_twentieth_of_its_training():
    run = bare(training=range(1, 101))
    assert source([run]).of(run) == np.mean([95, 96, 97, 98, 99, 100])


def test_of_evaluations_afterwards_that_of_the_newest_policy_counts_in_whatever_order_they_were_made():
    for steps in ((100, 200), (200, 100)):
        run = bare([{"mode": "deterministic", "step": step, "mean": float(step)} for step in steps])
        assert source([run]).of(run) == 200.0


def test_metrics_that_hamlet_does_not_know_are_reported_with_their_last_values(runs):
    run = runs / "happo-simple_spread" / "seed-2"
    with Metrics(run / "metrics.sqlite") as metrics:
        metrics.write([(10, {"mine/idea": 1.0, "measure/toll": 3.0}), (20, {"mine/idea": 0.1234567, "gone": np.nan})])
    found = run_data.read(run)
    assert found.latest["mine/idea"] == 0.1234567 and found.latest["measure/toll"] == 3.0
    assert not {"gone", "return", "env_steps_per_second"} & found.latest.keys()
    assert gather([found])["runs"][0]["latest"]["mine/idea"] == 0.12346
    assert found.until(10).latest == {}
    (run / "metrics.sqlite").write_bytes(b"nothing of the kind")
    assert run_data.read(run).latest == {}
