"""The learning gate: every on-policy algorithm learns small games, and nothing but learning explains it."""

import pytest

from combinations import LEARNT
from documents import ROOT
from gate import GATE, TASKS, measure, table
from hamlet.algorithms import ALGORITHMS
from offpolicy import ON_POLICY

ROWS = []
# A program takes seconds to compile: in the default tests those that are known play one game, one that is new both.
SLOW = {(name, "match bits") for name in ("haa2c", "happo", "hatrpo", "ippo", "mappo", "maa2c", "matrl")}
SLOW |= {(name, game) for name in ON_POLICY for game in TASKS if LEARNT[name]}
PAIRS = [
    pytest.param(name, game, id=f"{name}-{game}", marks=pytest.mark.slow if (name, game) in SLOW else ())
    for game in TASKS
    for name in ON_POLICY
    if (name, game) in GATE
]


@pytest.fixture(scope="module", autouse=True)
def _printed(request):
    """The table, on the terminal once this worker's rows are there."""
    yield
    if ROWS:
        with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
            print("\n" + table(ROWS))


@pytest.mark.parametrize(("name", "game"), PAIRS)
def test_it_learns_the_game_and_no_control_does(name, game):
    row = measure(name, game)
    ROWS.append(row)
    assert row.passes, table([row])
    assert row.trained <= row.optimum + 1e-4
    assert row.controls["learning rate 0"] == row.controls["untrained"]


def test_the_page_has_every_algorithm_above_its_threshold_and_every_control_below():
    text = (ROOT / "docs" / "learning.md").read_text(encoding="utf-8")
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    rows = {tuple(cells[:2]): cells[2:] for cells in lines if len(cells) == 10}
    for name, game in GATE:
        if ALGORITHMS[name].__module__.startswith("hamlet."):
            task = TASKS[game]
            *controls, threshold, trained, optimum = rows[name, game]
            assert (float(threshold), float(optimum)) == (task.threshold, task.optimum)
            assert all(value == "—" or float(value) < task.threshold for value in controls)
            assert float(trained) > task.threshold
