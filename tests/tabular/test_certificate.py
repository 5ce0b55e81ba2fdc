"""Certificates: what mirror learning promises holds where it should, and its absence is found where it does not."""

import dataclasses
import json

import numpy as np
import pytest

import hamlet
from hamlet import algorithms, cli
from hamlet.tabular import certificate
from hamlet.tabular.markov_game import MarkovGame


@pytest.fixture(scope="module")
def certificates():
    """Of the sequential algorithm and of the one in which all move at once, on the same games."""
    make = lambda name: certificate.certify(algorithms.make(name), games=40, sweeps=12, seed=3)  # noqa: E731
    return make("haa2c"), make("maa2c")


def test_an_algorithm_of_the_theory_never_loses_return_nor_any_states_value(certificates):
    sequential, _ = certificates
    assert sequential.holds and sequential.counter_example is None
    assert sequential.fall.max() <= 1e-9 and sequential.state_fall.max() <= 1e-9
    assert (sequential.value[:, -1] > sequential.value[:, 0]).all()
    assert (sequential.reached <= 1 + 1e-9).all() and (sequential.reached > 0).all()


def test_moving_all_at_once_is_caught_with_a_game_in_which_the_return_falls(certificates):
    _, at_once = certificates
    number = at_once.counter_example
    assert not at_once.holds and number is not None
    document = json.loads(json.dumps(certificate.as_document(at_once, number)))
    parts = {name: np.array(value) for name, value in document["game"].items() if name != "discount"}
    game = MarkovGame(**parts, discount=document["game"]["discount"])
    again = [
        hamlet.tabular.evaluate(game, tuple(np.array(table) for table in policies)).value
        for policies in document["policies"]
    ]
    np.testing.assert_allclose(again, document["value"], atol=1e-9)
    assert np.diff(again).min() == pytest.approx(-at_once.fall[number], abs=1e-9) and at_once.fall[number] > 1e-3


def test_a_deterministic_gradient_is_the_same_triple_as_an_advantage_without_a_drift(certificates):
    found = certificate.certify(algorithms.haddpg(), games=40, sweeps=12, seed=3)
    np.testing.assert_allclose(found.value, certificates[0].value, rtol=0, atol=1e-10)
    np.testing.assert_array_equal(found.earned, found.value)
    assert found.holds and found.temperature is None


@pytest.mark.slow
def test_of_all_algorithms_the_triples_are_certified_and_with_entropy_by_the_return_with_it(
    tmp_path, capsys, monkeypatch
):
    found = {name: algorithms.ALGORITHMS[name] for name in ("hasac", "masac", "had3qn", "matrl")}
    monkeypatch.setattr(algorithms, "ALGORITHMS", found)
    words = ["--games", "40", "--sweeps", "12", "--seed", "3", "--out", str(tmp_path)]
    assert cli.main(["certify", *words]) == 1
    said = capsys.readouterr().out
    assert said.count("had3qn is left out: the theory") == said.count("matrl is left out") == 1
    (hasac,) = [line.split() for line in said.splitlines() if line.startswith("hasac, J_α, α = 0.2")]
    assert hasac[5:8] == ["40", "0", "0"]
    assert "quantal response equilibrium" in said
    assert not (tmp_path / "counter-example-hasac.json").exists()
    document = json.loads((tmp_path / "counter-example-masac.json").read_text())
    assert document["temperature"] == 0.2 and document["fall"] > 0.1
    kept = json.loads((tmp_path / "certificate.json").read_text())["algorithms"]["hasac"]
    assert (np.array(kept["last_value"]) > np.array(kept["last_earned"])).all()
    assert (np.array(kept["last_earned"]) <= np.array(kept["best_value"]) + 1e-9).all()
    assert cli.main(["certify", "had3qn", *words]) == 2
    assert "JointValue is no triple of drift, neighbourhood and sampling" in capsys.readouterr().err


def test_the_best_value_is_that_of_the_best_joint_policy_of_the_fixture():
    stay = np.where(np.eye(2)[None] == 1, 0.8, 0.3)[..., None] * np.array([[1.0, 0.0], [0.0, 1.0]])[:, None, None]
    leave = np.where(np.eye(2)[None] == 1, 0.2, 0.7)[..., None] * np.array([[0.0, 1.0], [1.0, 0.0]])[:, None, None]
    reward = np.array([[[1.0, 0.0], [0.0, 2.0]], [[0.0, 3.0], [1.0, 0.0]]])
    game = MarkovGame(reward, stay + leave, np.array([0.5, 0.5]), 0.9)
    assert certificate.best_value(game) == pytest.approx(22.527473, abs=1e-6)


def test_games_are_those_of_the_seed_and_of_the_sizes_named():
    games = [certificate.drawn_game(5, number) for number in range(60)]
    assert {game.agents for game in games} == {2, 3}
    assert {game.states for game in games} == {2, 3, 4, 5}
    assert {count for game in games for count in game.actions} == {2, 3, 4}
    np.testing.assert_array_equal(games[7].reward, certificate.drawn_game(5, 7).reward)
    assert not np.array_equal(games[7].reward.ravel()[:4], certificate.drawn_game(6, 7).reward.ravel()[:4])


def test_the_command_prints_a_row_draws_a_picture_and_saves_the_game_that_refutes(tmp_path, capsys):
    words = ["--games", "40", "--sweeps", "12", "--seed", "3", "--out", str(tmp_path)]
    assert cli.main(["certify", "haa2c", *words]) == 0
    assert "haa2c" in capsys.readouterr().out
    assert (tmp_path / "certificate.png").stat().st_size > 10_000
    kept = json.loads((tmp_path / "certificate.json").read_text())
    assert kept["games"] == 40 and len(kept["algorithms"]["haa2c"]["gap"]) == 40
    assert cli.main(["certify", "maa2c", *words]) == 1
    assert "counter-example-maa2c.json" in capsys.readouterr().out
    assert json.loads((tmp_path / "counter-example-maa2c.json").read_text())["fall"] > 1e-3


@dataclasses.dataclass(frozen=True)
class Variation:
    """Total variation: not flat at the old policy."""

    def __call__(self, ratio, corrected, old, new):
        return 0.5 * abs(ratio - 1.0)


def test_a_drift_with_a_slope_is_refused_with_the_point_where_it_breaks_the_definition(capsys, monkeypatch):
    monkeypatch.syspath_prepend("tests/tabular")
    assert cli.main(["certify", "test_certificate:Variation"]) == 2
    error = capsys.readouterr().err
    assert "slope" in error and "policy [" in error and len(error.strip().splitlines()) == 1


def test_an_algorithm_of_the_users_own_is_certified_by_its_place(capsys, monkeypatch, tmp_path):
    (tmp_path / "own_happo.py").write_text("from hamlet.algorithms import happo\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert cli.main(["certify", "own_happo:happo", "--games", "1", "--sweeps", "1", "--out", str(tmp_path / "c")]) == 0
    assert "own_happo:happo" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["hapo"], "'happo'"),
        (["nothing_here:Drift"], "nothing_here"),
        (["happo", "--games", "0"], "--games"),
        (["happo", "--sweep", "3"], "--sweeps"),
    ],
)
def test_wrong_requests_end_with_status_2_and_one_line(words, said, capsys):
    assert cli.main(["certify", *words]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
