"""What algorithms learn in small games, beside what is found without learning.

As a program, ``python tests/gate.py``, it measures every algorithm that learns from fresh rollouts and writes
docs/learning.md; with names after it, those algorithms alone, and the rows of the others stay as they stand. Those that
replay have a gate of their own, tests/learning/test_replay_learns.py.
"""

import inspect
import os
import sys
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, lru_cache, partial
from pathlib import Path
from types import MappingProxyType

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from games import MatchBits
from hamlet.algorithms import ALGORITHMS
from hamlet.backends.jax_backend import begin_training, iterate, roster_of
from hamlet.envs import make
from hamlet.envs.matrix.payoff_games import Matrix, common_reward, equilibria
from hamlet.evaluation.evaluate import evaluate
from hamlet.networks.joint import act
from hamlet.rollouts.rollout import begin, rollout
from offpolicy import EVERYWHERE, ON_POLICY
from switches import Switches, ordered, switched, turned

# An algorithm takes of these what its factory knows. One network of 16, and a batch of 256 or 512 one-step episodes.
SIZE = {"hidden": (16,), "num_envs": 64, "rollout_length": 4, "critic_learning_rate": 0.01, "discount": 0.9}
# Nothing is even but the first policies: what is learnt is what is measured.
SIZE |= {"exploration_start": 0.0, "exploration_end": 0.0}
SMALL_STEPS = {"learning_rate": 0.02, "epochs": 5, "clip": 0.2, "radius": 0.02, "entropy": 0.0}
# Nearly to the best response: p(0) goes from ½ beyond 0.9 in one move.
LARGE_STEPS = {"learning_rate": 0.1, "epochs": 20, "clip": 0.9, "radius": 0.5, "entropy": 0.0}


@dataclass(frozen=True)
class Found:
    """What one seed found: the mean return of sampled actions, the joint mode, and what it earns in one step."""

    sampled: float
    greedy: tuple
    payoff: float


def declared(name, **settings):
    """An algorithm with those of the settings that it knows."""
    known = inspect.signature(ALGORITHMS[name]).parameters
    return ALGORITHMS[name](**{key: value for key, value in (SIZE | settings).items() if key in known})


def plays(name, env):
    """Whether an algorithm can act in a game."""
    return {type(group.action).__name__ for group in env.groups} <= set(ALGORITHMS[name]().actions)


def find(algorithm, env, *, iterations, seed, start=None, **off):
    """Train and see what was found. All seeds, switches and numbers of iterations share one compiled program.

    ``start`` is the mean of each agent's first policy in a continuous game.
    """
    program = compiled(switched(algorithm), env, start)
    sampled, greedy, payoff = program(jnp.uint32(seed), jnp.int32(iterations), Switches.create(**off))
    joint = tuple(action for part in greedy for action in np.asarray(part).tolist())
    return Found(float(sampled), joint, float(payoff))


# Few at a time: each is asked for all its seeds and switches before the next, and a process cannot hold them all.
@lru_cache(maxsize=4)
def compiled(algorithm, env, start):
    return jax.jit(partial(_found, algorithm, env, start))


def _found(algorithm, env, start, seed, iterations, switches):
    training = turned(begin_training(algorithm, env, seed), switches)
    if start is not None:
        mean = jnp.asarray(start, jnp.float32)[:, None]
        training = eqx.tree_at(lambda t: t.learner.team.actors[0].head.bias, training, mean)
    training = jax.lax.fori_loop(0, iterations, lambda _, at: iterate(algorithm, env, at)[0], training)
    actors = training.learner.team.actors
    return _sampled(algorithm, env, actors, training.key), *_greedy(algorithm, env, actors)


def _sampled(algorithm, env, actors, key):
    """The mean return of the episodes of a fresh rollout."""
    sampling, roster = algorithm.sampling, roster_of(algorithm, env)
    begin_key, play_key = jax.random.split(jax.random.fold_in(key, 2**32 - 1))
    play = begin(env, algorithm.body, sampling.copies, begin_key)
    length = sampling.length(memory=algorithm.body.memory)
    _, _, episodes = rollout(env, roster, actors, play, steps=sampling.steps, length=length, key=play_key)
    return episodes.total / episodes.count


def _greedy(algorithm, env, actors):
    """The joint mode in a first view, and the team's reward for it."""
    key = jax.random.key(0)
    play = begin(env, algorithm.body, 1, key)
    view = play.copies.view
    seen = (view.observation, view.available, play.start, play.memory)
    modes, _ = act(roster_of(algorithm, env), actors, *seen, None, alive=view.alive)
    joint = tuple(mode[0] for mode in modes)
    _, _, outcome = env.step(key, jax.tree.map(lambda leaf: leaf[0], play.copies.state), joint)
    return joint, outcome.reward.sum()


# --- the gate ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """A game with a known optimum, and how it is learnt.

    Attributes:
        env: The game.
        optimum: Its best return.
        threshold: What the mean return of sampled actions must exceed, and no control may.
        iterations: Of an algorithm whose agents move at once, and of one whose agents move one after another.
        settings: Likewise.
        seeds: So many runs, from 0.
        crosses: Whether order and M matter in it.
    """

    env: object
    optimum: float
    threshold: float
    iterations: tuple
    settings: tuple
    seeds: int
    crosses: bool


# Rows 0 1 / 2 −2. From uniform policies and in large steps: who moves first prefers 0, and whoever comes second answers
# with 1: the first agent first gives 1, the second first gives 2, both at once go round between 0 and −2. In small
# steps both at once reach 2: the second agent has more to gain, and is ahead.
TASKS = {
    "crossing": Task(
        env=Matrix(common_reward([[0, 1], [2, -2]])),
        optimum=2.0,
        threshold=1.25,
        iterations=(40, 8),
        settings=(SMALL_STEPS, LARGE_STEPS),
        seeds=10,
        crosses=True,
    ),
    # Two unlike agents, one with choices and one continuous, who must look before they answer.
    "match bits": Task(
        env=MatchBits(),
        optimum=5.0,
        threshold=4.0,
        iterations=(60, 60),
        settings=({"learning_rate": 0.01, "radius": 0.05, "entropy": 0.0, "discount": 0.5, "rollout_length": 10},) * 2,
        seeds=2,
        crosses=False,
    ),
}
CONTROLS = {
    "untrained": {},
    "learning rate 0": {"moves": False},
    "order ignored": {"shuffles": False},
    "M dropped": {"informed": False},
}


@dataclass(frozen=True)
class Row:
    """One algorithm in one game: mean returns over seeds, None where a control does not apply."""

    algorithm: str
    game: str
    controls: dict
    threshold: float
    trained: float
    optimum: float

    @property
    def passes(self):
        """Whether it learnt what nothing else explains."""
        without = [value for value in self.controls.values() if value is not None]
        return max(without) < self.threshold < self.trained


def measure(name, game):
    """The row of one algorithm in one game."""
    task = TASKS[game]
    sequential = ordered(declared(name))
    algorithm = declared(name, **task.settings[sequential])
    count = task.iterations[sequential]

    def mean(iterations, **off):
        runs = [find(algorithm, task.env, iterations=iterations, seed=seed, **off) for seed in range(task.seeds)]
        return float(np.mean([run.sampled for run in runs]))

    controls = {"random": random_return(game)}
    for control, off in CONTROLS.items():
        applies = not off.keys() & {"shuffles", "informed"} or (sequential and task.crosses)
        controls[control] = mean(count if off else 0, **off) if applies else None
    return Row(name, game, controls, task.threshold, mean(count), task.optimum)


@cache
def random_return(game):
    """The mean return of uniform actions over 1,000 episodes."""
    env, algorithm = TASKS[game].env, declared("happo")
    # Nobody asks the policies.
    like = jax.eval_shape(lambda: begin_training(algorithm, env, 0).learner.team.actors)
    actors = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), like)
    roster = roster_of(algorithm, env)
    return evaluate(env, roster, actors, algorithm.body, episodes=1000, seed=0, mode="random").mean


def table(rows):
    """Rows in Markdown."""
    head = ["algorithm", "game", *rows[0].controls, "threshold", "trained", "optimum"]
    lines = [[row.algorithm, row.game, *row.controls.values(), row.threshold, row.trained, row.optimum] for row in rows]
    return markdown(head, lines)


# --- equilibria ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Known:
    """A common-reward game, how it is learnt, and the returns that its greedy joint policies may have."""

    env: object
    returns: frozenset
    settings: MappingProxyType = field(default_factory=lambda: MappingProxyType({}))
    start: tuple | None = None


NASH_SETTINGS = {**SMALL_STEPS, "entropy": 0.01, "rollout_length": 8}
NASH_ITERATIONS = 100
NASH = {
    "matrix/climbing": Known(make("matrix/climbing"), frozenset({0.0, 8.0})),
    "matrix/penalty": Known(make("matrix/penalty"), frozenset({2.0, 10.0})),
    "matrix/example_1": Known(make("matrix/example_1"), frozenset({2.0})),
    **{f"matrix/example_2, n = {n}": Known(make("matrix/example_2", agents=n), frozenset({1.0})) for n in (2, 4, 6)},
    # 9 and 10 earn nearly the same: a policy that is sure too early stays at 9.
    "game/product_discrete": Known(
        make("game/product_discrete"),
        frozenset({100.0}),
        MappingProxyType({"learning_rate": 0.01, "entropy": 0.2}),
    ),
    # From (1, −1), where the actions' product is negative; the mean has ten units to go, so steps are larger.
    "game/product": Known(
        make("game/product"),
        frozenset({100.0}),
        MappingProxyType({"learning_rate": 0.1, "radius": 0.5}),
        (1.0, -1.0),
    ),
}
# Measured for the page alone: what the settings of the other games give.
MISSED = {
    "game/product_discrete, settings of the other games": Known(make("game/product_discrete"), frozenset({100.0}))
}


@dataclass(frozen=True)
class Limits:
    """Where some seeds of one algorithm ended in one game."""

    algorithm: str
    game: str
    seeds: int
    nash: int
    payoffs: Counter


def limits(name, game, seeds=10):
    """Train so many seeds through one program, and count equilibria and returns."""
    known = (NASH | MISSED)[game]
    algorithm = declared(name, **(NASH_SETTINGS | dict(known.settings)))
    runs = [
        find(algorithm, known.env, iterations=NASH_ITERATIONS, seed=seed, start=known.start) for seed in range(seeds)
    ]
    return Limits(
        name,
        game,
        seeds,
        sum(is_equilibrium(known.env, run) for run in runs),
        Counter(round(run.payoff, 2) for run in runs),
    )


def is_equilibrium(env, run):
    """Whether no agent gains by changing its greedy action alone."""
    if hasattr(env, "payoffs"):
        return run.greedy in equilibria(env.payoffs)
    first, second = (float(np.clip(action[0], -env.bound, env.bound)) for action in run.greedy)
    gain = env.bound * max(abs(first), abs(second)) - first * second
    return gain <= 1e-3 * env.bound**2


SHARED_RATES = (0.005, 0.02)


def shared_return(name, agents, learning_rate, seeds=10):
    """The mean return of sampled actions in example 2 where all agents share parameters, without entropy bonus."""
    settings = NASH_SETTINGS | {"entropy": 0.0, "sharing": "group", "learning_rate": learning_rate}
    algorithm, env = declared(name, **settings), make("matrix/example_2", agents=agents)
    runs = [find(algorithm, env, iterations=NASH_ITERATIONS, seed=seed) for seed in range(seeds)]
    return float(np.mean([run.sampled for run in runs]))


# --- the page ------------------------------------------------------------------------------------------------------


def markdown(head, lines):
    rows = [head, ["---"] * len(head), *[[_shown(cell) for cell in line] for line in lines]]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def _shown(cell):
    if cell is None:
        return "—"
    return cell if isinstance(cell, str) else f"{cell:.2f}".rstrip("0").rstrip(".")


def limits_table(rows):
    lines = [
        [
            row.game,
            row.algorithm,
            f"{row.nash} of {row.seeds}",
            ", ".join(f"{_shown(payoff)} ({count})" for payoff, count in sorted(row.payoffs.items())),
        ]
        for row in rows
    ]
    return markdown(["game", "algorithm", "equilibria", "returns (seeds)"], lines)


def shared_table(rows):
    lines = [[f"{n}", name, *(f"{value:.4f}" for value in values), f"{2 / 2**n:.4f}"] for name, n, values in rows]
    rates = [f"learning rate {rate}" for rate in SHARED_RATES]
    return markdown(["n", "algorithm", *rates, "$2 / 2^n$"], lines)


PAGE = """# What the algorithms learn in small games

<!-- Written by `python tests/gate.py`; do not edit. The tests in tests/learning hold what it says. -->

This page shows what the on-policy algorithms learn in games with known solutions. Use it to check whether an algorithm
learns at all, and what limits it has.

## The gate

The numbers are mean returns of sampled actions, over {seeds}.
An algorithm passes if its trained return exceeds the threshold and the return of every control stays below it. The
controls are

* *random*: uniform actions;
* *untrained*: the first policy of the run;
* *learning rate 0*: the same run, but no new policy is ever accepted;
* *order ignored*: the agents are updated in the order of their list, not in a random order;
* *M dropped*: $M = 1$. $M$ is the product of the probability ratios of the agents that were updated earlier.

All controls use the same compiled program with one switch changed.

*Crossing* is a common-reward game with payoffs 0 1 / 2 −2. The first policies are uniform, and steps go nearly to the
best response. The agent that is updated first prefers action 0, and the agent that is updated second answers with
action 1. So if the first agent starts, the team earns 1; if the second agent starts, it earns 2. With simultaneous
updates the return cycles between 0 and −2. A random order earns more than a fixed order only because about half of its
runs start with the better agent. This is a property of the game, not of random orders. Algorithms with simultaneous
updates have no order and no $M$ (—); they learn the game with small steps.

In *match bits* (`tests/games.py`), two heterogeneous agents must each use their observation before they answer. There,
steps are small, and neither the order nor $M$ makes a difference, so these controls are not run (—). COMA supports only
discrete actions, so it plays *crossing* only.

{gate}
## Limits

The table shows the greedy joint policy after {iterations} rollouts of 512 one-step episodes, with networks of 16 units,
for seeds 0 to 9. It counts the seeds that end in a pure Nash equilibrium
(`hamlet.envs.matrix.payoff_games.equilibria`), and lists the team's returns. An equilibrium need not be the optimum:
most seeds of climbing end at 0 although 8 is possible.

* `game/product` starts at the means (1, −1) and uses larger steps. A joint action counts as an equilibrium within 0.1 %
  of 100.
* `game/product_discrete` uses an entropy bonus of 0.2 instead of 0.01, and half the learning rate of the other games
  (0.02). The last rows use the settings of the other games. With these settings, the algorithms without a clip or a
  trust region become deterministic at 9 before they find that 10 is better. HATRPO has neither setting.

{limits}
## Shared parameters

In example 2, a policy that all agents share cannot earn more than $2 / 2^n$ with $n$ agents (arXiv:2304.09870, appendix
A). The table shows mean returns of sampled actions with `sharing="group"`, over 10 seeds of {samples} episodes:

{shared}
HAA2C and MAA2C have neither a clip nor a trust region. With the larger learning rate, their policy leaves the
optimum $\\theta = 1/2$ ($\\theta$: the probability of action 1), and then they rarely receive a reward. HATRPO has no
learning rate.
"""


GATE = [(name, game) for game in TASKS for name in ON_POLICY if plays(name, TASKS[game].env)]
LIMITS = [(game, name) for game in NASH | MISSED for name in EVERYWHERE]
SHARED = [(n, name) for n in (2, 4, 6) for name in EVERYWHERE]


def page(names, old):
    """The page, where the rows of some algorithms are measured and the others are those of a page before."""
    kept = {tuple(cell.strip() for cell in line.strip("|").split("|")[:2]): line for line in old.splitlines()}

    def rows(keys, made):
        asked = [key for key in keys if set(key) & set(names)]
        # Without any, the row of titles is kept too.
        head, rule, *lines = made(asked).splitlines() if asked else kept_head(keys[0])
        fresh = dict(zip(asked, lines, strict=True))
        return "\n".join([head, rule, *(fresh.get(key) or kept[tuple(map(str, key))] for key in keys)]) + "\n"

    def kept_head(first):
        lines = old.splitlines()
        row = lines.index(kept[tuple(map(str, first))])
        return lines[row - 2 : row]

    share = lambda n, name: (name, n, [shared_return(name, n, rate) for rate in SHARED_RATES])  # noqa: E731
    return PAGE.format(
        seeds=" and ".join(f"{task.seeds} seeds of *{name}*" for name, task in TASKS.items()),
        iterations=NASH_ITERATIONS,
        samples=SIZE["num_envs"] * NASH_SETTINGS["rollout_length"],
        gate=rows(GATE, lambda keys: table([measure(*key) for key in keys])),
        limits=rows(LIMITS, lambda keys: limits_table([limits(name, game) for game, name in keys])),
        shared=rows(SHARED, lambda keys: shared_table([share(*key) for key in keys])),
    )


if __name__ == "__main__":
    # Compiled in a hurry, as in the tests: read when the first program is compiled.
    os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    where = Path(__file__).parents[1] / "docs" / "learning.md"
    text = page(sys.argv[1:] or ON_POLICY, where.read_text(encoding="utf-8"))
    where.write_text(text, encoding="utf-8")
    print(text)
