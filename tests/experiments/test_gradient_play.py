"""MATRL's table 1 comes out, and so does what it does not say; pictures of single games."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from documents import ROOT
from hamlet import cli
from hamlet.commands import games as command
from hamlet.errors import RequestError
from hamlet.experiments import gradient_play
from hamlet.reports.pictures import gradient_play as report

# An independent reproduction: rate and mean steps by class, 1,000 games of each. The last rates' standard error: .013.
REPRODUCED = {
    "IGA β=.02": ((0.991, 132), (0.976, 101), (0.780, 457)),
    "IGA-PP β=.02 γ=.01": ((0.991, 130), (0.983, 97), (0.827, 438)),
    "MATRL β=.03 η=.02": ((0.996, 91), (0.981, 70), (0.861, 340)),
    "WoLF-IGA .02/.06": ((0.994, 62), (0.994, 50), (0.956, 178)),
    "MATRL β=.02 η=.02": ((0.991, 130), (0.976, 99), (0.799, 450)),
    "MATRL w/o BR η=.02": ((0.991, 132), (0.976, 100), (0.782, 459)),
    "IGA β=.03": ((0.996, 92), (0.981, 71), (0.844, 344)),
    "IGA-PP β=.03 γ=.02": ((0.997, 90), (0.993, 67), (0.929, 318)),
    "IL-PP β=.03 η=.02": ((0.996, 91), (0.981, 70), (0.861, 340)),
}


def table(*words):
    """The table by a process of its own: the tests' programs are not optimised, and it has much to compute."""
    words = [sys.executable, "-m", "hamlet.cli", "games", "table1", "--json", *words]
    done = subprocess.run(words, env=os.environ | {"XLA_FLAGS": ""}, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def found():
    """As it is by default."""
    return table()


def apart(row, others):
    """How far the rate and, as a share, the steps are from others', class by class."""
    ours = np.array([(one["rate"], one["steps"]) for one in row["classes"].values()])
    return np.abs(ours[:, 0] - np.array(others)[:, 0]), np.abs(ours[:, 1] / np.array(others)[:, 1] - 1)


@pytest.mark.slow
def test_table_1_is_that_of_the_paper(found):
    held = [row for row in found["rows"] if row["paper"]]
    assert [row["name"].split()[0] for row in held] == ["IGA", "IGA-PP", "MATRL"]
    for row in held:
        rate, steps = apart(row, list(row["paper"].values()))
        assert (rate <= 0.04).all() and (steps <= 0.20).all(), row["name"]


def test_every_row_is_that_of_an_independent_reproduction(found):
    rows = {row["name"]: row for row in found["rows"]}
    for name, others in REPRODUCED.items():
        rate, steps = apart(rows[name], others)
        # How soon WoLF arrives hangs on which of three equilibria it is given, which no source says.
        most = 0.20 if name.startswith("WoLF") else 0.12
        assert (rate <= 0.04).all() and (steps <= most).all(), name


@pytest.mark.slow
def test_on_twenty_thousand_games_of_each_class_every_row_is_that_of_the_reproduction():
    rows = {row["name"]: row for row in table("--games", "20000", "--seed", "1")["rows"]}
    for name, others in REPRODUCED.items():
        rate, steps = apart(rows[name], others)
        assert (rate <= 0.04).all() and (steps <= 0.12).all(), name


def test_at_equal_steps_most_of_the_gain_is_the_step_and_the_meta_game_hardly_binds(found):
    rows = {row["name"]: row["classes"]["cyclic"] for row in found["rows"]}
    lead = rows["MATRL β=.03 η=.02"]["rate"] - rows["IGA β=.02"]["rate"]
    assert rows["IGA β=.03"]["rate"] - rows["IGA β=.02"]["rate"] > 0.5 * lead > 0
    assert rows["MATRL β=.03 η=.02"] == pytest.approx(rows["IL-PP β=.03 η=.02"], abs=0.01)
    small, large = (found["meta_game_at_random_points"][size].values() for size in ("0.02", "1"))
    assert min(one["both as predicted"] for one in small) > 0.96
    assert max(one["both as predicted"] for one in large) < 0.7


def test_with_steps_of_one_the_meta_game_keeps_what_il_pp_loses(found):
    rows = {row["name"]: row["classes"] for row in found["rows"]}
    bound, unbound = rows["MATRL β=η=1"], rows["IL-PP β=η=1"]
    assert bound["coordination"]["rate"] > unbound["coordination"]["rate"] + 0.03
    assert bound["cyclic"]["stays"] > unbound["cyclic"]["stays"] + 0.1


def test_the_table_says_both_and_what_it_shows(found, monkeypatch, capsys):
    monkeypatch.setattr(gradient_play, "measure", lambda games, seed: found)
    assert cli.main(["games", "table1"]) == 0
    text = capsys.readouterr().out
    for row in (*found["rows"], *gradient_play.SECTIONS):
        assert (row if isinstance(row, str) else row["name"]) in text
    assert "0.846 / 369.4" in text and "MATRL is better than IGA β=.02 mostly because its step is larger" in text
    assert "coordination 9" in text and max(map(len, text.splitlines())) <= 150
    assert cli.main(["games", "table1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == found


def test_the_page_has_the_table_of_the_record_and_that_is_what_comes_out_today(found):
    recorded = json.loads((ROOT / "benchmarks/records/games-table1.json").read_text(encoding="utf-8"))["result"]
    page = (ROOT / "docs/games.md").read_text(encoding="utf-8")
    assert "\n".join(f"    {line}".rstrip() for line in report.lines(recorded["table"])) in page
    for row, then in zip(found["rows"], recorded["table"]["rows"], strict=True):
        assert row["name"] == then["name"]
        for name, one in row["classes"].items():
            assert one["rate"] == pytest.approx(then["classes"][name]["rate"], abs=0.003)


def test_rules_that_never_arrive_have_no_steps(found):
    nowhere = {name: {"rate": 0.0, "steps": None, "stays": 0.0} for name in gradient_play.CLASSES}
    row = {**found["rows"][0], "classes": nowhere}
    assert "0.000 / – (0.000)" in "\n".join(report.lines({**found, "rows": [row, *found["rows"]]}))


@pytest.mark.slow
def test_a_game_is_drawn_with_its_paths_and_its_region(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    words = ["games", "dynamics", "matching-pennies", "--rule", "matrl,iga", "--steps", "1000", "--out"]
    assert cli.main([*words, str(tmp_path / "pennies.svg")]) == 0
    text = capsys.readouterr().out
    assert "matrl: within 0.05 of the equilibrium (0.500, 0.500) at step " in text
    assert "iga: never within 0.05 of an equilibrium" in text
    drawn = (tmp_path / "pennies.svg").read_text(encoding="utf-8")
    assert drawn.count("<path") > 1000, "the boxes of the trust stable region, one for every step"


def test_games_have_names_classes_and_files(tmp_path):
    (tmp_path / "dilemma.json").write_text("[[[-1, -3], [0, -2]], [[-1, 0], [-3, -2]]]")
    assert (command.payoffs(str(tmp_path / "dilemma.json"), 0) == command.payoffs("prisoners_dilemma", 0)).all()
    assert command.payoffs("cyclic", 3).shape == (2, 2, 2)
    for name in command.GAMES:
        assert len(gradient_play.equilibria(command.payoffs(name, 0))) in (1, 2, 3), name
    (tmp_path / "three.json").write_text(json.dumps(np.zeros((2, 3, 3)).tolist()))
    with pytest.raises(RequestError, match="is a 3 × 3 game; only 2 × 2 games"):
        command.payoffs(str(tmp_path / "three.json"), 0)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("tabel1", "hamlet games has no command 'tabel1'; the nearest is 'hamlet games table1'"),
        ("dynamics", "GAME is missing"),
        ("dynamics chiken", "there is no game 'chiken'; the nearest is 'chicken'"),
        ("dynamics chicken --rule matrl,ig", "there is no rule 'ig'; the nearest is 'iga'"),
        ("dynamics chicken --rule ,", "--rule is empty; give one or more of iga"),
        ("dynamics chicken --start 0.9", "--start must be two probabilities, such as 0.9,0.2, got '0.9'"),
        ("dynamics chicken --start 1.2,nan", "the nearest is 1,0.5"),
        ("dynamics chicken --step -1", "--step must be above 0, got -1.0"),
        ("dynamics chicken --predicted inf", "--predicted must be above 0, got inf"),
        ("dynamics chicken --rule wolf-iga --step 0.1", "the rule wolf-iga has no option --step"),
        ("dynamics chicken --steps 0", "--steps must be from 1 to 100,000, got 0"),
        ("dynamics chicken --out chicken.jpeg2", "chicken.jpeg2 must end in .png, .svg or .pdf"),
        ("table1 --games 0", "--games must be in [1, 100,000], got 0"),
        ("table1 --seed -1", "--seed must be in [0, 4294967295], got -1"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_before_anything_is_played(words, line, capsys, monkeypatch):
    monkeypatch.setattr(gradient_play, "walk", lambda *_: pytest.fail("it played"))
    assert cli.main(["games", *words.split()]) == 2
    text = capsys.readouterr().err
    assert line in text and text.count("\n") == 1
