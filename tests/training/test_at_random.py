"""Some agents act at random while the others follow their policies."""

import json

import jax
import numpy as np
import pytest

from hamlet.cli import main
from hamlet.commands import evaluate as command
from hamlet.envs.matrix.payoff_games import Matrix, tabulate
from hamlet.errors import RequestError
from hamlet.evaluation.evaluate import Evaluation, evaluate
from hamlet.networks.heads import Actor
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Roster
from hamlet.training import final_evaluation
from hamlet.training.named_runs import NamedRun
from hostgames import OnHost

pytestmark = pytest.mark.usefixtures("programs_once")

BODY = NetworkConfig(hidden=(8,))
# Each of two agents earns the number of its own choice, whatever the other does.
ENV = Matrix(tabulate([[[0, 0, 0], [1, 1, 1], [2, 2, 2]], [[0, 1, 2]] * 3]))


@pytest.fixture(scope="module")
def actors():
    group = ENV.groups[0]
    keys = jax.random.split(jax.random.key(3), 2)
    return (jax.vmap(lambda key: Actor.create(key, group.observation, group.action, BODY))(keys),)


def played(env, actors, at_random):
    return evaluate(
        env, Roster(env.groups), actors, BODY, episodes=300, seed=1, mode="deterministic", at_random=at_random
    )


@pytest.mark.slow
@pytest.mark.parametrize("where", [lambda env: env, OnHost], ids=["compiled", "hosted"])
def test_the_named_agent_acts_evenly_and_the_other_as_without_it(actors, where):
    env = where(ENV)
    whole, found = played(env, actors, ()), played(env, actors, ("agent_1",))
    assert np.ptp(whole.agent_returns, axis=0).tolist() == [0, 0]
    assert np.array_equal(found.agent_returns[:, 0], whole.agent_returns[:, 0])
    shares = np.bincount(found.agent_returns[:, 1].astype(int), minlength=3) / 300
    np.testing.assert_allclose(shares, 1 / 3, atol=0.09)
    other = played(env, actors, ("agent_0",))
    assert (
        np.array_equal(other.agent_returns[:, 1], whole.agent_returns[:, 1]) and np.ptp(other.agent_returns[:, 0]) == 2
    )


def test_an_agent_wins_where_its_return_is_above_all_others():
    returns = np.array([[1, 0, 0], [2, 2, 0], [0, 0, 3], [-1, -2, -1.5]])
    assert Evaluation.of(returns, np.ones(4, int), "random", 0).wins.tolist() == [0.5, 0.0, 0.25]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("agent_7",), "there is no agent 'agent_7'; the nearest is 'agent_"),
        (("agent_1", "agent_0"), "all agents would act at random; leave at least one agent out"),
    ],
)
def test_who_is_not_there_and_everybody_at_once_are_refused(actors, names, said):
    with pytest.raises(RequestError) as refusal:
        played(ENV, actors, names)
    assert str(refusal.value).startswith(said) and "\n" not in str(refusal.value)


def test_the_command_prints_who_wins_and_keeps_nothing(monkeypatch, capsys):
    asked, kept = [], []
    returns = np.array([[3.0, 1.0], [2.0, 2.0], [0.0, 1.0], [1.0, -1.0]])
    whole, random = (Evaluation.of(own, np.ones(4, int), "stochastic", 7) for own in (returns, 0 * returns))
    found = final_evaluation.Judgement(64, whole, random, ("agent_0", "agent_1"))
    monkeypatch.setattr(command, "named_runs", lambda path, best, trust: [NamedRun(path, best)])
    monkeypatch.setattr(command, "keep", lambda *told: kept.append(told))
    monkeypatch.setattr(final_evaluation, "judge", lambda run, **how: asked.append(how["at_random"]) or found)
    argv = ["evaluate", "a", "--random-agents", "agent_1", "--episodes", "4"]
    assert main(argv) == 0
    assert capsys.readouterr().out.splitlines() == [
        "mean return ± standard error of each agent",
        "agent_0  1.50 ± 0.65  wins 50.0 %  (stochastic policy)",
        "agent_1  0.75 ± 0.63  wins 25.0 %  (at random)",
        "(4 episodes, seed 7, policy of step 64)",
    ]
    assert main([*argv, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["at_random"] == ["agent_1"] and told["wins"] == {"agent_0": 0.5, "agent_1": 0.25}
    assert asked == [("agent_1",)] * 2 and not kept
    assert main(argv[:2]) == 0 and asked[-1] == () and len(kept) == 1
