"""The field's format: what marl-eval finds where it looks, from synthetic runs."""

import json

import numpy as np
import pytest

from hamlet.evaluation import evaluation_log
from hamlet.evaluation.evaluate import Evaluation
from hamlet.reports.data.marl_eval import merged
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Metrics


def made(path, algorithm="happo", environment="mpe/Simple_Spread", seed=0, *, done=True):
    """A run of two agents with three points of four episodes, 100 steps a second at first and then 200."""
    run = RunDirectory.create(path, {"algorithm_name": algorithm, "environment_name": environment, "seed": seed})
    returns = np.random.default_rng(seed).normal(size=(3, 4, 2))
    with Metrics(run.metrics) as metrics:
        metrics.write((step, {"env_steps_per_second": 100.0 if step <= 100 else 200.0}) for step in range(20, 320, 20))
        for number, own in enumerate(returns):
            lengths = np.full(4, 25 + number)
            given = {"lengths": lengths, "agents": ("a", "b"), "mode": "deterministic", "seed": 9}
            metrics.write_evaluation(100 * (number + 1), {"evaluation/return": 0.0}, returns=own, **given)
    if done:
        own = np.arange(80.0).reshape(40, 2)
        evaluation = Evaluation.of(own, np.full(40, 25), "deterministic", 8)
        evaluation_log.record_absolute(run, evaluation_log.describe(evaluation, 200, ("a", "b")), run_steps=300)
    return returns


def test_every_point_and_the_absolute_metric_stand_where_the_format_has_them(tmp_path):
    returns = made(tmp_path / "a", seed=3)
    document, remarks = merged([tmp_path / "a"])
    assert remarks == [] and json.loads(json.dumps(document)) == document
    run = document["mpe"]["simple_spread"]["happo"]["seed_3"]
    assert list(run) == ["step_0", "step_1", "step_2", "absolute_metrics"]
    assert [run[f"step_{k}"]["step_count"] for k in range(3)] == [100, 200, 300]
    assert [run[f"step_{k}"]["elapsed_time"] for k in range(3)] == pytest.approx([1.0, 1.5, 2.0])
    assert run["step_1"]["return"] == returns[1].sum(-1).tolist() and run["step_1"]["episode_length"] == [26] * 4
    assert run["absolute_metrics"]["return"] == np.arange(80.0).reshape(40, 2).sum(-1).tolist()
    assert run["absolute_metrics"]["episode_length"] == [25] * 40


def test_unlike_settings_of_an_algorithm_are_told_apart_by_their_labels(tmp_path):
    made(tmp_path / "a"), made(tmp_path / "b")
    document, _ = merged([tmp_path / "a", tmp_path / "b"], {tmp_path / "b": "happo, clip 0.1"})
    found = document["mpe"]["simple_spread"]
    assert {name: list(runs) for name, runs in found.items()} == {"happo": ["seed_0"], "happo, clip 0.1": ["seed_0"]}


def test_runs_are_merged_by_task_algorithm_and_seed_and_none_takes_the_place_of_another(tmp_path):
    for name, algorithm, env, seed in [
        ("a", "happo", "mpe/simple_spread", 0),
        ("b", "happo", "mpe/simple_spread", 1),
        ("c", "happo", "mpe/simple_spread", 0),
        ("d", "mappo", "package.module:factory", 0),
    ]:
        made(tmp_path / name, algorithm, env, seed)
    document, remarks = merged(tmp_path / name for name in "abcd")
    assert remarks == []
    assert {env: {task: {a: list(runs) for a, runs in own.items()} for task, own in tasks.items()} for env, tasks in
            document.items()} == {
        "mpe": {"simple_spread": {"happo": ["seed_0", "seed_1", "seed_0_2"]}},
        "package.module:factory": {"package.module:factory": {"mappo": ["seed_0"]}},
    }  # fmt: skip


def test_a_run_that_is_unfinished_or_damaged_is_left_out_and_named(tmp_path):
    made(tmp_path / "a")
    made(tmp_path / "b", done=False)
    made(tmp_path / "c")
    (tmp_path / "c/metrics.sqlite").write_text("not a database " * 100)
    document, remarks = merged(tmp_path / name for name in "abcd")
    assert list(document["mpe"]["simple_spread"]["happo"]) == ["seed_0"]
    assert [str(tmp_path / name) in line for name, line in zip("bcd", remarks, strict=True)] == [True] * 3
    assert "no absolute metric" in remarks[0] and "not a database" in remarks[1] and "cannot be read" in remarks[2]
