"""Compare the methods of value decomposition on matrix games: the payoffs they can represent, and what they learn.

Two agents play a game of one step repeatedly. By default they choose actions uniformly (ε = 1), so that every payoff is
sampled, and the learned values are limited only by what the method can represent. The best approximation of a payoff
table that a method can represent is known without training:

    IQL            each agent's own payoff, averaged over the other agent's actions
    VDN            the nearest sum (least squares): row mean + column mean − mean of all payoffs
    QMIX           the nearest function that is monotone along an order of each agent's actions (all pairs are tried)
    QTRAN, QPLEX   any table; the greedy actions of the individual agents form the best joint action

Gradient descent does not always find the best representable approximation. QMIX is an example
(`hamlet.algorithms.qmix`).

References: Son et al., 2019, arXiv:1905.05408 (climbing); Wang et al., 2021, arXiv:2008.01062 (with 6); Claus and
Boutilier, 1998 (penalty).
"""

import itertools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import nnls

from hamlet import presets
from hamlet.backends.jax_backend import begin_training, iterate
from hamlet.envs.matrix import named_games
from hamlet.envs.matrix.payoff_games import SIGHT
from hamlet.learners import Algorithm
from hamlet.learners.decomposition import Decomposition
from hamlet.networks.mixers.base import AgentValues, Offer

METHODS = ("iql", "vdn", "qmix", "qtran", "qplex", "q_dpp")
STEPS = 60_000
# With more actions than this, an agent has too many orders of its actions to try them all.
_ORDERED = 5


@dataclass(frozen=True)
class Setting:
    """A game and the exploration during training.

    Attributes:
        name: The name in the record and on the documentation page.
        make: A function that creates the game.
        exploration: The exploration probability ε, in [0, 1], constant during training.
        seeds: The number of seeds; they are 0, 1, ….
    """

    name: str
    make: Callable[[], Any]
    exploration: float = 1.0
    seeds: int = 5


SETTINGS = (
    Setting("climbing", named_games.climbing, seeds=20),
    Setting("climbing, ε = 0.05", named_games.climbing, exploration=0.05, seeds=20),
    Setting("climbing with 6", partial(named_games.climbing, second=6.0)),
    Setting("penalty", named_games.penalty),
    Setting("stag hunt", named_games.stag_hunt),
)


def measure(work: Path, settings: tuple[Setting, ...] = SETTINGS, steps: int = STEPS) -> dict[str, Any]:
    """Train every method on every game; finished results are saved in ``work`` and not computed again."""
    work.mkdir(parents=True, exist_ok=True)
    rows = []
    for setting in settings:
        payoff, methods = team_payoff(setting.make()), {}
        for method in METHODS:
            path = work / f"{setting.name}-{method}.json".replace(" ", "-")
            if not path.exists():
                path.write_text(json.dumps(learnt(declared(method, setting), setting, steps)), encoding="utf-8")
            methods[method] = json.loads(path.read_text(encoding="utf-8"))
        payoffs_by_method = can_say(setting.make())
        # With ε < 1 the distribution of the sampled actions depends on the policy, so the nearest table does too.
        if setting.exploration < 1:
            payoffs_by_method |= dict.fromkeys(("iql", "vdn", "qmix"))
        row = {"game": setting.name, "exploration": setting.exploration, "seeds": setting.seeds}
        rows.append(row | {"best": float(payoff.max()), "can_say": payoffs_by_method, "methods": methods})
    return {"steps": steps, "preset": "tuned/matrix", "games": rows}


def declared(method: str, setting: Setting) -> Decomposition:
    """Return the method with the preset ``tuned/matrix`` and the setting's exploration."""
    share = setting.exploration
    overrides = {"exploration": share} if method == "q_dpp" else {"exploration_start": share, "exploration_end": share}
    return presets.find("tuned/matrix", method)(**overrides)


def learnt(algorithm: Decomposition, setting: Setting, steps: int = STEPS) -> dict[str, Any]:
    """Train a method, and compare its greedy joint action and its team values with the payoffs.

    The program is compiled once for all seeds.

    Returns:
        For every seed: the greedy joint action (``joint``), its payoff (``payoffs``), and the squared error of the team
        values, summed over the payoff table (``squared_error``; None if the method has no team value).
    """
    env = setting.make()
    payoff = team_payoff(env)
    run = jax.jit(partial(_learnt, algorithm, env, steps // algorithm.sampling.batch))
    outcomes = [jax.tree.map(np.asarray, run(jnp.uint32(seed))) for seed in range(setting.seeds)]
    joint = [[int(values.argmax()) for values in agent_values] for agent_values, _ in outcomes]
    errors = None
    if algorithm.critic.credits == "team":
        errors = [float(((table - payoff) ** 2).sum()) for _, table in outcomes]
    return {"joint": joint, "payoffs": [float(payoff[tuple(choice)]) for choice in joint], "squared_error": errors}


def team_payoff(env: Any) -> Float[np.ndarray, "rows columns"]:
    """Return the team's payoff (the sum over both agents) for each joint action."""
    return np.asarray(env.payoffs, np.float64).sum(0)


def can_say(env: Any) -> dict[str, list[float] | None]:
    """Return, for each method, the payoffs of the best joint actions in its best approximation of the payoff table.

    A list has several entries if the approximation has the same greatest value for several joint actions. An entry is
    None if the approximation is not known.
    """
    payoff, (first, second) = team_payoff(env), np.asarray(env.payoffs, np.float64)
    alone = first.mean(1)[:, None] + second.mean(0)[None]  # greatest where both agents' own values are greatest
    rises = _earned(nearest_monotone(payoff), payoff) if max(payoff.shape) <= _ORDERED else None
    best = [float(payoff.max())]
    payoffs_by_method = {"iql": _earned(alone, payoff), "vdn": _earned(nearest_sum(payoff), payoff), "qmix": rises}
    return {**payoffs_by_method, "qtran": best, "qplex": best, "q_dpp": None}


def _earned(said: Float[np.ndarray, "rows columns"], payoff: Float[np.ndarray, "rows columns"]) -> list[float]:
    """Return the payoffs of the joint actions with the greatest value in the approximation ``said``."""
    return sorted({float(best_payoff) for best_payoff in payoff[said >= said.max() - 1e-6]})


def nearest_sum(payoff: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Return row mean + column mean − mean of all: the least-squares fit by sums of a row value and a column value.

    >>> nearest_sum(np.array([[8.0, -12, -12], [-12, 0, 0], [-12, 0, 0]])).round(3)[0].tolist()
    [-6.222, -4.889, -4.889]
    """
    return payoff.mean(1, keepdims=True) + payoff.mean(0, keepdims=True) - payoff.mean()


def nearest_monotone(payoff: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, "rows columns"]:
    """Return the least-squares fit by functions that are monotone along some order of each agent's actions.

    All pairs of orders are tried.

    >>> nearest_monotone(np.array([[8.0, -12, -12], [-12, 0, 0], [-12, 0, 0]])).round(3)[0].tolist()
    [8.0, -6.0, -6.0]
    """
    orders = itertools.product(*(itertools.permutations(range(count)) for count in payoff.shape))
    fits = [monotone(payoff, *pair) for pair in orders]
    return min(fits, key=lambda fit: float(((fit - payoff) ** 2).sum()))


def monotone(
    payoff: Float[np.ndarray, "rows columns"], rows: tuple[int, ...], columns: tuple[int, ...]
) -> Float[np.ndarray, "rows columns"]:
    """Return the least-squares fit by functions that are monotone along the given orders of rows and columns.

    Each order lists the actions from the worst to the best. A monotone function is a constant plus a sum of step
    functions with heights ≥ 0. There is one step function for every upper set: a set of joint actions that contains,
    with each joint action, all joint actions above it.
    """
    place = (
        np.argsort(rows)[:, None] * np.ones(len(columns), int),
        np.argsort(columns)[None] * np.ones((len(rows), 1), int),
    )
    steps = [np.ones(payoff.size), -np.ones(payoff.size)]
    for heights in itertools.combinations_with_replacement(range(len(columns), -1, -1), len(rows)):
        steps.append((place[1] >= np.asarray(heights)[place[0]]).ravel().astype(float))
    design = np.stack(steps, axis=1)
    return (design @ nnls(design, payoff.ravel())[0]).reshape(payoff.shape)


def _learnt(
    algorithm: Algorithm, env: Any, iterations: int, seed: Array
) -> tuple[tuple[Float[Array, " _A"], ...], Float[Array, "rows columns"]]:
    """Return both agents' values after training, and the mixer's value of every joint action."""
    training = begin_training(algorithm, env, seed)
    training = jax.lax.fori_loop(0, iterations, lambda _, state: iterate(algorithm, env, state)[0], training)
    learner = training.learner
    return table(learner.team.actors, learner.critic.networks[0])


def table(actors: tuple[Any, ...], mixer: Any) -> tuple[tuple[Float[Array, " _A"], ...], Float[Array, "rows columns"]]:
    """Return both agents' values in the game's only state, and the mixer's value of every joint action."""
    sight = jnp.asarray(SIGHT)[None, None]
    shares = [jax.vmap(lambda actor: tuple(part[0, 0] for part in actor.values(sight)))(stack) for stack in actors]
    agent_values = tuple(values[agent] for values, _ in shares for agent in range(values.shape[0]))
    rows, columns = (values.shape[0] for values in agent_values)
    joint = jnp.stack(jnp.meshgrid(jnp.arange(rows), jnp.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2)
    groups, first = [], 0
    for values, features in shares:
        agents = values.shape[0]
        spread = [jnp.broadcast_to(part[None], (joint.shape[0], *part.shape)) for part in (values, features)]
        groups.append(Offer(spread[0], joint[:, first : first + agents].astype(jnp.int32), None, spread[1]))
        first += agents
    state = jnp.broadcast_to(jnp.asarray(SIGHT)[None], (joint.shape[0], len(SIGHT)))
    joint_values = mixer.joint(AgentValues(tuple(groups), None), state)
    return agent_values, joint_values.sum(-1).reshape(rows, columns)


def solved(row: Mapping[str, Any], method: str) -> int:
    """Return the number of seeds in which the agents' final greedy joint action has the best payoff."""
    return sum(abs(payoff - row["best"]) < 1e-6 for payoff in row["methods"][method]["payoffs"])
