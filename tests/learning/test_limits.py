"""Where deep algorithms end in common-reward games: at equilibria, and with which returns."""

from functools import partial

import jax
import numpy as np
import pytest

import gate
from gate import NASH, find, limits, limits_table, shared_return
from hamlet.algorithms import ALGORITHMS
from hamlet.backends.jax_backend import begin_training, iterate
from offpolicy import EVERYWHERE
from switches import switched

# In the default tests with three seeds; a program takes seconds to compile.
QUICK = {("happo", "matrix/climbing")}
PAIRS = [
    pytest.param(name, game, 3 if quick else 10, marks=() if quick else pytest.mark.slow)
    for quick in (True, False)
    for name in EVERYWHERE
    for game in NASH
    if not quick or (name, game) in QUICK
]
SHARED = [(name, agents) for name in EVERYWHERE for agents in (2, 4, 6)]


@pytest.mark.parametrize(("name", "game", "seeds"), PAIRS)
def test_the_greedy_joint_policy_is_a_pure_equilibrium_with_a_known_return(name, game, seeds):
    found = limits(name, game, seeds)
    print(limits_table([found]))
    assert found.nash >= 0.9 * seeds
    known = sum(count for payoff, count in found.payoffs.items() if round(payoff, 1) in NASH[game].returns)
    assert known >= 0.9 * seeds, found.payoffs


@pytest.mark.slow
@pytest.mark.parametrize(("name", "agents"), SHARED)
def test_with_shared_parameters_example_2_stays_at_two_in_two_to_the_n(name, agents):
    seeds, bound = 10, 2 / 2**agents
    value = shared_return(name, agents, gate.SHARED_RATES[0], seeds)
    error = np.sqrt(bound * (1 - bound) / (seeds * 512))
    assert abs(value - bound) <= 4 * error, (value, bound)


@pytest.mark.slow
def test_an_untrained_joint_policy_is_no_equilibrium_by_chance():
    """What is counted can fail: first policies are equilibria of example 2 with a return of 1 in few seeds."""
    known = NASH["matrix/example_2, n = 4"]
    algorithm = gate.declared("hatrpo", **gate.NASH_SETTINGS)
    runs = [find(algorithm, known.env, iterations=0, seed=seed) for seed in range(10)]
    assert sum(run.payoff == pytest.approx(1.0) for run in runs) <= 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ALGORITHMS)
def test_with_all_switches_on_it_is_the_algorithm_itself(name):
    algorithm, env = gate.declared(name, **gate.LARGE_STEPS), gate.TASKS["crossing"].env
    actors = []
    for one in (algorithm, switched(algorithm)):
        training = jax.jit(partial(begin_training, one, env, 3))()
        step = jax.jit(partial(iterate, one, env))
        for _ in range(2):
            training, _ = step(training)
        actors.append(training.learner.team.actors)
    plain, other = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in actors)
    np.testing.assert_allclose(plain, other, atol=1e-4)
