"""The exact evaluation of a product policy in a finite Markov game.

s is a state, a = (a¹, …, aⁿ) a joint action, πⁱ the policy of agent i, P the transition probabilities, r the reward, γ
the discount and d₀ the initial distribution. With π(a|s) = ∏ᵢ πⁱ(aⁱ|s), P_π(s, s′) = Σₐ π(a|s) P(s′|s, a) and
r_π(s) = Σₐ π(a|s) r(s, a):

    V = (I − γ P_π)⁻¹ r_π            the value of every state
    Q(s, a) = r(s, a) + γ Σ P V      the value of every joint action
    A = Q − V                        the advantage of every joint action
    ρ = (I − γ P_πᵀ)⁻¹ d₀            the occupancy of every state, discounted and unnormalised: Σ ρ = 1/(1 − γ)
    J = d₀ · V = ρ · r_π             the return

For a subset S of the agents, Q^S(s, a^S) is the mean of Q over the other agents' actions. The advantage of the agents T
after S have chosen is A^T(s, a^S, a^T) = Q^{S∪T} − Q^S.

Reference: Zhong et al., 2024, arXiv:2304.09870, section 2 and definition 1.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hamlet.errors import require
from hamlet.tabular.box import BoxedGame, lay, lay_policies
from hamlet.tabular.markov_game import MarkovGame, Policies, Table, checked_policies
from hamlet.tabular.precision import exactly

# Best responses are computed by policy iteration. An action changes only if the gain is above this share of the largest
# value; otherwise rounding could turn ties into an endless cycle.
_STRICTLY = 1e-13
_ROUNDS = 1000


class GameSolution(eqx.Module):
    """The result of `solve`, in JAX or NumPy; R is 1 for a common reward, and else the number of agents.

    v, q, advantage, occupancy and value are V, Q, A, ρ and J of this module's equations.

    Attributes:
        v: ``[R, S]``.
        q: ``[R, S, A1, …, An]``.
        advantage: ``[R, S, A1, …, An]``.
        occupancy: ``[S]``.
        value: ``[R]``.
    """

    v: Any
    q: Any
    advantage: Any
    occupancy: Any
    value: Any


@dataclass(frozen=True)
class ExactEvaluation:
    """The exact values of a product policy, NumPy float64.

    If each agent has its own reward, all arrays except the occupancy have a leading axis ``[n]``.

    Attributes:
        v: V, the state values, ``[S]``.
        q: Q, the action values, ``[S, A1, …, An]``.
        advantage: A = Q − V, ``[S, A1, …, An]``.
        occupancy: ρ, the occupancy, discounted and unnormalised, ``[S]``.
        value: J, the return, a float; ``[n]`` if each agent has its own reward.
    """

    v: Table
    q: Table
    advantage: Table
    occupancy: Table
    value: Any


def evaluate(game: MarkovGame, policies: Policies) -> ExactEvaluation:
    """Return the values V, Q, A, the occupancy ρ and the return J of a product policy.

    Args:
        game: The game.
        policies: πⁱ(a|s) of every agent, ``[S, A_i]``.

    Raises:
        RequestError: If a policy does not fit the game, or its rows are not distributions.

    >>> from hamlet.tabular.markov_game import MarkovGame
    >>> game = MarkovGame(np.array([[[1.0, 0.0], [0.0, 2.0]]]), np.ones((1, 2, 2, 1)), np.ones(1), 0.5)
    >>> round(evaluate(game, game.uniform()).value, 6)
    1.5
    """
    checked = checked_policies(game, policies)
    solution = exactly(_solve, game.rewards, game.transition, game.initial, game.discount, checked)
    return _evaluation(game, solution)


def evaluate_many(games: Sequence[MarkovGame], policies: Sequence[Policies]) -> list[ExactEvaluation]:
    """Return `evaluate` of many games, of equal or different sizes, in one compiled program.

    Raises:
        RequestError: If a policy does not fit its game, or all games together do not fit into memory.
    """
    box, laid = lay(games), lay_policies(games, policies)
    solution = exactly(_solve_boxes, box, laid)
    return [_unbox(game, solution, number) for number, game in enumerate(games)]


def multi_agent_advantage(
    game: MarkovGame, policies: Policies, first: Sequence[int], then: Sequence[int]
) -> Float[np.ndarray, "..."]:
    """Return A^T(s, a^S, a^T) = Q^{S∪T}(s, a^S, a^T) − Q^S(s, a^S), the advantage of the agents T after S have chosen.

    Args:
        game: The game.
        policies: πⁱ(a|s), ``[S, A_i]``.
        first: S, indices of agents, in the order of their action axes in the result.
        then: T, indices of agents in the order of their action axes; disjoint from S.

    Returns:
        ``[S, A_first…, A_then…]``; if each agent has its own reward, ``[n, S, A_first…, A_then…]``.

    Raises:
        RequestError: If an agent does not exist or is named twice.
    """
    named = (*first, *then)
    require(
        len(set(named)) == len(named) and set(named) <= set(range(game.agents)),
        f"{first} and {then} name agents twice, or agents outside 0 … {game.agents - 1}",
    )
    checked = checked_policies(game, policies)
    q = evaluate(game, checked).q
    tables = [q] if game.common else list(q)
    advantages = np.stack([_ordered(x, checked, named) - _ordered(x, checked, tuple(first), len(then)) for x in tables])
    return advantages[0] if game.common else advantages


def nash_gap(game: MarkovGame, policies: Policies) -> Float[np.ndarray, " agents"]:
    """Return each agent's largest gain in J by deviating alone: max over π̄ⁱ of Jⁱ(π̄ⁱ, π⁻ⁱ) − Jⁱ(π).

    π⁻ⁱ are the other agents' policies. All gains are 0 at a Nash equilibrium. With the other agents' policies fixed,
    the game is a Markov decision process, which is solved exactly by policy iteration.

    Raises:
        RequestError: If a policy does not fit the game, or its rows are not distributions.

    >>> from hamlet.tabular.markov_game import MarkovGame
    >>> game = MarkovGame(np.array([[[1.0, 0.0], [0.0, 2.0]]]), np.ones((1, 2, 2, 1)), np.ones(1), 0.0)
    >>> nash_gap(game, game.uniform()).round(6)
    array([0.25, 0.25])
    """
    box, laid = lay([game]), lay_policies([game], [policies])
    return exactly(_gap_boxes, box, laid)[0]


def joint_policy(policies: Sequence[Any]) -> Any:
    """Return π(a|s) = ∏ᵢ πⁱ(aⁱ|s), ``[S, A1, …, An]``, from NumPy or JAX arrays."""
    joint = policies[0]
    for policy in policies[1:]:
        joint = joint[..., None] * policy.reshape(policy.shape[0], *(1,) * (joint.ndim - 1), policy.shape[1])
    return joint


def average(table: Any, policies: Sequence[Any], over: Iterable[int]) -> Any:
    """Return the mean of ``[S, A1, …, An]`` over the actions of the agents ``over``, whose axes are removed."""
    for agent in sorted(over, reverse=True):
        axis = agent + 1
        policy = policies[agent]
        shape = [policy.shape[0]] + [1] * (table.ndim - 1)
        shape[axis] = policy.shape[1]
        table = (table * policy.reshape(shape)).sum(axis)
    return table


def solve(reward: Array, transition: Array, initial: Array, discount: Array, policies: Sequence[Array]) -> GameSolution:
    """Solve the equations of this module for rewards ``[R, S, A1, …, An]``.

    The function is pure and must be compiled in 64 bits.
    """
    joint = joint_policy(policies)
    actions = tuple(range(1, joint.ndim))
    states = initial.shape[0]
    met = (joint[..., None] * transition).sum(actions)
    resolvent = jnp.eye(states) - discount * met
    earned = (joint[None] * reward).sum(tuple(axis + 1 for axis in actions))
    v = jnp.linalg.solve(resolvent, earned.T).T
    occupancy = jnp.linalg.solve(resolvent.T, initial)
    following = jax.vmap(lambda row: (transition * row.reshape((1,) * joint.ndim + (states,))).sum(-1))(v)
    q = reward + discount * following
    advantage = q - v.reshape(*v.shape, *(1,) * len(actions))
    return GameSolution(v, q, advantage, occupancy, (v * initial[None]).sum(-1))


def gaps(box: BoxedGame, policies: Float[Array, "n S A"]) -> Float[Array, " n"]:
    """Return `nash_gap` of one padded game; the function is pure and must be compiled in 64 bits."""
    reward, transition = alone(box, policies)
    best = jax.vmap(partial(_best_response, discount=box.discount))(reward, transition, policies, box.available)
    held = jax.vmap(partial(values, discount=box.discount))(reward, transition, policies)
    return ((best - held) * box.initial[None]).sum(-1)


def alone(box: BoxedGame, policies: Float[Array, "n S A"]) -> tuple[Float[Array, "n S A"], Float[Array, "n S A S"]]:
    """Return the rewards and transitions of every agent's Markov decision process, with the other policies fixed."""
    agents = range(policies.shape[0])
    rows = tuple(policies)
    others = [[j for j in agents if j != i] for i in agents]
    rewards = [box.reward[min(i, box.reward.shape[0] - 1)] for i in agents]
    reward = jnp.stack([average(rewards[i], rows, others[i]) for i in agents])
    return reward, jnp.stack([average(box.transition, rows, others[i]) for i in agents])


def _best_response(
    reward: Float[Array, "S A"],
    transition: Float[Array, "S A S"],
    policy: Float[Array, "S A"],
    available: Bool[Array, " A"],
    discount: Float[Array, ""],
) -> Float[Array, " S"]:
    """Return the optimal values of a Markov decision process, by policy iteration from a policy."""

    def better(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        policy, v, _, count = state
        q = reward + discount * (transition * v[None, None]).sum(-1)
        q = jnp.where(available[None], q, -jnp.inf)
        gain = q.max(-1) - v
        changing = gain > _STRICTLY * (1.0 + jnp.abs(v).max())
        greedy = jax.nn.one_hot(q.argmax(-1), q.shape[-1], dtype=q.dtype)
        policy = jnp.where(changing[:, None], greedy, policy)
        return policy, values(reward, transition, policy, discount), changing.any(), count + 1

    start = (policy, values(reward, transition, policy, discount), jnp.bool_(True), jnp.int32(0))

    def going(state):
        return state[2] & (state[3] < _ROUNDS)

    return jax.lax.while_loop(going, better, start)[1]


def values(
    reward: Float[Array, "S A"], transition: Float[Array, "S A S"], policy: Float[Array, "S A"], discount: Array
) -> Float[Array, " S"]:
    """Return V of one agent's policy in its Markov decision process."""
    met = (policy[..., None] * transition).sum(1)
    return jnp.linalg.solve(jnp.eye(met.shape[0]) - discount * met, (policy * reward).sum(1))


def _ordered(q: Table, policies: Sequence[Table], kept: tuple[int, ...], trailing: int = 0) -> Table:
    """Return Q^S with its axes in the given order, followed by ``trailing`` axes of length one."""
    averaged = average(q, policies, set(range(len(policies))) - set(kept))
    ranks = [sorted(kept).index(agent) + 1 for agent in kept]
    ordered = averaged.transpose(0, *ranks)
    return ordered.reshape(*ordered.shape, *(1,) * trailing)


_solve = jax.jit(solve)


@jax.jit
def _solve_boxes(box: BoxedGame, policies: Float[Array, "G n S A"]) -> GameSolution:
    return jax.vmap(lambda b, p: solve(b.reward, b.transition, b.initial, b.discount, tuple(p)))(box, policies)


@jax.jit
def _gap_boxes(box: BoxedGame, policies: Float[Array, "G n S A"]) -> Float[Array, "G n"]:
    return jax.vmap(gaps)(box, policies)


def _evaluation(game: MarkovGame, solution: GameSolution) -> ExactEvaluation:
    if game.common:
        value = float(solution.value[0])
        return ExactEvaluation(solution.v[0], solution.q[0], solution.advantage[0], solution.occupancy, value)
    return ExactEvaluation(solution.v, solution.q, solution.advantage, solution.occupancy, solution.value)


def _unbox(game: MarkovGame, solution: GameSolution, number: int) -> ExactEvaluation:
    """Return the evaluation of one game from the padded solution."""
    rewards, states, actions = len(game.rewards), game.states, game.actions
    # A padded agent has a single action.
    absent = solution.q.ndim - 3 - len(actions)
    joint = (number, slice(rewards), slice(states), *(slice(count) for count in actions), *(0,) * absent)
    return _evaluation(
        game,
        GameSolution(
            solution.v[number, :rewards, :states],
            solution.q[joint],
            solution.advantage[joint],
            solution.occupancy[number, :states],
            solution.value[number, :rewards],
        ),
    )
