"""Baselines that depend on the other agents' actions; they are subtracted from Q(s, a) in an agent's policy gradient.

Agent i's gradient estimate is ( Q(s, a) − b(s, a⁻ⁱ) ) ∇ log πⁱ(aⁱ|oⁱ). s is the state, a the joint action, a⁻ⁱ the
other agents' actions, oⁱ the agent's observation, and b the baseline. The estimate has the same mean for every b that
does not depend on the agent's own action aⁱ; the choice of b determines its variance. With π the policy that sampled:

    counterfactual   b  = Σ_a π(a) Q(s, a, a⁻ⁱ)
    optimal          b* = Σ_a x(a) Q(s, a, a⁻ⁱ),    x(a) ∝ π(a) ‖∇_ψ log π(a)‖²

Any other b adds (b − b*)² E‖∇_ψ log π‖² to the variance of b*. This is an identity for every s and a⁻ⁱ.

The gradient is taken by ψ, the output of the network's last layer, instead of the network's weights. ψ are the logits,
or the means and standard deviations (μ, σ) of a normal policy. For a tanh policy, ψ are μ and σ before tanh. With log σ
instead of σ, the weights x(a) would differ.

References: Foerster et al., 2018, arXiv:1705.08926 (COMA); Kuba et al., 2021, arXiv:2108.08612 (the optimal baseline).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.distributions import Categorical, Scored


class Alternatives(eqx.Module):
    """The alternative actions of an agent, given the other agents' actions: all its actions, or K sampled ones.

    Attributes:
        value: Q(s, a, a⁻ⁱ) of every alternative a, given the state s and the other agents' actions a⁻ⁱ.
        weight: π(a); 1/K for each of K samples. The weights sum to 1.
        score: ‖∇_ψ log π(a)‖², where ψ are the parameters of the agent's distribution.
    """

    value: Float[Array, "*B K"]
    weight: Float[Array, "*B K"]
    score: Float[Array, "*B K"]


def every(policy: Categorical, value: Float[Array, "*B A"], alive: Bool[Array, "*B"] | None = None) -> Alternatives:
    """Return all actions as alternatives: unavailable ones have weight 0; an inactive agent has only its first action.

    Args:
        policy: The policy π that sampled.
        value: Q(s, ·, a⁻ⁱ).
        alive: Which agents are active.
    """
    weight = jnp.exp(policy.log_probs)
    if alive is not None:
        first = jax.nn.one_hot(jnp.zeros(alive.shape, jnp.int32), weight.shape[-1])
        weight = jnp.where(alive[..., None], weight, first)
    return Alternatives(value, weight, policy.squared_scores())


def drawn(policy: Scored, action: Array, value: Float[Array, "*B K"]) -> Alternatives:
    """Return K samples ``[K, *B, …]`` from a policy as alternatives, with their values."""
    score = jnp.moveaxis(jax.vmap(policy.squared_score)(action), 0, -1)
    return Alternatives(value, jnp.full(value.shape, 1.0 / value.shape[-1]), score)


def counterfactual(alternatives: Alternatives) -> Float[Array, "*B"]:
    """Return the expected value of an agent's policy, given the other agents' actions: Σ_a π(a) Q(s, a, a⁻ⁱ).

    >>> found = counterfactual(Alternatives(jnp.array([2.0, 1, 100]), jnp.array([0.8, 0.1, 0.1]), jnp.zeros(3)))
    >>> round(float(found), 3)
    11.7
    """
    return jax.lax.stop_gradient((alternatives.weight * alternatives.value).sum(-1))


def optimal(alternatives: Alternatives) -> Float[Array, "*B"]:
    """Return the baseline with the smallest variance: Σ_a x(a) Q(s, a, a⁻ⁱ) with x(a) ∝ π(a) ‖∇_ψ log π(a)‖².

    If all scores are 0, for example because only one action is available, it equals the counterfactual baseline.

    >>> policy = Categorical(jnp.log(jnp.array([0.8, 0.1, 0.1])))
    >>> round(float(optimal(every(policy, jnp.array([2.0, 1, 100])))), 3)
    43.653
    """
    share = alternatives.weight * alternatives.score
    total = share.sum(-1, keepdims=True)
    share = jnp.where(total > 0, share / jnp.where(total > 0, total, 1.0), alternatives.weight)
    return jax.lax.stop_gradient((share * alternatives.value).sum(-1))
