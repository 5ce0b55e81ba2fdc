"""How gradient estimates vary in random team games: against slow loops, the identities, and the claim that it shows."""

import itertools
import json

import numpy as np
import pytest

from hamlet.cli import main
from hamlet.experiments.gradient_variance import METHODS, measure, rewards, variances


@pytest.fixture(scope="module")
def found():
    return measure((2, 4, 8), games=40, choices=2, seed=1)


def slow(table, policies):
    """Total variances by loops over joint actions, each with its own estimate."""
    agents, choices = table.ndim, table.shape[0]
    joint = list(itertools.product(range(choices), repeat=agents))
    chance = {a: np.prod([policies[k][c] for k, c in enumerate(a)]) for a in joint}
    own = lambda a: sum(  # noqa: E731
        chance[b] / policies[0][a] * table[b] for b in joint if b[0] == a
    )
    value = sum(chance[a] * table[a] for a in joint)
    score = [np.eye(choices)[c] - policies[0] for c in range(choices)]
    norms = np.array([(s**2).sum() for s in score])

    def credit(name, a):
        others = np.array([table[(c, *a[1:])] for c in range(choices)])
        weight = policies[0] * norms
        return {
            "none": table[a],
            "V": table[a] - value,
            "counterfactual": table[a] - policies[0] @ others,
            "optimal": table[a] - weight @ others / weight.sum(),
            "decentralised": own(a[0]) - value,
        }[name]

    made = {}
    for name in METHODS:
        estimates = [(chance[a], credit(name, a) * score[a[0]]) for a in joint]
        mean = sum(p * g for p, g in estimates)
        made[name] = sum(p * ((g - mean) ** 2).sum() for p, g in estimates)
    return made


def test_the_variances_are_those_of_a_slow_loop():
    draw = np.random.default_rng(4)
    table, policies = rewards(3, 3, draw), draw.dirichlet(np.ones(3), 3)
    others = np.multiply.outer(policies[1], policies[2]).reshape(-1)
    assert variances(table.reshape(3, -1), policies[0], others) == pytest.approx(slow(table, policies), rel=1e-9)


def test_what_is_centralised_varies_by_the_identity_more_within_the_bound_and_no_baseline_beats_the_optimal(found):
    for row in found["rows"]:
        at = {name: np.array(row[name]) for name in (*METHODS, "identity", "bound")}
        np.testing.assert_allclose(at["V"] - at["decentralised"], at["identity"], rtol=1e-9, atol=1e-12)
        assert (at["identity"] <= at["bound"]).all()
        for name in ("none", "V", "counterfactual"):
            assert (at["optimal"] <= at[name] + 1e-12).all()


def test_the_more_agents_the_more_the_centralised_estimate_varies_and_a_counterfactual_one_hardly(found):
    mean = {name: [np.mean(row[name]) for row in found["rows"]] for name in METHODS}
    assert mean["V"][0] < mean["V"][1] < mean["V"][2] and mean["V"][2] > 3 * mean["V"][0]
    assert mean["none"][2] > 3 * mean["none"][0]
    assert mean["counterfactual"][2] < 0.3 * mean["V"][2]


def test_the_command_prints_the_table_and_draws_it(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    out = tmp_path / "v.png"
    assert main(["games", "variance", "--agents", "2,3", "--games", "4", "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "4 random team games" in text and f"wrote {out}" in text and out.stat().st_size > 10_000
    assert "games (of 4) with a larger variance: OB than no baseline 0, OB than V 0, OB than COMA 0" in text
    assert main(["games", "variance", "--agents", "2", "--games", "2", "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"][0]["agents"] == 2


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--agents", "1,2"], "--agents takes numbers of at least 2"),
        (["--agents", "two"], "--agents must be whole numbers, such as 2,4,8, got 'two'"),
        (["--agents", "30"], "at most 11 agents, or --choices 2"),
        (["--games", "0"], "--games must be at least 1"),
        (["--choices", "1"], "--choices must be at least 2"),
        (["--out", "v.txt"], "the nearest is v.png"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line(words, answer, capsys):
    assert main(["games", "variance", *words]) == 2
    error = capsys.readouterr().err
    assert answer in error and error.count("\n") == 1
