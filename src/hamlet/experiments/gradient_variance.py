"""Compute the variance of one agent's policy gradient estimate exactly, in random team games, for several baselines.

A game has one step and n agents. Agent i has the policy πⁱ, a joint action a has the team value Q(a), and b is the
baseline. The gradient estimate for agent i's logits is ( Q(a) − b ) ∇ log πⁱ(aⁱ). Its total variance is computed by a
sum over all joint actions:

    none             b = 0
    V                b = E[Q]
    counterfactual   b = Σ_a πⁱ(a) Q(a, a⁻ⁱ)                          (COMA)
    optimal          b = Σ_a x(a) Q(a, a⁻ⁱ), x ∝ πⁱ ‖∇ log πⁱ‖²        (OB)
    decentralised    Qⁱ(aⁱ) − V instead of Q(a) − b, where Qⁱ is the mean of Q over the other agents' actions

The variance of "V" exceeds the variance of "decentralised" by E[ (Q − Qⁱ)² ‖∇ log πⁱ‖² ]. This difference grows with
the influence of the other agents on the reward. Its upper bound is (n − 1) (ε B)², with ε = maxⱼ max|Aʲ|, where Aʲ is
the advantage of agent j, and B = max‖∇ log πⁱ‖.

The reward is a sum of terms of single agents and of pairs: r(a) = Σⱼ uⱼ(aⱼ) + n^(−½) Σ_{j<k} w_jk(aⱼ, a_k). All u and w
are standard normal. Policies are sampled uniformly from the simplex.

Reference: Kuba et al., 2021, arXiv:2108.08612, theorem 1, lemma 2 and section 4.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from hamlet.distributions import Categorical
from hamlet.errors import require
from hamlet.estimation.baseline import counterfactual, every, optimal
from hamlet.tabular.precision import exactly

METHODS = ("none", "V", "counterfactual", "optimal", "decentralised")
# The number of joint actions of the largest game. Such a game takes about ten megabytes.
LARGEST = 200_000


def measure(agents: Sequence[int], games: int, choices: int, seed: int) -> dict[str, Any]:
    """Compute every method's total variance in random games, for each number of agents.

    Args:
        agents: The numbers of agents, each at least 2.
        games: The number of games for each number of agents, at least 1.
        choices: The number of actions of every agent, at least 2.
        seed: The random seed of the games.

    Raises:
        RequestError: If a number is out of range, or a game has too many joint actions to enumerate.
    """
    require(min(agents, default=0) >= 2, f"--agents takes numbers of at least 2, such as 2,4,8, got {list(agents)}")
    require(games >= 1, f"--games must be at least 1, got {games}")
    require(choices >= 2, f"--choices must be at least 2, got {choices}")
    most = int(math.log(LARGEST) / math.log(choices) + 1e-9)
    require(
        max(agents) <= most,
        f"{max(agents)} agents with {choices} actions have {choices ** max(agents):,} joint actions, too many to "
        f"enumerate: use at most {most} agents, or --choices 2",
    )
    rows = []
    for number in agents:
        game_rows = [_game(number, choices, np.random.default_rng((seed, number, game))) for game in range(games)]
        rows.append({"agents": number, **{name: [float(entry[name]) for entry in game_rows] for name in game_rows[0]}})
    return {"games": games, "choices": choices, "seed": seed, "rows": rows}


def rewards(agents: int, choices: int, draw: np.random.Generator) -> Float[np.ndarray, "..."]:
    """Return r(a) of a random team game, with one axis for each agent."""
    total = np.zeros((choices,) * agents)
    for first in range(agents):
        total = total + _along(draw.normal(size=choices), (first,), agents)
        for second in range(first + 1, agents):
            pair = draw.normal(size=(choices, choices)) / math.sqrt(agents)
            total = total + _along(pair, (first, second), agents)
    return total


def variances(
    value: Float[np.ndarray, "A M"], policy: Float[np.ndarray, " A"], others: Float[np.ndarray, " M"]
) -> dict[str, float]:
    """Return every method's total variance for one agent.

    Args:
        value: Q; the agent's actions are the rows, the other agents' joint actions are the columns.
        policy: The agent's probabilities of its actions.
        others: The probabilities of the other agents' joint actions.
    """
    score = np.eye(len(policy)) - policy
    square, joint = (score**2).sum(1), policy[:, None] * others
    marginal_value = value @ others
    baselines = exactly(_baselines, value.T.copy(), np.broadcast_to(policy, value.T.shape).copy())
    credit = {
        "none": value,
        "V": value - (joint * value).sum(),
        "counterfactual": value - baselines[0],
        "optimal": value - baselines[1],
        "decentralised": np.broadcast_to((marginal_value - policy @ marginal_value)[:, None], value.shape),
    }
    mean = score.T @ (policy * marginal_value)
    return {name: (joint * advantage**2 * square[:, None]).sum() - mean @ mean for name, advantage in credit.items()}


def _game(agents: int, choices: int, draw: np.random.Generator) -> dict[str, Any]:
    table, policies = rewards(agents, choices, draw), draw.dirichlet(np.ones(choices), agents)
    others = np.ones(1)
    for policy in policies[1:]:
        others = np.multiply.outer(others, policy).reshape(-1)
    value, policy = table.reshape(choices, -1), policies[0]
    method_variances: dict[str, Any] = dict(variances(value, policy, others))
    square = ((np.eye(choices) - policy) ** 2).sum(1)
    rest = (policy[:, None] * others * (value - (value @ others)[:, None]) ** 2 * square[:, None]).sum()
    return method_variances | {"identity": rest, "bound": (agents - 1) * square.max() * _largest(table, policies) ** 2}


def _largest(table: Float[np.ndarray, "..."], policies: Float[np.ndarray, "n A"]) -> float:
    """Return the maximum of |Aʲ| over agents j, given the actions of the agents before j, averaged over those after j.

    Aʲ is the advantage of agent j.
    """
    most, value = 0.0, table
    for number in reversed(range(len(policies))):
        mean = value @ policies[number]
        most, value = max(most, np.abs(value - mean[..., None]).max()), mean
    return most


@jax.jit
def _baselines(value: Any, policy: Any) -> Any:
    alternatives = every(Categorical(jnp.log(policy)), value)
    return counterfactual(alternatives), optimal(alternatives)


def _along(part: np.ndarray, axes: tuple[int, ...], agents: int) -> np.ndarray:
    return part.reshape([part.shape[axes.index(axis)] if axis in axes else 1 for axis in range(agents)])
