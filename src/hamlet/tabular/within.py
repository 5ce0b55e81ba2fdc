"""The best policy of one agent within a neighbourhood, for all states together.

Without a neighbourhood (`Unconstrained`), every state is a separate problem. The neighbourhood's learning rate, epochs
and entropy belong to the approximate solver and are not used here. A ball of divergences couples the states:

    max over π̄ of  Σ_s β(s) f_s(π̄)   with  Σ_s β(s) KL(π(·|s)‖π̄(·|s)) ≤ δ.

π is the old policy, π̄ the new one, β(s) the weight of state s, f_s the objective in s (`hamlet.tabular.inner`) and δ
the radius. β weights both sums, so one multiplier λ separates the states again, with the objective f_s − λ KL. λ is
found by bisection. A state of weight 0 has the same λ.

For any other kind of neighbourhood, the unconstrained maximiser is moved back along the segment to the old policy until
the neighbourhood contains it. The result is an improvement, but in general not the best policy in the neighbourhood.
The reported gap is the gap to the best unconstrained policy.

`improve` dispatches on the neighbourhood's class: register another with ``improve.register(YourNeighbourhood)``.
"""

from functools import partial, singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from hamlet.haml.neighbourhood import KlBall, Unconstrained
from hamlet.tabular.inner import InnerProblem, InnerSolution, distribution, maximise, objective, shortfall

_BISECTIONS = 60


@singledispatch
def improve(neighbourhood: Any, drift: Any, choices: InnerProblem, weight: Float[Array, " S"]) -> InnerSolution:
    """Return the new policy of one agent in every state.

    Args:
        neighbourhood: 𝒰; it has a method ``contains(old, new, weight)``.
        drift: 𝔇.
        choices: The agent's maximisation problem in every state.
        weight: β, the weights of the states, with the sum 1.
    """
    best = jax.vmap(partial(maximise, drift))(choices)
    policy = drawn_back(neighbourhood, choices, best.policy, weight)
    value = jax.vmap(partial(objective, drift))
    policy = jnp.where((value(choices, policy) >= value(choices, choices.old))[:, None], policy, choices.old)
    policy = jnp.where(_contains(neighbourhood, choices, policy, weight), policy, choices.old)
    gap = jax.vmap(partial(shortfall, drift))(choices, policy)
    return InnerSolution(policy, jnp.maximum(gap, 0.0))


@improve.register(Unconstrained)
def _(neighbourhood: Unconstrained, drift: Any, choices: InnerProblem, weight: Float[Array, " S"]) -> InnerSolution:
    return jax.vmap(partial(maximise, drift))(choices)


@improve.register(KlBall)
def _(neighbourhood: KlBall, drift: Any, choices: InnerProblem, weight: Float[Array, " S"]) -> InnerSolution:
    free = jax.vmap(partial(maximise, drift))(choices)
    spread = jnp.where(choices.available, choices.advantage, -jnp.inf).max() - jnp.where(
        choices.available, choices.advantage, jnp.inf
    ).min(initial=jnp.inf)
    spread = jnp.maximum(spread, 1e-300)

    def penalised(penalty: Float[Array, ""]) -> InnerSolution:
        each = jnp.broadcast_to(penalty, weight.shape)
        priced = eqx.tree_at(lambda c: c.penalty, choices, each, is_leaf=lambda leaf: leaf is None)
        return jax.vmap(partial(maximise, drift))(priced)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        inside = _contains(neighbourhood, choices, penalised(jnp.exp(middle)).policy, weight)
        return jnp.where(inside, low, middle), jnp.where(inside, middle, high)

    # The maximiser for λ has KL(π‖π̄) ≤ log(1 + spread/λ) ≤ spread/λ, so it is inside the ball for λ = spread/δ.
    bracket = jnp.log(spread * 1e-9), jnp.log(spread / neighbourhood.radius)
    _, high = jax.lax.fori_loop(0, _BISECTIONS, halve, bracket)
    penalty = jnp.exp(high)
    bound = penalised(penalty)
    policy = drawn_back(neighbourhood, choices, bound.policy, weight)
    met = distribution(choices.old, choices.available).kl(distribution(policy, choices.available))
    slack = penalty * jnp.maximum(neighbourhood.radius - (weight * met).sum(), 0.0)
    inside = _contains(neighbourhood, choices, free.policy, weight)
    return InnerSolution(jnp.where(inside, free.policy, policy), jnp.where(inside, free.gap, bound.gap + slack))


def drawn_back(
    neighbourhood: Any, choices: InnerProblem, policy: Float[Array, "S A"], weight: Float[Array, " S"]
) -> Float[Array, "S A"]:
    """Return the farthest point on the segment towards a policy that the neighbourhood contains, by bisection."""
    contains = partial(_contains, neighbourhood, choices, weight=weight)

    def at(share: Array) -> Array:
        return choices.old + share * (policy - choices.old)

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = 0.5 * (low + high)
        inside = contains(at(middle))
        return jnp.where(inside, middle, low), jnp.where(inside, high, middle)

    zero, unity = jnp.zeros((), policy.dtype), jnp.ones((), policy.dtype)
    share, _ = jax.lax.fori_loop(0, _BISECTIONS, halve, (zero, unity))
    return jnp.where(contains(policy), policy, at(share))


def _contains(
    neighbourhood: Any, choices: InnerProblem, policy: Float[Array, "S A"], weight: Float[Array, " S"]
) -> Array:
    old, new = distribution(choices.old, choices.available), distribution(policy, choices.available)
    return neighbourhood.contains(old, new, weight)
