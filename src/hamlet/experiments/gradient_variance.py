"""How much one agent's gradient estimate varies, by baseline and number of agents: exactly, in random team games.

In one step of a game of n agents the estimate for agent i's logits is ( Q(a) − b ) ∇ log πⁱ(aⁱ), and its total variance
is a sum over all joint actions:

    none             b = 0
    V                b = E[Q]
    counterfactual   b = Σ_a πⁱ(a) Q(a, a⁻ⁱ)                          (COMA)
    optimal          b = Σ_a x(a) Q(a, a⁻ⁱ), x ∝ πⁱ ‖∇ log πⁱ‖²        (OB)
    decentralised    Qⁱ(aⁱ) − V in the place of Q(a) − b: the others averaged out

What "V" has over "decentralised" is E[ (Q − Qⁱ)² ‖∇ log πⁱ‖² ], which grows with what the others do to the reward, at
most to (n − 1) (ε B)², ε = maxⱼ max|Aʲ| and B = max‖∇ log πⁱ‖. Rewards are what every agent adds, and every pair,
r(a) = Σⱼ uⱼ(aⱼ) + n^(−½) Σ_{j<k} w_jk(aⱼ, a_k), all u and w standard normal; policies are drawn evenly from the
simplex.

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
# Joint actions of the largest game: each game of it takes some ten megabytes.
LARGEST = 200_000


def measure(agents: Sequence[int], games: int, choices: int, seed: int) -> dict[str, Any]:
    """Every method's total variance in so many random games for each number of agents.

    Args:
        agents: How many, each at least 2.
        games: How many games.
        choices: Of every agent, at least 2.
        seed: From which they are drawn.

    Raises:
        RequestError: If there is nothing to measure, or games are too large to be enumerated.
    """
    require(min(agents, default=0) >= 2, f"--agents takes numbers from 2, such as 2,4,8, not {list(agents)}")
    require(games >= 1, f"--games must be at least 1, not {games}")
    require(choices >= 2, f"--choices must be at least 2, not {choices}")
    most = int(math.log(LARGEST) / math.log(choices) + 1e-9)
    require(
        max(agents) <= most,
        f"{max(agents)} agents with {choices} choices have {choices ** max(agents):,} joint actions, and all are "
        f"enumerated: at most {most} agents, or --choices 2",
    )
    rows = []
    for number in agents:
        game_rows = [_game(number, choices, np.random.default_rng((seed, number, game))) for game in range(games)]
        rows.append({"agents": number, **{name: [float(entry[name]) for entry in game_rows] for name in game_rows[0]}})
    return {"games": games, "choices": choices, "seed": seed, "rows": rows}


def rewards(agents: int, choices: int, draw: np.random.Generator) -> Float[np.ndarray, "..."]:
    """r(a) of a random team game, an axis for every agent."""
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
    """Every method's total variance for the agent whose choices are rows, from Q, its policy and the others'."""
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
    """The maximum of |Aʲ| over agents j, once those before it have chosen and with those after it averaged out."""
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
