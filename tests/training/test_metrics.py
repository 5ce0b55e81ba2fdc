import math
import os
import random
import sqlite3
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from hamlet import extras
from hamlet.errors import RequestError, RunError
from hamlet.runs.metrics import Metrics, Sink, TensorBoardSink, WandbSink


@pytest.fixture
def metrics(tmp_path):
    with Metrics(tmp_path / "metrics.sqlite") as metrics:
        yield metrics


def test_values_are_read_in_the_order_of_their_steps(metrics):
    metrics.write([(20, {"return": 2.0, "entropy": 0.5}), (10, {"return": 1.0})])
    metrics.write([(30, {"return": float(np.float32(0.1))})])
    steps, values = metrics.read("return")
    assert steps.tolist() == [10, 20, 30] and values.tolist() == [1.0, 2.0, float(np.float32(0.1))]
    assert (steps.dtype, values.dtype) == (np.int64, np.float64)
    assert metrics.names() == ["entropy", "return"]
    assert metrics.last("return") == float(np.float32(0.1))


def test_what_was_never_measured_is_empty(metrics):
    steps, values = metrics.read("return")
    assert steps.shape == values.shape == (0,)
    assert metrics.last("return") is None and metrics.names() == []


def test_values_that_are_not_finite_come_back(metrics):
    metrics.write([(1, {"a": math.nan}), (2, {"a": math.inf}), (3, {"a": -math.inf})])
    assert np.array_equal(metrics.read("a")[1], [math.nan, math.inf, -math.inf], equal_nan=True)
    metrics.write([(4, {"a": math.nan})])
    assert math.isnan(metrics.last("a"))


def test_truncating_removes_what_came_after_the_checkpoint_and_only_that(metrics):
    metrics.write([(step, {"a": step, "b": step}) for step in range(0, 50, 10)])
    metrics.truncate(20)
    assert metrics.read("a")[0].tolist() == metrics.read("b")[0].tolist() == [0, 10, 20]


def test_truncating_keeps_the_evaluation_at_the_checkpoint_and_removes_later_ones(metrics):
    for step in (10, 20, 30):
        played = {"returns": np.zeros((2, 1)), "lengths": np.ones(2, int), "agents": ("a",), "mode": "random"}
        metrics.write_evaluation(step, {"evaluation/return": 0.0}, **played, seed=1)
    metrics.truncate(20)
    assert metrics.evaluations().steps.tolist() == metrics.read("evaluation/return")[0].tolist() == [10, 20]


def test_a_step_measured_again_replaces_the_first(metrics):
    metrics.write([(1, {"a": 1.0})])
    metrics.write([(1, {"a": 2.0, "b": 3.0})])
    assert metrics.read("a")[1].tolist() == [2.0] and metrics.last("b") == 3.0


def test_a_write_that_fails_half_way_writes_nothing(metrics):
    def rows():
        yield 1, {"a": 1.0}
        yield 2, {"a": "no number"}

    with pytest.raises(ValueError):
        metrics.write(rows())
    assert metrics.names() == []
    metrics.write([(1, {"a": 1.0})])


def test_what_is_written_is_there_for_another_reader_at_once(metrics):
    metrics.write([(1, {"a": 1.0})])
    with Metrics(metrics.path) as reader:
        assert reader.last("a") == 1.0
        metrics.write([(2, {"a": 2.0})])
        assert reader.last("a") == 2.0
    assert os.listdir(metrics.path.parent) == ["metrics.sqlite"]


def test_a_file_that_is_no_database_is_one_line(tmp_path):
    (tmp_path / "metrics.sqlite").write_text("not a database " * 100)
    with pytest.raises(RunError, match=r"metrics\.sqlite cannot be read or written: file is not a database"):
        Metrics(tmp_path / "metrics.sqlite")


WRITES_FOREVER = """
import itertools, sys
from hamlet.runs.metrics import Metrics
metrics = Metrics(sys.argv[1])
start = int(metrics.last("a")) + 1 if metrics.names() else 0
for step in itertools.count(start):
    metrics.write([(step, {name: step for name in "abcdefgh"})])
    print(step, flush=True)
"""


def test_a_process_killed_at_any_moment_leaves_every_write_whole(tmp_path):
    path, rng = tmp_path / "metrics.sqlite", random.Random(0)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITES_FOREVER, path], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        done = int(process.stdout.readline())
        time.sleep(rng.uniform(0.0, 0.1))
        process.kill()
        done = max([done, *map(int, process.communicate()[0].split())])
        with Metrics(path) as metrics:
            lengths = {len(metrics.read(name)[0]) for name in "abcdefgh"}
            assert len(lengths) == 1 and lengths.pop() - 1 == metrics.last("h") >= done
    assert sqlite3.connect(path).execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize(
    ("sink", "package", "extra"),
    [(TensorBoardSink, "tensorboardX", "tensorboard"), (WandbSink, "wandb", "wandb")],
)
def test_a_sink_whose_package_is_missing_names_the_command_that_brings_it(tmp_path, monkeypatch, sink, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RequestError) as refusal:
        sink(tmp_path)
    advice = extras.install_line(extra, package)
    assert str(refusal.value) == f"--{extra} needs {package}, which is not installed: run {advice}"


class Recorder:
    """Stands for tensorboardX and for wandb, and notes what it is told."""

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        def call(*arguments, **options):
            self.calls.append((name, arguments, options))
            return self

        return call


def test_the_tensorboard_sink_hides_what_a_resumed_run_measures_again(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=recorder.SummaryWriter))
    sink: Sink = TensorBoardSink(tmp_path, resume_step=20)
    sink.write(30, {"return": 1.5})
    sink.close()
    assert recorder.calls == [
        ("SummaryWriter", (str(tmp_path),), {"purge_step": 21}),
        ("add_scalar", ("return", 1.5, 30), {}),
        ("close", (), {}),
    ]


def test_the_wandb_sink_leaves_the_mode_to_the_environment(tmp_path, monkeypatch):
    recorder = Recorder()
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=recorder.init))
    sink: Sink = WandbSink(tmp_path, project="p", identity="abc")
    sink.write(30, {"return": 1.5})
    sink.close()
    (_, _, options), *rest = recorder.calls
    assert "mode" not in options and options["id"] == "abc" and options["resume"] == "allow"
    assert rest == [("log", ({"return": 1.5},), {"step": 30}), ("finish", (), {})]


def test_metrics_of_runs_from_before_are_read_under_their_names_of_now(tmp_path):
    """Also of a run that was begun then and resumed since; agents may have slashes in their names."""
    with Metrics(tmp_path / "metrics.sqlite") as metrics:
        metrics.write([(10, {"actor/divergence/a/b": 0.25, "actor/kl/a": 1.0, "return": 3.0})])
        metrics.write([(20, {"actor/approx_kl/a/b": 0.5})])
    with Metrics(tmp_path / "metrics.sqlite", write=False) as metrics:
        steps, values = metrics.read("actor/approx_kl/a/b")
        assert steps.tolist() == [10, 20] and values.tolist() == [0.25, 0.5]
        assert metrics.names() == ["actor/approx_kl/a/b", "actor/kl/a", "return"]
        assert metrics.last("actor/approx_kl/a/b") == 0.5 and metrics.last("return") == 3.0
