"""Maximum entropy on finite games, exactly: the objective of HASAC, each agent's best update, and the equilibria.

    J_α(π) = E Σ γᵗ [ r + α Σᵢ H(πⁱ(·|s)) ],    Q_α(s, a) = r(s, a) + γ Σ P V_α,    V_α(s) = E_π[Q_α] + α Σᵢ H(πⁱ(·|s)).

J_α, Q_α and V_α are the soft return and values. r is the reward, γ the discount, α the temperature, H the entropy of
agent i's policy πⁱ in state s, a a joint action and P the transition probabilities.

An agent that updates takes, in every state, the unique policy that maximises E[Q_α] + α H:

    πⁱ(a|s) ∝ exp( E_{−i}[Q_α(s, a, ·)] / α ).

E_{−i} is the mean over the other agents' actions, with the new policies of agents that updated earlier.

Sequential updates of this kind never lower V_α in any state. If every agent's policy is this response to the other
agents, the policies are a quantal response equilibrium, in its logit form.

References: Liu et al., 2024, arXiv:2306.10715 (HASAC, MEHAML); McKelvey and Palfrey, 1995, doi:10.1006/game.1995.1023.
"""

from functools import partial
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from hamlet.errors import require
from hamlet.haml.drift import ZeroDrift
from hamlet.tabular.box import BoxedGame, lay, lay_policies
from hamlet.tabular.exact import alone, values
from hamlet.tabular.inner import InnerProblem, InnerSolution, ascend, maximise
from hamlet.tabular.markov_game import MarkovGame, Policies
from hamlet.tabular.precision import exactly

# A gain below this share of the largest value is treated as rounding.
_STRICTLY = 1e-12
_ROUNDS = 1000


class Tempered(eqx.Module):
    """A drift minus α H(π̄). Used in place of a drift, it adds the new policy's entropy H(π̄) to the objective.

    Attributes:
        drift: 𝔇.
        temperature: α.
    """

    drift: Any = eqx.field(static=True)
    temperature: Float[Array, ""]

    def __call__(
        self, ratio: Float[Array, "*B"], corrected: Float[Array, "*B"], old: Any, new: Any
    ) -> Float[Array, "*B"]:
        """Return one term per sample."""
        return self.drift(ratio, corrected, old, new) - self.temperature * new.entropy()


@maximise.register(Tempered)
def _(drift: Tempered, choice: InnerProblem) -> InnerSolution:
    if choice.penalty is not None or not isinstance(drift.drift, ZeroDrift):
        return ascend(drift, choice)
    policy = response(choice.advantage, choice.available, drift.temperature)
    return InnerSolution(policy, jnp.zeros((), policy.dtype))


def response(
    worth: Float[Array, "*S A"], available: Bool[Array, " A"], temperature: Float[Array, ""]
) -> Float[Array, "*S A"]:
    """Return the logit response: softmax(worth/α) over the available actions, where α is the temperature."""
    return jax.nn.softmax(_logits(worth, available, temperature))


def spread(policies: Float[Array, "*n S A"]) -> Float[Array, "*n S"]:
    """Return the entropy H of every policy in every state, in nats."""
    return -jax.scipy.special.xlogy(policies, policies).sum(-1)


def rewards(box: BoxedGame, policies: Float[Array, "n S A"], temperature: Float[Array, ""] | None) -> Array:
    """Return the rewards ``[R, S, A, …, A]`` of an iteration: the soft reward and, last, the team's reward.

    R is 1 if the two are equal (without temperature), else 2. The entropies of a state are added for every action,
    which does not change any comparison of actions.
    """
    if temperature is None:
        return box.team[None]
    bonus = temperature * spread(policies).sum(0)
    return jnp.stack([box.team + bonus.reshape(-1, *(1,) * policies.shape[0]), box.team])


def gaps(box: BoxedGame, policies: Float[Array, "n S A"], temperature: Float[Array, ""]) -> Float[Array, " n"]:
    """Return `quantal_gap` of one padded game; the function is pure and must be compiled in 64 bits."""
    reward, transition = alone(box, policies)
    entropies = temperature * spread(policies)
    reward = reward + (entropies.sum(0, keepdims=True) - entropies)[..., None]
    best = jax.vmap(partial(_best_response, discount=box.discount, temperature=temperature))(
        reward, transition, policies, box.available
    )
    held = jax.vmap(partial(values, discount=box.discount))(reward + entropies[..., None], transition, policies)
    return ((best - held) * box.initial[None]).sum(-1)


def quantal_gap(game: MarkovGame, policies: Policies, temperature: float) -> Float[np.ndarray, " agents"]:
    """Return each agent's largest gain in J_α by deviating alone: max over π̄ⁱ of J_αⁱ(π̄ⁱ, π⁻ⁱ) − J_αⁱ(π).

    J_α is the soft return with temperature α, and π⁻ⁱ are the other agents' policies. The other agents' entropies count
    as rewards. In a game with one state and discount γ = 0, the gap is α KL(πⁱ‖logit response). If every state can be
    reached, all gaps are 0 exactly at the quantal response equilibria.

    Args:
        game: The game.
        policies: πⁱ(a|s) of every agent, ``[S, A_i]``.
        temperature: α > 0.

    Raises:
        RequestError: If a policy does not fit the game, its rows are not distributions, or the temperature is not above
            0.

    >>> from hamlet.tabular.markov_game import MarkovGame
    >>> game = MarkovGame(np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.ones((1, 2, 2, 1)), np.ones(1), 0.0)
    >>> quantal_gap(game, game.uniform(), 0.5)
    array([0., 0.])
    """
    require(temperature > 0, f"the temperature must be above 0, got {temperature}; for its limit see nash_gap")
    box, laid = lay([game]), lay_policies([game], [policies])
    return exactly(_gap_boxes, box, laid, np.float64(temperature))[0]


def _best_response(
    reward: Float[Array, "S A"],
    transition: Float[Array, "S A S"],
    policy: Float[Array, "S A"],
    available: Bool[Array, " A"],
    discount: Float[Array, ""],
    temperature: Float[Array, ""],
) -> Float[Array, " S"]:
    """Return the optimal soft values of a Markov decision process, by policy iteration.

    This is a Newton method and converges fast.
    """

    def valued(policy: Array) -> Array:
        return values(reward + temperature * spread(policy)[:, None], transition, policy, discount)

    def better(state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        _, v, _, count = state
        q = reward + discount * (transition * v[None, None]).sum(-1)
        gain = temperature * jax.nn.logsumexp(_logits(q, available, temperature), axis=-1) - v
        policy = response(q, available, temperature)
        return policy, valued(policy), (gain > _STRICTLY * (1.0 + jnp.abs(v).max())).any(), count + 1

    start = (policy, valued(policy), jnp.bool_(True), jnp.int32(0))

    def going(state):
        return state[2] & (state[3] < _ROUNDS)

    return jax.lax.while_loop(going, better, start)[1]


def _logits(worth: Float[Array, "*S A"], available: Bool[Array, " A"], temperature: Array) -> Float[Array, "*S A"]:
    return jnp.where(available.reshape((1,) * (worth.ndim - 1) + (-1,)), worth / temperature, -jnp.inf)


@jax.jit
def _gap_boxes(box: BoxedGame, policies: Float[Array, "G n S A"], temperature: Float[Array, ""]) -> Float[Array, "G n"]:
    return jax.vmap(lambda game_box, policy: gaps(game_box, policy, temperature))(box, policies)
