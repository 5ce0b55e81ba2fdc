"""Runs against one another: who sits where, what is counted, and who is good where the good beat one another."""

import dataclasses
import json
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
import hostgames
from hamlet.backends.select import backend_of
from hamlet.checkpoints import checkpoint
from hamlet.cli import main
from hamlet.commands import crossplay as command
from hamlet.envs.matrix.payoff_games import Matrix, tabulate
from hamlet.errors import RequestError
from hamlet.evaluation import best_policy
from hamlet.reports import crossplay
from hamlet.reports.crossplay import play
from hamlet.rollouts.played import PlayedEpisodes
from hamlet.rollouts.seats import Player
from hamlet.roster import Group, Roster
from hamlet.runs import configuration, declaration
from hamlet.spaces import Box, Discrete
from hamlet.training.run import SavedRun

ROCK = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
SMALL = {"hidden": (8,), "num_envs": 2, "rollout_length": 4}


def choosing(actors, choices):
    """The same actors, but each unit of the first group all but always makes its choice."""
    bias = 50.0 * jax.nn.one_hot(jnp.array(choices), actors[0].head.bias.shape[-1])
    return (eqx.tree_at(lambda actor: actor.head.bias, actors[0], bias), *actors[1:])


def written(path, algorithm, env, training=None, *, actors=None, name="rock"):
    """A run that was never trained: a checkpoint, or a best policy, or neither."""
    declared = {"algorithm": configuration.encode(algorithm), "environment": configuration.encode(env)}
    labels = {"steps": 8, "seed": 3, "algorithm_name": "ippo", "environment_name": name, "preset": None}
    run = declaration.begin(path, declared | labels, print)
    if training is not None:
        checkpoint.save(run.checkpoints, training, step=8)
    if actors is not None:
        best_policy.save(run, actors, 4, -1.0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Those that always play rock, paper or scissors, one of either by seat, one that shares, one at random; others."""
    root, env = tmp_path_factory.mktemp("runs"), Matrix(tabulate([ROCK, -ROCK]), 1)
    plain, shared = hamlet.algorithms.ippo(**SMALL), hamlet.algorithms.ippo(sharing="group", **SMALL)
    begun = backend_of(env).begin(plain)(3)
    actors = begun.learner.team.actors
    by = {"rock": (0, 0), "paper": (1, 1), "scissors": (2, 2), "unlike": (2, 1)}
    for name, choices in by.items():
        written(root / name, plain, env, actors=choosing(actors, choices))
    written(root / "shared", shared, env, actors=jax.tree.map(lambda leaf: leaf[:1], choosing(actors, (1, 1))))
    written(root / "fresh", plain, env, begun)
    written(root / "longer", plain, Matrix(env.payoffs, 2))
    written(root / "pennies", plain, hamlet.envs.make("matrix/matching_pennies"), name="matrix/matching_pennies")
    for name, copies, choices in (("host", None, (0, 0)), ("other-host", 3, (1, 1))):
        written(root / name, plain, hostgames.OnHost(env, copies=copies), actors=choosing(actors, choices))
    return root


@pytest.fixture(scope="module")
def found(runs):
    """The best policies of five, and the newest of one."""
    names = ("rock", "paper", "scissors", "unlike", "shared")
    return play([*(runs / name / "best" for name in names), runs / "fresh"], episodes=40, seed=5)


def part(found, rows):
    """The same matrix, of some runs alone."""
    pick = {name: getattr(found, name)[np.ix_(rows, rows)] for name in ("first", "others", "first_error")}
    return dataclasses.replace(found, players=tuple(found.players[row] for row in rows), **pick)


@pytest.mark.slow
def test_rock_paper_and_scissors_go_round_and_none_is_better(found):
    circle = part(found, [0, 1, 2])
    np.testing.assert_array_equal(circle.first, ROCK)
    np.testing.assert_array_equal(circle.others, -ROCK)
    np.testing.assert_array_equal(circle.difference, 2 * ROCK)
    assert not circle.first_error.any() and circle.opposed and not circle.alike
    np.testing.assert_allclose(circle.nash_average.mixture, 1 / 3, atol=1e-9)
    np.testing.assert_allclose(circle.nash_average.skills, 0.0, atol=1e-9)
    np.testing.assert_allclose(circle.alpha_rank.masses, 1 / 3, atol=1e-9)
    assert [player.label for player in circle.players] == ["rock (best)", "paper (best)", "scissors (best)"]


def test_each_seat_is_taken_by_the_policy_that_its_run_trained_for_it(found):
    pair = part(found, [3, 4])
    choices = np.array([[2, 1], [1, 1]])  # by run and seat; those of a shared policy are alike
    expected = [[ROCK[choices[row, 0], choices[column, 1]] for column in range(2)] for row in range(2)]
    np.testing.assert_array_equal(pair.first, expected)
    # In the first seat scissors cut the other's paper; in the second its own paper meets paper.
    np.testing.assert_array_equal(pair.earned, [[0.0, 0.5], [-0.5, 0.0]])


def test_of_three_agents_the_row_has_the_first_seat_and_the_column_the_others(monkeypatch):
    roster = Roster(
        (Group(("a", "b"), Box(0.0, 1.0, (1,)), Discrete(2)), Group(("c",), Box(0.0, 1.0, (2,)), Discrete(2)))
    )

    class Trials:
        """Games in which every agent earns its number of weight, twice that in the second game."""

        def play(self, actors, seed, count):
            own = np.concatenate([np.choose(group.player[0], group.actors) for group in actors])
            returns = np.outer(np.arange(1, count + 1), own)
            return PlayedEpisodes(returns, np.ones(count, int), np.array([True, False]), 9, 1, "it fell")

        def remarks(self):
            return ["a copy fell"]

        def close(self):
            closed.append(self)

    closed, opened = [], []
    place = SimpleNamespace(trials=lambda *asked, horizon: opened.append(horizon) or Trials())
    monkeypatch.setattr(crossplay, "backend_of", lambda env: place)
    teams = [Player(roster, (scale * jnp.array([1.0, 2.0]), scale * jnp.array([6.0])), 0) for scale in (1, 10)]
    players = [crossplay.CrossplayPlayer(name, name, 0, False, team) for name, team in zip("xy", teams, strict=True)]
    game = Matrix(tabulate([ROCK, -ROCK]), 1)
    means, errors, failed, cut, remarks = crossplay._matrix(game, players, 2, 7, "stochastic", 9)
    np.testing.assert_allclose(means[..., 0], 1.5 * np.array([[1, 1], [10, 10]]))
    np.testing.assert_allclose(means[..., 1], 1.5 * np.array([[4, 40], [4, 40]]))
    np.testing.assert_allclose(errors, means / 3)  # of 1 and 2 times a number: √½ / √2 of it
    assert opened == [9] and len(closed) == 1 and failed.tolist() == cut.tolist() == [[1, 1], [1, 1]]
    assert remarks[3:6] == [
        "x against y: a copy fell",
        "x against y: 1 of 3 episodes failed and were replaced by others; first failure: it fell",
        "x against y: 1 of 2 episodes were truncated after 9 steps; --max-episode-steps sets this limit",
    ]


def test_a_directory_of_seeds_stands_for_all_of_them(tmp_path):
    for seed in (10, 2):
        (tmp_path / "many" / f"seed-{seed}").mkdir(parents=True)
        (tmp_path / "many" / f"seed-{seed}" / "config.json").touch()
    listed = crossplay._seeds(tmp_path / "many")
    assert [crossplay._name(path) for path in listed] == ["many/seed-2", "many/seed-10"]
    assert crossplay._seeds(listed[0]) == [listed[0]]


def test_a_run_against_itself_earns_what_it_is_evaluated_at(runs, found):
    alone = SavedRun(runs / "fresh").evaluate(40, 5, "stochastic").agent_returns
    np.testing.assert_allclose([found.first[5, 5], found.others[5, 5]], alone.mean(0))
    error = alone.std(0, ddof=1) / np.sqrt(40)
    np.testing.assert_allclose([found.first_error[5, 5], found.others_error[5, 5]], error)
    assert error[0] > 0.05
    assert (found.players[5].label, found.players[5].step, found.players[5].best) == ("fresh", 0, False)


def test_environments_of_python_objects_are_played_as_well(runs):
    found = play([runs / "host", runs / "other-host"], episodes=3, best=True)
    np.testing.assert_array_equal(found.first, ROCK[:2, :2])
    assert not any(copies.closed == 0 for copies in hostgames.OPEN)


def test_each_side_of_a_cell_chooses_by_its_own_joint_policy_and_by_no_other(tmp_path):
    """Q-DPP's agents, to whom all choices are worth the same, never take the same one; those of two sides may."""
    same = np.eye(3)[:, :, None] * np.ones(3) + np.eye(3)[:, None, :] * np.ones((3, 3, 1)) > 0
    others = np.broadcast_to(np.eye(3), (3, 3, 3))
    env = Matrix(tabulate([same.astype(float), others, others]), 1)
    algorithm = hamlet.algorithms.q_dpp(
        hidden=(8,), num_envs=2, embedding=3, episode_length=1, buffer_size=4, batch_size=2
    )
    actors = backend_of(env).begin(algorithm)(3).learner.team.actors
    bare = eqx.tree_at(
        lambda team: (team.head, team.utility.head),
        actors[0],
        jax.tree.map(jnp.zeros_like, (actors[0].head, actors[0].utility.head)),
    )
    bias = jnp.broadcast_to(jnp.eye(3).reshape(-1), bare.head.bias.shape)
    for name in "ab":
        written(tmp_path / name, algorithm, env, actors=(eqx.tree_at(lambda team: team.head.bias, bare, bias),))
    found = play([tmp_path / name / "best" for name in "ab"], episodes=400, seed=2)
    np.testing.assert_array_equal(found.others, np.zeros((2, 2)))
    np.testing.assert_allclose(found.first, 2 / 3, atol=5 * (2 / 9 / 400) ** 0.5)


def test_the_command_prints_keeps_and_draws(found, tmp_path, capsys, monkeypatch):
    asked = []
    monkeypatch.setattr(
        command, "play", lambda runs, **options: asked.append((runs, options)) or part(found, [0, 1, 2])
    )
    assert main(["crossplay", "a", "b", "--episodes", "2", "--out", str(tmp_path / "x")]) == 0
    said = capsys.readouterr().out
    assert "paper (best)" in said and "1.00 ± 0.00" in said and "the return of agent_1 is the negative of" in said
    kept = json.loads((tmp_path / "x" / "crossplay.json").read_text())
    assert kept["first"] == ROCK.tolist() and kept["nash_average"]["regret"] < 1e-9
    assert [(run["label"], run["step"], run["best"]) for run in kept["runs"]][1] == ("paper (best)", 4, True)
    assert (tmp_path / "x" / "crossplay.png").read_bytes()[:4] == b"\x89PNG"
    monkeypatch.setattr(command, "_drawn", lambda found, path: False)
    words = ["--seed", "7", "--best", "--deterministic", "--json", "--out", str(tmp_path / "y")]
    assert main(["crossplay", "a", "b", *words]) == 0
    assert json.loads(capsys.readouterr().out) == kept
    assert [runs for runs, _ in asked] == [["a", "b"]] * 2 and all(o["max_episode_steps"] is None for _, o in asked)
    asked = [{name: o[name] for name in ("episodes", "seed", "mode", "best")} for _, o in asked]
    assert asked[0] == {"episodes": 2, "seed": 1, "mode": "stochastic", "best": False}
    assert asked[1] == {"episodes": 100, "seed": 7, "mode": "deterministic", "best": True}


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "at least two runs"),
        (["rock"], "for one run, use hamlet evaluate RUN"),
        (["rock", "gone"], "gone"),
        (["rock", "paper", "rock"], "rock is named twice"),
        (["rock", "pennies"], "different games: rock and matrix/matching_pennies"),
        (["rock", "longer"], "rock with rounds 1 and 2"),
        (["rock", "fresh/best"], "no best policy: the run evaluated no policy"),
        (["rock", "paper", "--episodes", "0"], "--episodes must be at least 1, got 0"),
        (["rock", "paper", "--episode", "5"], "--episodes"),
        (["rock", "paper", "--seed", "-1"], "--seed must be from 0"),
    ],
)
def test_a_wrong_request_is_one_line_before_any_game(names, said, runs, monkeypatch, capsys):
    monkeypatch.chdir(runs)
    assert main(["crossplay", *names]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and said in err
    assert not (runs / "crossplay").exists()


def test_python_refuses_likewise(runs):
    with pytest.raises(RequestError, match="at least two runs"):
        play([runs / "rock"])


def test_what_a_run_earns_from_another_is_the_mean_over_both_seats():
    first, others = np.array([[0.0, 2.0], [4.0, 6.0]]), np.array([[1.0, 3.0], [5.0, 7.0]])
    rest = dict.fromkeys(("first_error", "others_error", "failed", "cut"), np.zeros((2, 2)))
    told = crossplay.CrossPlay((), "a", ("x", "y"), 1, 0, "stochastic", first=first, others=others, **rest)
    assert told.earned.tolist() == [[0.5, 3.5], [3.5, 6.5]]
