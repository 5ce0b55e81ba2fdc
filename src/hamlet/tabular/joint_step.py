"""The exact guarantee of a joint policy step in a general-sum Markov game, and the meta-game of such steps.

π is the current joint policy, ρ_π its unnormalised discounted occupancy, A_i the advantage of agent i. The expected
advantage of a joint policy π̄ for agent i is

    g_i(π̄) = Σ_s ρ_π(s) Σ_a Πⱼ π̄ʲ(aʲ|s) A_i(s, a)                                          (equation 3)

and the return J_i of agent i increases by at least (theorem 1, here for n agents)

    J_i(π̄) − J_i(π) ≥ g_i(π̄) − 4γ εᵢ α² / (1 − γ)²,      α = 1 − Πⱼ (1 − αⱼ),                (equation 4)
    αⱼ = max_s TV(πʲ(·|s), π̄ʲ(·|s)),      εᵢ = max |A_i(s, a)|.

TV is the total variation and γ the discount. For two agents α = α₁ + α₂ − α₁α₂.

Let π̂ be the predicted policies. A mixture ρ π + (1 − ρ) π̂ of probabilities has αⱼ = (1 − ρⱼ) TV(πʲ, π̂ʲ). For a
mixture, the same bound is therefore remark 1 (equation 31), and its penalty is never larger.

In the meta-game, each agent either keeps its policy or takes its predicted policy. It contains g for every such
profile.

Reference: Multi-Agent Trust Region Learning, ICLR 2021 submission; later arXiv:2106.06828.
"""

import itertools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from hamlet.errors import require
from hamlet.tabular.exact import ExactEvaluation, evaluate, joint_policy
from hamlet.tabular.markov_game import MarkovGame, Policies, Table, checked_policies


def meta_game(
    game: MarkovGame, current: Policies, predicted: Policies, *, known: ExactEvaluation | None = None
) -> Float[np.ndarray, " n *profiles"]:
    """Return G_i[c], the expected advantage of each agent i if the agents of a profile c take their predicted policies.

    Args:
        game: With a common reward, or one for each agent.
        current: πⁱ(a|s) of every agent, ``[S, A_i]``.
        predicted: π̂ⁱ(a|s) of every agent, ``[S, A_i]``.
        known: The result of `evaluate` for the current policies, if available.

    Returns:
        ``[n, 2, …, 2]``; an agent's choice 0 keeps its policy, choice 1 takes the predicted policy.

    Raises:
        RequestError: If a policy does not fit the game, or its rows are not distributions.

    >>> game = MarkovGame(np.array([[[1.0, 0.0], [0.0, 2.0]]]), np.ones((1, 2, 2, 1)), np.ones(1), 0.0)
    >>> second = np.array([[0.0, 1.0]])
    >>> meta_game(game, game.uniform(), (second, second))[0].tolist()
    [[0.0, 0.25], [0.25, 1.25]]
    """
    stay, step = checked_policies(game, current), checked_policies(game, predicted)
    known = known or evaluate(game, stay)
    gains = np.zeros((game.agents, *(2,) * game.agents))
    for profile in itertools.product((0, 1), repeat=game.agents):
        taken = [(stay, step)[choice][agent] for agent, choice in enumerate(profile)]
        gains[(slice(None), *profile)] = _expected(game, known, taken)
    return gains


def mixture(current: Sequence[Table], predicted: Sequence[Table], keep: Float[np.ndarray, " n"]) -> tuple[Table, ...]:
    """Return π̄ⁱ = ρᵢ πⁱ + (1 − ρᵢ) π̂ⁱ in every state, with the probability ρᵢ (``keep``) of the current policy."""
    rows = zip(current, predicted, keep, strict=True)
    return tuple(rho * stay + (1.0 - rho) * step for stay, step, rho in rows)


def guaranteed(
    game: MarkovGame, current: Policies, new: Policies, *, known: ExactEvaluation | None = None
) -> Float[np.ndarray, " n"]:
    """Return the right-hand side of equation 4: the least gain of each agent if all agents take their new policies.

    Raises:
        RequestError: If a policy does not fit the game, or its rows are not distributions.

    >>> game = MarkovGame(np.array([[[1.0, 0.0], [0.0, 2.0]]]), np.ones((1, 2, 2, 1)), np.ones(1), 0.0)
    >>> second = np.array([[0.0, 1.0]])
    >>> guaranteed(game, game.uniform(), (second, second)).tolist()
    [1.25, 1.25]
    """
    old, taken = checked_policies(game, current), checked_policies(game, new)
    known = known or evaluate(game, old)
    return _expected(game, known, taken) - penalty(game, known, divergences(old, taken))


def divergences(current: Sequence[Table], new: Sequence[Table]) -> Float[np.ndarray, " n"]:
    """Return αᵢ = max_s TV(πⁱ(·|s), π̄ⁱ(·|s)), the largest total variation of each agent over the states."""
    return np.array([np.abs(old - updated).sum(-1).max() / 2 for old, updated in zip(current, new, strict=True)])


def penalty(game: MarkovGame, known: ExactEvaluation, alphas: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Return 4γ εᵢ α² / (1 − γ)² of equation 4, for agents whose policies change by the divergences αⱼ.

    Raises:
        RequestError: If there is not one divergence in [0, 1] for each agent.
    """
    require(
        alphas.shape == (game.agents,) and bool(((alphas >= 0) & (alphas <= 1)).all()),
        f"each of {game.agents} agents needs one divergence in [0, 1], got {alphas.tolist()}",
    )
    largest = np.abs(_advantages(game, known)).reshape(game.agents, -1).max(1)
    alpha = 1.0 - np.prod(1.0 - alphas)
    return 4.0 * game.discount * largest * alpha**2 / (1.0 - game.discount) ** 2


def _expected(game: MarkovGame, known: ExactEvaluation, policies: Sequence[Table]) -> Float[np.ndarray, " n"]:
    """Return g_i of equation 3."""
    met = known.occupancy.reshape(-1, *(1,) * game.agents) * joint_policy(policies)
    return (met[None] * _advantages(game, known)).reshape(game.agents, -1).sum(1)


def _advantages(game: MarkovGame, known: ExactEvaluation) -> Table:
    """Return A_i of every agent, ``[n, S, A1, …, An]``; with a common reward, all are equal."""
    advantage = known.advantage[None] if game.common else known.advantage
    return np.broadcast_to(advantage, (game.agents, *advantage.shape[1:]))
