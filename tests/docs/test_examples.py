"""The examples run, as a user runs them."""

import os
import subprocess
import sys

import pytest

import hamlet
from documents import ROOT, shrunk


def run(*words, cwd):
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, env=environment, capture_output=True, text=True, check=True
    )


def test_a_drift_of_ones_own_trains_and_is_named_in_the_configuration(tmp_path):
    found = run(ROOT / "examples/own_drift.py", "--steps", 400, "--copies", 2, "--out", "a", cwd=tmp_path)
    assert "mean team return" in found.stdout
    assert '"type": "own_drift:LogDrift"' in (tmp_path / "a" / "config.json").read_text()


def test_a_trained_team_plays_in_mpe2(tmp_path):
    pytest.importorskip("mpe2")
    env = hamlet.envs.make("mpe/simple_speaker_listener", continuous=False)
    hamlet.train(shrunk(hamlet.algorithms.ippo()), env, steps=20, out=tmp_path / "a", quiet=True)
    found = run(ROOT / "examples/play_in_mpe2.py", "a", "--episodes", 2, cwd=tmp_path)
    assert "mean team return of 2 episodes: -" in found.stdout
