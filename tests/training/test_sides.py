"""Where one side wins what the others lose, the sum of all returns says nothing: sides are told apart and reported."""

import numpy as np
import pytest

from games import Pot
from hamlet.commands.evaluate import comparison, over_seeds
from hamlet.envs.matrix.named_games import matching_pennies, stag_hunt
from hamlet.envs.matrix.payoff_games import Matrix, common_reward, tabulate
from hamlet.evaluation import evaluation_log
from hamlet.evaluation.best_policy import BestPolicy
from hamlet.evaluation.evaluate import Evaluation
from hamlet.evaluation.evaluator import Evaluator
from hamlet.evaluation.sides import constant_sum, declared
from hamlet.training.final_evaluation import Judgement

DUEL = np.array([[1.0, -1.0], [-1.0, 1.0], [2.0, -2.0], [0.0, 0.0]])


def evaluation(returns):
    return Evaluation.of(np.asarray(returns), np.ones(len(returns), int), "deterministic", 1)


def test_a_game_is_of_constant_sum_where_returns_vary_and_their_sum_does_not():
    found = constant_sum(DUEL)
    assert found.total == 0 and found.sides == ((0,), (1,))
    random = np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)
    shares = np.concatenate([random, 7.3 - random], 1)  # equal up to the rounding of 32 bits only
    assert np.ptp(shares.sum(1)) > 0 and np.isclose(constant_sum(shares).total, 7.3)
    assert constant_sum(np.concatenate([DUEL, [[np.nan, np.nan]]])).total == 0


@pytest.mark.parametrize(
    "returns",
    [
        [[1.0, 1.0], [2.0, 2.0]],  # a team
        [[3.0, -3.0]] * 5,  # nothing varies: a team could be meant
        [[0.0, 0.0]] * 5,
        [[1.0, -1.0], [-1.0, 1.0], [1.0, -0.99]],
        [[1000.0, 1000.5], [1000.5, 1000.0]],  # what varies is small beside the returns
        [[5.0], [5.0]],
    ],
)
def test_other_games_are_not(returns):
    assert constant_sum(np.array(returns)) is None


def test_what_an_environment_declares_counts_more_than_its_episodes():
    assert constant_sum(np.array([[3.0, -3.0]] * 5), True).sides == ((0,), (1,))
    assert constant_sum(DUEL, False) is None
    assert declared(matching_pennies()) is True and declared(stag_hunt()) is False
    assert declared(Matrix(tabulate(common_reward([[8, 0], [0, 2]])))) is False
    assert declared(Matrix(tabulate(np.ones((2, 2, 2))))) is False and declared(object()) is None


def test_agents_who_always_earn_the_same_are_one_side_that_wins_and_ties_together():
    teams = constant_sum(DUEL[:, [0, 1, 0, 1]])
    assert teams.sides == ((0, 2), (1, 3))
    (first, second), ties = teams.split(DUEL[:, [0, 1, 0, 1]], "abcd")
    assert (first.agents, second.agents) == (("a", "c"), ("b", "d"))
    assert (first.wins, second.wins, ties) == (0.5, 0.25, 0.25)
    assert (first.mean, second.mean) == (0.5, -0.5) and first.standard_error == DUEL[:, 0].std(ddof=1) / 2


@pytest.fixture
def judgement():
    """Of a policy that plays as random play does and beats it."""
    found = evaluation(DUEL)
    against = (evaluation([[1.0, -1.0], [2.0, -2.0]]), evaluation([[-3.0, 3.0], [0.0, 0.0]]))
    return Judgement(64, found, found, ("left", "right"), found.constant_sum, against)


def test_the_lines_are_of_each_side_and_say_which_policy_is_the_best(judgement):
    lines = comparison(judgement, {"mean": 0.0}).splitlines()
    assert lines[0] == "constant-sum game: the agents' returns sum to 0 in every episode"
    assert lines[1] == "mean return ± standard error of each side at step 64"
    assert lines[3].split("  ")[0] == "left" and "1.50 ± 0.50, wins 100.0 %" in lines[3]
    assert "1.50 ± 1.50, wins 50.0 %" in lines[4] and "-0.50 ± 0.65, wins 25.0 %" in lines[4]
    assert lines[5].split()[0] == "ties" and "25.0 %" in lines[5]
    assert lines[-1].startswith("best policy of the run: the newest one that was evaluated")
    assert "best policy" not in comparison(judgement)


def test_a_point_holds_the_sides_and_what_each_earned_against_random_play(judgement):
    point = evaluation_log.describe(
        judgement.evaluation, 64, judgement.agents, judgement.opposed, judgement.against_random
    )
    assert point["constant_sum"] == 0.0 and point["ties"] == 0.25
    assert [(side["agents"], side["mean"], side["wins"]) for side in point["sides"]] == [
        (["left"], 0.5, 0.5),
        (["right"], -0.5, 0.25),
    ]
    assert [(one["agents"], one["mean"], one["wins"], one["ties"]) for one in point["against_random"]] == [
        (["left"], 1.5, 1.0, 0.0),
        (["right"], 1.5, 0.5, 0.5),
    ]
    assert "sides" not in evaluation_log.describe(judgement.evaluation, 64, judgement.agents)


def test_over_several_runs_each_side_is_held_against_random_play(judgement):
    assert over_seeds([judgement, judgement]) == [
        "1.50 ± 0.00  left against random play, mean over 2 seeds",
        "1.50 ± 0.00  right against random play, mean over 2 seeds",
    ]


class Ear:
    def __init__(self):
        self.lines = []

    def note(self, line):
        self.lines.append(line)


@pytest.mark.parametrize(("opposed", "news"), [(False, [True, False, True]), (True, [True, True, True])])
def test_of_a_constant_sum_the_newest_policy_is_the_best_and_of_others_the_highest(opposed, news):
    examiner = object.__new__(Evaluator)
    examiner.env, examiner.progress, examiner._returns, examiner._best = Pot(opposed), Ear(), [], None
    found = []
    for returns in [DUEL] * 3 if opposed else (DUEL, DUEL - 1, DUEL + 1):
        found.append(examiner._is_best(evaluation(returns)))
        examiner._best = BestPolicy(1, float(returns.sum(1).mean())) if found[-1] else examiner._best
    assert found == news and not examiner._is_best(evaluation(np.full((4, 2), np.nan)))
    assert len(examiner.progress.lines) == opposed  # that the newest is kept, said once
