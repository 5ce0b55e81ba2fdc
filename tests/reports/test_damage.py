"""Any value in any place of a run's files: the report is written, with a remark."""

import json
import math
import sqlite3

import pytest

from hamlet.errors import RequestError
from hamlet.reports import page, record_frames, report
from hamlet.reports.data import run_data
from hamlet.reports.document import gather
from hamlet.runs.metrics import Metrics

CONFIG = {
    "algorithm_name": "happo",
    "environment_name": "matrix/climbing",
    "algorithm": {"type": "hamlet.haml.template:Haml", "clip": 0.2},
    "environment": {"type": "hamlet.envs.matrix:Matrix"},
    "steps": 100,
    "seed": 0,
    "preset": None,
    "init_from": None,
    "evaluation": {"mode": "deterministic", "episodes": 4},
    "versions": {"hamlet": "0.1.0"},
    "hardware": {"cpu": "x"},
    "platform": "Linux",
    "revision": "abc",
}
POINT = {
    "step": 100,
    "mode": "deterministic",
    "episodes": 2,
    "seed": 1,
    "mean": 1.0,
    "standard_error": 0.5,
    "returns": [1.0, 1.0],
    "lengths": [1, 1],
    "agent_returns": {"a": 0.5},
}
ODD = ["x", "\ud800", math.nan, math.inf, None, [], [1], {}, {"a": [None]}, True, -1, 10**30, 1e308, 2.5]


def run(path, config=CONFIG, points=(POINT,), rows=()):
    path.mkdir(exist_ok=True)
    (path / "config.json").write_text(json.dumps(config))
    (path / "evaluation.json").write_text(json.dumps(points))
    with Metrics(path / "metrics.sqlite") as metrics:
        metrics.write([(50, {"return": 1.0, "env_steps_per_second": 5.0}), (100, {"return": 2.0})])
    with sqlite3.connect(path / "metrics.sqlite") as connection:
        connection.executemany("INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, 0)", rows)
    return path


def reported(*paths):
    """The page of some runs, as the command makes it but for its pictures; and their remarks."""
    readings = run_data.read_all(paths)
    document = gather(readings, record_frames.film(readings))
    page.render(document).encode("utf-8")
    return [line for one in readings for line in one.remarks]


@pytest.mark.parametrize("field", CONFIG)
def test_any_value_in_a_configuration_costs_that_value_alone(tmp_path, field):
    paths = [run(tmp_path / f"run-{number}", CONFIG | {field: value}) for number, value in enumerate(ODD)]
    paths.append(run(tmp_path / "without", {name: value for name, value in CONFIG.items() if name != field}))
    assert all("\n" not in line for line in reported(*paths))
    for path, value in zip(paths, ODD, strict=False):
        read = run_data.read(path)
        wrong = read.config.get(field, "left out") == "left out"
        # A number that JSON does not have, or of more than 64 bits, costs the file.
        starts = (f"config.json: {field} is ignored, ", "config.json cannot be read: it contains ")
        assert wrong == any(line.startswith(starts) for line in read.remarks)
        if CONFIG[field] is not None and type(value) is type(CONFIG[field]) and value != 10**30:
            assert not wrong


def test_a_run_is_reported_from_within_its_own_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(run(tmp_path / "here"))
    (told,) = gather(run_data.read_all(["."]), ())["runs"]
    assert f"{tmp_path}/here/config.json --out {tmp_path}/here-again" in told["command"]
    with pytest.raises(RequestError, match=f"choose another directory, for example {tmp_path}/report$"):
        report.write(["."], ".", film=None)


@pytest.mark.parametrize("field", POINT)
def test_any_value_in_an_evaluation_costs_that_point_alone(tmp_path, field):
    points = [[POINT, POINT | {field: value}] for value in ODD]
    points.append([POINT, {name: value for name, value in POINT.items() if name != field}])
    paths = [run(tmp_path / f"run-{number}", points=own) for number, own in enumerate(points)]
    reported(*paths)
    for path in paths:
        read = run_data.read(path)
        if any(line.startswith("evaluation.json cannot be read: it contains ") for line in read.remarks):
            assert not read.points  # such a number costs the file
            continue
        left_out = any(line.startswith("evaluation.json: 1 of 2 points") for line in read.remarks)
        # An evaluation of which too many episodes failed has no mean; it is no damage.
        failed = field == "mean" and read.path.name == f"run-{ODD.index(None)}"
        assert read.points[0] == POINT and len(read.points) == 2 - (left_out or failed)


def test_a_standard_error_that_is_no_number_is_a_remark(tmp_path):
    remarks = reported(run(tmp_path / "run", points=[POINT | {"standard_error": math.nan}]))
    assert any(line == "evaluation.json: 1 of 1 points are incomplete" for line in remarks)


@pytest.mark.parametrize("text", ["", "x", "null", "[", "3", '{"a": 1}', "[1, null]", "[[[", '"\\ud800"', "{}"])
def test_any_text_in_a_file_is_a_remark(tmp_path, text):
    for name in ("config.json", "evaluation.json"):
        path = run(tmp_path / name.removesuffix(".json"))
        (path / name).write_text(text)
        said = [line for line in reported(path) if line.startswith(f"{name} cannot be read: ")]
        # A configuration without a single entry is read: what it lacks is left out.
        assert len(said) == (name == "evaluation.json" or not text.startswith("{"))
        assert not any("iterable" in line or "dictionary" in line for line in said)


def test_any_value_in_the_metrics_costs_that_value_alone(tmp_path):
    rows = [("return", 60, value) for value in ("x", b"\xff")] + [("return", "y", 1.0), (b"return", 70, 1.0)]
    rows += [("return", 2**63 - 1, 1e308), ("seconds/x", 3, math.inf), ("time/\ud7ff", 3, 1.0)]
    remarks = reported(run(tmp_path / "run", rows=rows))
    assert any(line.startswith("metrics.sqlite: ") and "are not measurements" in line for line in remarks)
