"""The examples run, as a user runs them."""

import pytest

from documents import ROOT


@pytest.mark.slow
def test_a_drift_of_ones_own_trains_and_its_team_plays_in_mpe2(run, tmp_path):
    pytest.importorskip("mpe2")
    words = "--steps", 200, "--num-envs", 1, "--hidden", 8, "--out", "a"
    assert "mean team return" in run(ROOT / "examples/own_drift.py", *words)
    assert '"import": "own_drift:LogDrift"' in (tmp_path / "a" / "config.json").read_text()
    assert "mean team return of 2 episodes: -" in run(ROOT / "examples/play_in_mpe2.py", "a", "--episodes", 2)
