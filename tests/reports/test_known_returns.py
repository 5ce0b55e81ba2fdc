"""What stands at 1: the optimum where it is known, with a gap to it, else the best run, without one; constant sums."""

import csv
import io
import json

import numpy as np
import pytest

from hamlet.bench.baseline.runs import make
from hamlet.errors import RequestError
from hamlet.reports import page
from hamlet.reports.data.run_data import read, read_all
from hamlet.reports.data.scores import normalised
from hamlet.reports.document import gather
from hamlet.reports.report import write
from hamlet.runs.metrics import Metrics

DESCRIBED = {"versions": {}, "hardware": {}, "platform": "b", "revision": None}
STEPS = (500, 1_000)


def played(path, task, seed, *, returns, random, steps=STEPS, algorithm="ippo"):
    """A run whose every evaluation gave these returns ``[episodes, n]``, and random play those."""
    run = make(path, algorithm, task, seed, steps=steps[-1], rollouts=10, described=DESCRIBED)
    names = [f"agent_{number}" for number in range(len(returns[0]))]
    points = [
        {"step": 0, "mode": "random", "episodes": 2, "seed": 1, **told(random, names)},
        {"step": steps[-1], "mode": "deterministic", "episodes": 2, "seed": 1, **told(returns, names)},
        {"step": steps[-1], "mode": "deterministic", "metric": "absolute", "run_steps": steps[-1], "episodes": 2}
        | {"seed": 2, **told(returns, names)},
    ]
    (run / "evaluation.json").write_text(json.dumps(points))
    mean = np.asarray(returns).sum(-1).mean()
    with Metrics(run / "metrics.sqlite") as metrics:
        metrics.truncate(0)
        metrics.write((step, {"return": mean, "env_steps_per_second": 1e4}) for step in steps)
        for step in steps:
            metrics.write_evaluation(
                step,
                {"evaluation/return": mean},
                returns=np.asarray(returns, float),
                lengths=np.full(len(returns), 1),
                agents=tuple(names),
                mode="deterministic",
                seed=1,
            )
    return run


def told(returns, names):
    team = np.asarray(returns, float).sum(-1)
    return {
        "mean": team.mean(),
        "standard_error": 0.0,
        "returns": team.tolist(),
        "lengths": [1] * len(team),
        "agent_returns": dict(zip(names, np.mean(returns, 0).tolist(), strict=True)),
    }


def rows(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def failed(tmp_path_factory):
    """All runs of climbing earned 0 of 8, all of penalty 2 of 10; and their report."""
    root = tmp_path_factory.mktemp("failed")
    for seed in range(2):
        played(root / f"climbing-{seed}", "matrix/climbing", seed, returns=[[0, 0]] * 2, random=[[-4, -4]] * 2)
        played(root / f"penalty-{seed}", "matrix/penalty", seed, returns=[[1, 1]] * 2, random=[[-9, -9]] * 2)
    return root, write([root], root / "report")


def test_where_all_runs_fail_alike_the_gap_to_the_known_optimum_says_so_everywhere(failed):
    root, document = failed
    gaps = {"matrix/climbing": 8 / (8 + 40 / 9), "matrix/penalty": 8 / (10 + 178 / 9)}
    for group, task in zip(document["groups"], document["tasks"], strict=True):
        assert group["gap"][0] == pytest.approx(gaps[task["name"]], rel=1e-4)
    (overall,) = document["overall"]["rows"]
    mean = np.mean(list(gaps.values()))
    assert overall["optimality_gap"][0] == pytest.approx(mean, rel=1e-4)
    assert overall["mean"][0] == pytest.approx(1 - mean, rel=1e-4)
    assert "1 is the optimum of each environment" in document["overall"]["how"]
    text, table = ((root / "report" / name).read_text() for name in ("report.md", "table.csv"))
    assert "The optimum is 8.00." in text and text.count("optimality gap |") == 3
    found = {row["environment"]: float(row["value"]) for row in rows(table) if row["measure"] == "optimality gap"}
    assert found == pytest.approx(gaps | {"all environments": mean}, rel=1e-4)
    file = json.loads((root / "report" / "marl-eval.json").read_text())
    assert file["matrix"]["climbing"]["ippo"]["seed_0"]["step_1"]["return"] == [0.0, 0.0]


def test_without_a_known_optimum_there_is_no_gap_and_it_is_said_what_1_is(tmp_path):
    for task in ("mpe/simple_spread", "mpe/simple_reference"):
        played(tmp_path / task[4:], task, 0, returns=[[-9.0, -9.0]] * 2, random=[[-40.0, -40.0]] * 2)
    document = write([tmp_path], tmp_path / "report")
    overall = document["overall"]
    assert overall["rows"][0]["optimality_gap"] is None and overall["rows"][0]["iqm"][0] == 1
    assert "1 is the best run of each environment in this report; no optimum is known" in overall["how"]
    assert all(group["gap"] is None for group in document["groups"])
    text, table = ((tmp_path / "report" / name).read_text() for name in ("report.md", "table.csv"))
    assert "optimality gap |" not in text and "optimality gap," not in table


def test_where_one_optimum_of_two_is_known_both_ends_are_named_and_there_is_no_gap():
    found = normalised({"a": {"x": [5.0], "y": [2.0]}}, {"x": 0.0, "y": 1.0}, {"x": 10.0})
    assert found.scores == {"a": {"x": [0.5], "y": [1.0]}} and not found.known
    assert "or on y the best run" in found.how and found.ends == "0 random play, 1 the optimum or best run"
    # Nothing is put on a scale whose ends are the same, or of which one is not known.
    assert normalised({"a": {"x": [5.0], "y": [1.0]}}, {"x": 0.0, "y": 1.0}, {}) is None
    assert normalised({"a": {"x": [5.0], "y": [1.0]}}, {"x": 0.0}, {"x": 10.0, "y": 3.0}) is None


@pytest.fixture(scope="module")
def pennies(tmp_path_factory):
    root = tmp_path_factory.mktemp("pennies")
    for seed in range(2):
        episodes = [[1, -1], [1, -1], [1, -1], [-1, 1]]
        played(root / f"seed-{seed}", "matrix/matching_pennies", seed, returns=episodes, random=[[1, -1], [-1, 1]])
    return root, write([root], root / "report")


def test_a_constant_sum_is_reported_by_agents_and_wins_and_not_by_the_team(pennies):
    root, document = pennies
    (task,), (group,) = document["tasks"], document["groups"]
    assert task["constant_sum"] and "cannot rank policies" in task["verdict"] and group["final"] == {}
    first, second = group["sides"]
    assert (first["agent"], first["return"]["iqm"][0], first["wins"][0], first["random"]) == ("agent_0", 0.5, 0.75, 0)
    assert (second["return"]["mean"][0], second["wins"][0]) == (-0.5, 0.25)
    assert first["curves"]["steps"]["y"] == [0.5, 0.5] and second["curves"]["seconds"]["y"] == [-0.5, -0.5]
    text = (root / "report" / "report.md").read_text()
    assert "| ippo | agent_1 | 2 | 1,000 | −0.500 [" in text and "0.00 [" not in text
    curves = rows((root / "report" / "curves.csv").read_text())
    assert {row["algorithm"]: row["iqm"] for row in curves} == {"ippo: agent_0": "0.5", "ippo: agent_1": "-0.5"}
    scores = {row["measure"]: row["value"] for row in rows((root / "report" / "table.csv").read_text())}
    assert scores["wins of agent_0"] == "0.75" and "iqm" not in scores
    file = json.loads((root / "report" / "marl-eval.json").read_text())
    step = file["matrix"]["matching_pennies"]["ippo"]["seed_0"]["step_0"]
    assert step["agent_0_return"] == [1, 1, 1, -1] and step["return"] == [0.0] * 4


def test_episodes_that_failed_or_were_cut_and_play_against_random_stand_in_the_report(tmp_path):
    run = played(tmp_path / "run", "matrix/matching_pennies", 0, returns=[[1, -1], [-1, 1]], random=[[1, -1]] * 2)
    points = json.loads((run / "evaluation.json").read_text())
    beaten = [{"agents": ["agent_0"], "wins": 0.75}, {"agents": ["agent_1"], "wins": 0.5}]
    points[1] |= {"failed": 3, "cut": 1, "max_episode_steps": 100, "constant_sum": 0.0, "against_random": beaten}
    (run / "evaluation.json").write_text(json.dumps(points))
    document = write([run], tmp_path / "report")
    said = "of the 2 episodes of the deterministic evaluation at step 1,000, 3 episodes failed and were replaced"
    assert f"{said} and 1 were truncated at 100 steps" in [one["text"] for one in document["remarks"]]
    assert said in (tmp_path / "report" / "report.md").read_text()
    assert [point["failed"] for point in document["runs"][0]["points"]] == [None, 3, None]
    assert [side["against_random"][0] for side in document["groups"][0]["sides"]] == [0.75, 0.5]


def test_a_team_whose_returns_are_the_same_by_chance_is_no_constant_sum(tmp_path):
    """One joint action of the prisoner's dilemma, again and again: the sum of payoffs has an optimum."""
    unlike = [[-3.0, 0.0]] * 2
    assert not read(played(tmp_path / "a", "matrix/prisoners_dilemma", 0, returns=unlike, random=unlike)).constant_sum
    # Where nothing is declared, random play or training tell the two apart.
    assert read(played(tmp_path / "b", "mpe/simple_spread", 0, returns=unlike, random=unlike)).constant_sum
    varied = [[-3.0, 0.0], [-1.0, -1.0]]
    assert not read(played(tmp_path / "c", "mpe/simple_spread", 0, returns=unlike, random=varied)).constant_sum
    common = [[2.0, 2.0]] * 2
    assert not read(played(tmp_path / "d", "mpe/simple_spread", 0, returns=common, random=common)).constant_sum


def test_shorter_runs_are_called_shorter_and_all_can_be_reported_at_the_step_that_they_share(tmp_path):
    options = {"returns": [[-9.0, -9.0]] * 2, "random": [[-40.0, -40.0]] * 2}
    for seed in range(3):
        played(tmp_path / f"seed-{seed}", "mpe/simple_spread", seed, **options)
    played(tmp_path / "seed-3", "mpe/simple_spread", 3, steps=(500, 1_000, 1_500, 2_000), **options)
    document = write([tmp_path], tmp_path / "report")
    (remark,) = [one["text"] for one in document["remarks"] if one["run"].startswith("ippo")]
    assert remark == (
        "3 of 4 runs are shorter than 2,000 steps and left out of the group's numbers; "
        "--steps 1000 reports all finished runs after 1,000 steps"
    )
    document = write([tmp_path], tmp_path / "report", steps=1_000)
    (group,) = document["groups"]
    assert len(group["counted"]) == 4 and group["curves"]["steps"]["x"][-1] == 1_000
    assert not [one for one in document["remarks"] if one["run"]]
    # The longer run's best policy is that of its own end.
    assert group["absolute"] == {} and "3 of 4 runs" not in (tmp_path / "report" / "report.md").read_text()
    assert [len(run) for run in json.loads((tmp_path / "report" / "marl-eval.json").read_text()).values()] == [1]
    with pytest.raises(RequestError, match="--steps must be from 1 to 2,000, the steps of the longest run, got 3,000"):
        read_all([tmp_path], steps=3_000)


ODD = ["x", [], 7, None, float("nan"), {"type": 3}]


@pytest.mark.parametrize("file", ["config.json", "evaluation.json"])
def test_no_value_of_a_damaged_file_stops_a_report(tmp_path, file):
    run = played(tmp_path / "run", "matrix/climbing", 0, returns=[[1, 1]] * 2, random=[[-4, -4]] * 2)
    whole = json.loads((run / file).read_text())
    if file == "config.json":
        whole["evaluation"] = {"mode": "deterministic", "episodes": 2}
    entries = whole if isinstance(whole, dict) else whole[1]
    for name, value in list(entries.items()):
        for odd in ODD:
            entries[name] = odd
            (run / file).write_text(json.dumps(whole))
            page.render(gather(read_all([run])))
        entries[name] = value
