"""A change of form changes no bit of what is learnt: three iterations of every algorithm against recorded digests."""

import json

import pytest

import combinations
import digests
import hamlet
from documents import ROOT
from games import Pot
from hamlet.algorithms import ALGORITHMS
from hostgames import OnHost, Ride
from offpolicy import BATCH, NAMES, STEPS, remembering
from small_runs import SmallRun, settings

# tests/contract compares the first game of most algorithms by default.
QUICK = {("happo", digests.HOSTED), ("happo", "masked_recurrent"), ("hatd3", digests.HOSTED)}
RUNS = [
    pytest.param(name, game, marks=() if (name, game) in QUICK else pytest.mark.slow)
    for name in ALGORITHMS
    for game in dict.fromkeys((*digests.games(name), digests.HOSTED))
]


@pytest.mark.parametrize(("name", "game"), RUNS)
def test_the_parameters_after_three_iterations_are_the_recorded_ones(tmp_path, name, game):
    if game in combinations.GAMES:
        run = SmallRun(name, game)
        learner = run.run(run.begin(), 1, 1, 1)[0].learner
    else:
        learner = hosted(name, tmp_path / "run")
    digests.check(name, game, learner)


def hosted(name, path):
    """The learner after three iterations with an environment on the host."""
    algorithm = remembering(name, **({"warmup": 0} if "warmup" in settings(name) else {})) if name in NAMES else None
    algorithm = algorithm or ALGORITHMS[name](**settings(name), rollout_length=STEPS)
    game = Ride() if "Box" in algorithm.actions else Pot()
    run = hamlet.train(algorithm, OnHost(game), steps=3 * BATCH, out=path, quiet=True, evaluate_episodes=0)
    return run.training().learner


def test_the_changelog_says_why_the_digests_are_what_they_are():
    reason = json.loads(digests.FILE.read_text(encoding="utf-8"))["reason"]
    assert len(reason.split()) >= 4
    assert reason in " ".join((ROOT / "CHANGELOG.md").read_text(encoding="utf-8").split())
