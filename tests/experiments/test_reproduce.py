"""A paper's table, run here: interrupted anywhere it ends the same, and it says what it is not."""

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tiny
from documents import ROOT
from hamlet import extras
from hamlet.cli import main
from hamlet.errors import RequestError
from hamlet.experiments import cost, execute, registry, tables
from hamlet.experiments.execute import FailedCells
from hamlet.experiments.grid import ExperimentCell
from hamlet.training.loop import Loop
from hamlet.training.run_completion import complete


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(registry.GRIDS, tiny.GRID.name, tiny.GRID)
    monkeypatch.setattr(execute.jax, "clear_caches", lambda: None)


def reproduce(*words):
    return main(["reproduce", tiny.GRID.name, *words])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The grid carried out once, undisturbed."""
    out = tmp_path_factory.mktemp("grid") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(execute.jax, "clear_caches", lambda: None)  # only that a long grid may not run out of maps
        patch.setitem(registry.GRIDS, tiny.GRID.name, tiny.GRID)
        assert reproduce("--out", str(out), "--quiet") == 0
    return out


def texts(out):
    return (out / "table.md").read_text(), (out / "table.json").read_text()


def row(algorithm, scores):
    return tables.TableRow(
        tiny.cell(algorithm, published=3.0), 120, scores, -2.0, tables.mean(list(scores.values())), {}
    )


@pytest.mark.slow
def test_the_table_has_ours_beside_the_published_with_an_interval_over_seeds(whole):
    text, document = texts(whole)
    assert "| happo |" in text and "| 11.0 |" in text and "A note." in text
    (found,) = json.loads(document)["rows"]
    scores = list(found["scores"].values())
    assert len(scores) == 2 and found["mean"] == pytest.approx(sum(scores) / 2)
    assert found["interval"] == pytest.approx([min(scores), max(scores)])
    seeds = [json.loads((tiny.GRID.cells[0].run(whole, seed) / "config.json").read_text())["seed"] for seed in (0, 1)]
    assert seeds == [0, 1]
    assert found["algorithm_name"] == "happo" and len({*scores, found["random"]}) == 3  # none is like another


def test_the_order_is_told_where_intervals_lie_apart_and_left_out_where_they_do_not():
    best, worse = row("happo", dict(enumerate([9.0, 9.5, 9.2, 9.1]))), row("mappo", dict(enumerate([1.0, 2, 1.5, 1.1])))
    assert "happo above mappo" in tables.markdown(tiny.WIDE, tiny.WIDE, [best, worse])
    few = row("mappo", {0: 1.0, 1: 2.0})
    text = tables.markdown(tiny.WIDE, tiny.WIDE, [best, few])
    assert "above" not in text and "No order between happo and mappo: 2 runs of a task are too few" in text
    alone = row("mappo", {0: 1.0})
    assert "| mappo | 1.00 | -2.00 | 3.00 | 120 | 1 of 2 |" in tables.markdown(tiny.WIDE, tiny.WIDE, [best, alone])


@pytest.mark.slow
@pytest.mark.parametrize("where", [2])
def test_stopped_within_any_run_and_asked_again_it_ends_with_the_same_table(
    whole, tmp_path, monkeypatch, where, capsys
):
    out, count, record = tmp_path / "grid", [0], Loop._record

    def stop(self, *arguments):
        record(self, *arguments)
        count[0] += 1
        if count[0] == 2 * where:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Loop, "_record", stop)
    assert reproduce("--out", str(out), "--quiet") == 1
    assert f"to continue: hamlet reproduce tiny/product --out {out}" in capsys.readouterr().err
    assert not (out / "table.md").exists()
    monkeypatch.setattr(Loop, "_record", record)
    assert reproduce("--out", str(out), "--quiet") == 0
    assert texts(out) == texts(whole)


def test_what_is_finished_is_never_trained_or_judged_again(whole, monkeypatch):
    before = texts(whole)
    monkeypatch.setattr(execute, "complete", None)
    monkeypatch.setattr(execute.final_evaluation, "judge", None)
    assert reproduce("--out", str(whole), "--quiet") == 0
    assert texts(whole) == before


def test_a_run_of_other_settings_is_not_taken_for_the_one_that_is_asked_for(whole):
    other = dataclasses.replace(tiny.GRID.cells[0], changes=tiny.GRID.cells[0].changes | {"clip": 0.1})
    algorithm, env = other.declare()
    with pytest.raises(RequestError, match="contains a run with another algorithm, or other settings of it"):
        complete(algorithm, env, seeds={0: other.run(whole, 0)}, steps=120, labels={})


def test_a_run_that_failed_is_named_and_the_others_are_carried_out(tmp_path, monkeypatch, capsys, whole):
    def fail(algorithm, env, *, seeds, **rest):
        raise execute.RunError("copy 3 fell")

    monkeypatch.setattr(execute, "complete", fail)
    assert reproduce("--out", "grid", "--quiet") == 1
    assert "2 runs failed" in capsys.readouterr().err
    text = Path("grid/table.md").read_text()
    assert "* Product, happo, seed 1 failed: copy 3 fell" in text and "| happo | not run |" in text


def test_shorter_runs_and_fewer_seeds_are_marked(whole, monkeypatch):
    small = tiny.GRID.shortened(seeds=1, steps=80)
    monkeypatch.setattr(tables, "finished", lambda cell, path: False)
    text = tables.markdown(small, tiny.GRID, tables.rows(small, tiny.GRID, whole, FailedCells()))
    assert "**Smaller than the original (at most 80 steps per run, 1 of 2 seeds): do not compare" in text
    assert "| 80 of 120 | 0 of 1 |" in text and "No run is finished." in text


def test_a_dry_run_says_the_cost_and_begins_nothing(tmp_path, capsys):
    assert reproduce("--dry-run", "--out", "grid") == 0
    text = capsys.readouterr().out
    assert "on this machine for 0.00024 M steps" in text and "disk:" in text
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_is_counted_and_a_finished_grid_costs_nothing(whole):
    left = cost.estimate(tiny.GRID.shortened(seeds=3, steps=None), whole, rate=1e11)
    assert [one.left for one in left] == [120] and all(one.measured for one in left)
    done = cost.estimate(tiny.GRID, whole, rate=1e11)
    assert "all runs are trained" in cost.lines(done, 1)[0]


RECORDED = [
    ("speed-happo", "happo", "mpe/simple_spread"),
    ("speed-hatrpo", "hatrpo", "mpe/simple_spread"),
    ("speed-hatd3", "hatd3", "mpe/simple_spread"),
    ("speed-mamujoco-training", "happo", "mamujoco/HalfCheetah-2x3"),
    ("speed-hatd3-mamujoco", "hatd3", "mamujoco/HalfCheetah-2x3"),
]


@pytest.mark.parametrize(("record", "algorithm", "environment"), RECORDED)
def test_the_counted_speed_is_within_a_factor_of_two_of_the_recorded(record, algorithm, environment):
    if environment.startswith("mamujoco"):
        pytest.importorskip("mujoco")
    measured = json.loads((ROOT / f"benchmarks/records/{record}.json").read_text())["result"]["env_steps_per_second"]
    made, env = ExperimentCell(task="", algorithm=algorithm, environment=environment, steps=1).declare()
    assert 0.5 < measured * cost.seconds_per_step(made, env, environment, rate=2e11) < 2


def test_every_cell_of_every_grid_can_be_declared():
    for grid in registry.GRIDS.values():
        places = [cell.place for cell in grid.cells]
        assert len(set(places)) == len(places)
        for cell in grid.cells:
            if not cell.environment.startswith("mamujoco"):
                cell.declare()


def test_a_unit_survives_the_way_to_another_process(tmp_path):
    unit = execute.Unit(tiny.GRID.cells[0], (0, 3))
    assert execute.Unit.read(unit.words(tmp_path)) == (unit, tmp_path)


def test_seeds_share_a_program_where_there_are_cells_enough(tmp_path):
    assert [unit.seeds for unit in execute.units(tiny.WIDE, tmp_path, 2)] == [(0, 1), (0, 1)]
    assert [unit.seeds for unit in execute.units(tiny.WIDE, tmp_path, 3)] == [(0,), (1,), (0,), (1,)]


WRONG = [
    (["tiny/produc"], "nearest is 'tiny/product'"),
    (["harl/table1"], "need the game StarCraft II"),
    (["--seeds", "2"], "NAME is missing: give one of harl/fig5"),
    (["tiny/product", "--seeds", "0"], "--seeds must be at least 1, got 0"),
    (["tiny/product", "--workers", "0"], "--workers must be at least 1"),
    (["tiny/product", "--worker", "2"], "nearest is --workers"),
    (["tiny/product", "--out", "full"], "full is not empty and contains no grid"),
    (["tiny/product", "--out", "whole", "--steps", "80"], "contains a grid with a different value of steps"),
    (["harl/table3", "--workers", "2"], "measures time"),
]


@pytest.mark.parametrize(("argv", "said"), WRONG)
def test_what_cannot_be_asked_for_is_refused_in_one_line(argv, said, whole, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    argv = [str(whole) if word == "whole" else word for word in argv]
    assert main(["reproduce", *argv]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_without_a_name_it_lists_what_there_is_and_what_is_not(capsys):
    assert main(["reproduce"]) == 0
    text = capsys.readouterr().out
    assert "harl/fig5" in text and "harl/table2" in text and "not available" in text


def test_ray_is_refused_in_one_line_where_it_is_absent(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert reproduce("--ray", "--out", "grid") == 2
    assert f"run {extras.install_line('ray', 'ray')}, or leave out --ray" in capsys.readouterr().err


def run_tiny(*words, **rest):
    """In a process of its own, where a signal ends what it should."""
    command = [sys.executable, str(ROOT / "tests/tiny.py"), *words]
    path = os.pathsep.join((str(ROOT / "src"), os.environ.get("PYTHONPATH", "")))
    return subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stderr=subprocess.PIPE, text=True, **rest)


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """Two cells, one run after another in one process."""
    out = tmp_path_factory.mktemp("wide") / "grid"
    process = run_tiny("--out", str(out), "--quiet", stdout=subprocess.DEVNULL)
    assert process.communicate() == (None, "") and process.returncode == 0
    return out


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_killed_at_any_moment_and_begun_again_it_ends_with_the_same_table(wide, tmp_path, workers):
    """Until it comes to its end: killed after 2 to 14 seconds, again and again."""
    chance, out = random.Random(workers), tmp_path / "grid"
    for kills in range(40):
        process = run_tiny("--out", str(out), "--quiet", "--workers", str(workers), stdout=subprocess.DEVNULL)
        try:
            process.communicate(timeout=chance.uniform(2, 14) + kills)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            continue
        assert process.returncode == 0
        break
    print(f"killed {kills} times")
    assert kills >= 2
    assert texts(out) == texts(wide)


@pytest.mark.slow
def test_workers_end_with_the_process_that_began_them(tmp_path):
    process = run_tiny("--out", str(tmp_path / "grid"), "--workers", "2", stdout=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while len(children(process.pid)) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    found = children(process.pid)
    process.kill()
    process.communicate()
    assert len(found) == 2
    until = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in found) and time.monotonic() < until:
        time.sleep(0.1)
    assert not any(Path(f"/proc/{child}").exists() for child in found)


def children(parent):
    return Path(f"/proc/{parent}/task/{parent}/children").read_text().split()


@pytest.mark.slow
def test_two_ray_workers_give_the_same_table_as_one_process(wide, tmp_path):
    pytest.importorskip("ray", reason="needs the extra ray")
    for workers in ("1", "2"):
        out = tmp_path / workers
        process = run_tiny("--out", str(out), "--quiet", "--ray", "--workers", workers, stdout=subprocess.DEVNULL)
        assert process.communicate(timeout=400)[1] == "" and process.returncode == 0
        assert texts(out) == texts(wide)


def test_room_is_told_for_as_many_runs_as_go_on_at_once_the_largest_of_those_that_are_left():
    cell = tiny.GRID.cells[0]
    sizes = [(5, 4_000_000_000), (5, 1_000_000_000), (5, 2_000_000_000), (0, 9_000_000_000)]
    costs = [cost.Cost(cell, left, 60.0, 1, meanwhile, False) for left, meanwhile in sizes]
    for workers, room in ((1, "4.0 GB"), (2, "6.0 GB")):
        assert f"up to {room} more during training" in cost.lines(costs, workers)[0]


def test_a_score_is_that_of_one_agent_where_the_paper_counts_so(monkeypatch):
    judged = {"mean": 6.0, "agent_returns": {"a": 2.0, "b": 4.0}}
    monkeypatch.setattr(tables, "point", lambda path: judged)
    for each, score in ((False, 6.0), (True, 3.0)):
        cell = dataclasses.replace(tiny.GRID.cells[0], each=each)
        assert tables._score(tiny.GRID, cell, Path("a")) == score
