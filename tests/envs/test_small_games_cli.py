"""Small games on the command line: listed, refused in one line, and plain about what is trained."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from hamlet.cli import main
from hamlet.envs import ENVIRONMENTS, make
from hamlet.training.run import SavedRun

pytestmark = pytest.mark.usefixtures("programs_once")

SMALL = ["--hidden", "8", "--num-envs", "16", "--rollout-length", "4", "--epochs", "1", "--critic-epochs", "1"]
SMALL += ["--evaluate-episodes", "0"]
TEAM = "every agent is trained on the team's reward, which is the sum of all agents' rewards"


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_the_list_has_one_line_for_each_with_what_it_is_and_its_options(capsys):
    assert main(["list", "envs"]) == 0
    # What does not fit into the width goes on below, behind spaces.
    lines = re.sub(r"\n\s+(?=\S)", " ", capsys.readouterr().out).splitlines()
    for name in ENVIRONMENTS:
        (line,) = (line for line in lines if line.split()[0] == name)
        assert line.endswith(")") and len(line.split()) > 3 and "class" not in line
    assert any(line.startswith("matrix/file") and "path" in line.split("(")[-1] for line in lines)
    assert any(line.startswith("matrix/penalty") and "(k, rounds)" in line for line in lines)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["matrix/climbin"], "'matrix/climbing'"),
        (["matrix/file"], "--env.path is missing: it takes a path"),
        (["matrix/file", "--env.path", "gone.json"], "gone.json cannot be read"),
        (["matrix/penalty", "--env.kk", "3"], "nearest is --env.k "),
        (["matrix/example_2", "--env.agents", "5"], "the nearest is 6"),
    ],
)
def test_a_wrong_request_is_one_line(capsys, argv, said):
    assert main(["train", "happo", *argv]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err


@pytest.mark.slow
def test_a_cooperative_algorithm_trains_on_the_sum_of_a_general_sum_game_and_says_so(capsys):
    Path("dilemma.json").write_text(json.dumps([[[-1, -3], [0, -2]], [[-1, 0], [-3, -2]]]))
    argv = ["train", "happo", "matrix/file", "--env.path", "dilemma.json", "--steps", "128", "--out", "a"]
    assert main([*argv, *SMALL]) == 0
    assert TEAM in capsys.readouterr().err
    assert json.loads(Path("a/config.json").read_text())["environment"]["payoffs"] == [
        [[-1, -3], [0, -2]],
        [[-1, 0], [-3, -2]],
    ]
    Path("dilemma.json").unlink()  # the run holds the numbers
    np.testing.assert_array_equal(SavedRun(Path("a")).environment.payoffs, make("matrix/prisoners_dilemma").payoffs)


@pytest.mark.slow  # test_loop holds the rule itself
def test_a_constant_sum_is_refused_by_an_algorithm_for_teams_and_taken_by_one_that_keeps_rewards_apart(capsys):
    argv = ["matrix/matching_pennies", "--steps", "128", *SMALL, "--out"]
    assert main(["train", "happo", *argv, "a"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    reason = "the agents' rewards sum to a constant, so the team as a whole has nothing to learn"
    assert error == f"hamlet: {reason}; use matrl or ippo" and not Path("a").exists()
    assert main(["train", "ippo", *argv, "b"]) == 0
    assert TEAM not in capsys.readouterr().err
