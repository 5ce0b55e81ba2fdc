"""The learning curve of a run, drawn from its record alone."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from hamlet import extras
from hamlet.errors import RequestError
from hamlet.reports.pictures import curve
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Metrics, Points

CONFIG = {"algorithm_name": "happo", "environment_name": "mpe/simple_spread", "seed": 0}
POINTS = [
    {"mode": "deterministic", "mean": -60.0, "standard_error": 2.0, "step": 4_000},
    {"mode": "random", "mean": -150.0, "standard_error": 3.0, "step": 4_000},
    {"mode": "deterministic", "mean": -40.0, "standard_error": 1.0, "step": 8_000},
]


@pytest.fixture
def run(tmp_path):
    directory = RunDirectory.create(tmp_path / "a", CONFIG)
    rng = np.random.default_rng(0)
    with Metrics(directory.metrics) as metrics:
        steps = range(4_000, 404_000, 4_000)
        metrics.write((s, {"return": -40.0 - 100.0 * np.exp(-s / 1e5) + rng.normal(0, 5)}) for s in steps)
    return directory


def test_a_picture_is_written_into_the_run_by_default(run):
    assert curve.draw(run.path) == run.path / "curve.png"
    assert (run.path / "curve.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_picture_says_what_it_shows_and_draws_the_last_level_of_every_mode(run, tmp_path):
    run.write_json("evaluation.json", POINTS)
    text = _texts(curve.draw(run.path, tmp_path / "b" / "curve.svg"))
    assert "HAPPO on mpe/simple_spread, seed 0" in text
    assert "environment steps" in text and "team return" in text
    assert "−40.0 ± 1.0" in text and "−150.0 ± 3.0" in text
    assert "60.0" not in text


def test_evaluations_on_the_way_are_dots_and_the_best_policy_has_a_level(run, tmp_path):
    given = {"lengths": np.full(4, 25), "agents": ("a", "b"), "mode": "stochastic", "seed": 1}
    with Metrics(run.metrics) as metrics:
        for step in (100_000, 400_000):
            metrics.write_evaluation(step, {}, returns=np.random.default_rng(step).normal(-25, 1, (4, 2)), **given)
    run.write_json("evaluation.json", [*POINTS, POINTS[0] | {"metric": "absolute", "mean": -33.0}])
    text = _texts(curve.draw(run.path, tmp_path / "curve.svg"))
    assert "dots: 4 stochastic episodes" in text and "best policy" in text and "−33.0 ± 2.0" in text
    assert "−40.0 ± 1.0" in text and "−150.0 ± 3.0" in text
    drawn = (tmp_path / "curve.svg").read_text()
    assert drawn.count('style="fill: #d55e00; stroke: #d55e00"') >= 2


def test_the_bars_of_a_dot_are_one_standard_error_of_the_teams_mean():
    returns = np.array([[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]])
    drawn = []
    axes = SimpleNamespace(
        errorbar=lambda *given, **style: drawn.append(given), set_xlim=lambda *ends: None, get_xlim=lambda: (0.0, 1.0)
    )
    curve._dots(axes, Points(np.array([10]), returns, np.ones((1, 4), int)))
    (_, means, bars), *_ = drawn
    np.testing.assert_allclose([*means, *bars], [9.0, np.std([3, 7, 11, 15], ddof=1) / 2])


def test_levels_too_near_for_their_labels_do_not_overlap(run, tmp_path):
    points = [POINTS[0], POINTS[1] | {"mean": POINTS[0]["mean"] - 0.5}]
    run.write_json("evaluation.json", points)
    assert "−60.5 ± 3.0" in _texts(curve.draw(run.path, tmp_path / "curve.svg"))
    places = curve.spread([-60.0, -60.5, -40.0], apart=10.0)
    assert np.diff(np.sort(places)).min() >= 10.0 - 1e-9
    assert places[0] > places[1] and places[2] > places[0]


def test_smoothing_keeps_a_constant_and_the_number_of_values():
    assert curve.smooth(np.full(10, 3.0), 5).tolist() == [3.0] * 10
    assert curve.smooth(np.array([1.0]), 5).tolist() == [1.0]


def test_what_cannot_be_drawn_is_refused_in_one_line(run, tmp_path):
    empty = RunDirectory.create(tmp_path / "empty", CONFIG)
    with pytest.raises(RequestError, match="no metrics yet"):
        curve.draw(empty.path)
    with Metrics(empty.metrics) as metrics:
        metrics.write([(10, {"episodes": 0.0})])
    with pytest.raises(RequestError, match="no episode"):
        curve.draw(empty.path)
    with pytest.raises(RequestError, match=r"use \.png"):
        curve.draw(run.path, tmp_path / "curve.nonsense")


def test_without_matplotlib_the_line_names_what_to_install(run, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.delitem(sys.modules, "matplotlib.figure", raising=False)
    with pytest.raises(RequestError) as refusal:
        curve.draw(run.path)
    assert str(refusal.value) == extras.absent("matplotlib", "a picture")


def test_from_the_shell_it_draws_and_refuses_with_status_2(run, tmp_path, capsys):
    assert curve.main([str(run.path), "--out", str(tmp_path / "c.png")]) == 0
    assert curve.main([str(tmp_path / "nothing")]) == 2
    output = capsys.readouterr()
    assert output.out == f"wrote {tmp_path / 'c.png'}\n"
    assert output.err.count("\n") == 1 and "does not exist" in output.err


def test_importing_it_does_not_import_matplotlib():
    code = "import sys, hamlet.reports.pictures.curve; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def _texts(path):
    """The picture's words: matplotlib keeps each as a comment in an SVG."""
    return " ".join(line.strip() for line in path.read_text().splitlines() if line.strip().startswith("<!--"))
