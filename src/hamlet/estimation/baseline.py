"""Baselines that depend on what the others did: what is subtracted from Q(s, a) before an agent's policy is moved.

An agent's gradient estimate ( Q(s, a) − b(s, a⁻ⁱ) ) ∇ log πⁱ(aⁱ|oⁱ) has the same mean for every b that does not depend
on its own action; which b is taken decides its variance. With π the policy that sampled:

    counterfactual   b  = Σ_a π(a) Q(s, a, a⁻ⁱ)
    optimal          b* = Σ_a x(a) Q(s, a, a⁻ⁱ),    x(a) ∝ π(a) ‖∇_ψ log π(a)‖²

and any other b has the variance of b* and (b − b*)² E‖∇_ψ log π‖² more: an identity, for every s and a⁻ⁱ. In place of
the network's weights stands ψ, what its last layer says: the logits, or the means and deviations (μ, σ) of a normal
policy; of one through tanh, those of what goes through it. Under log σ the weights would be others.

References: Foerster et al., 2018, arXiv:1705.08926 (COMA); Kuba et al., 2021, arXiv:2108.08612 (the optimal baseline).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.distributions import Categorical, Scored


class Alternatives(eqx.Module):
    """What an agent could have done instead, while the others did what they did: all of it, or K draws.

    Attributes:
        value: Q(s, a, a⁻ⁱ) of every alternative a.
        weight: π(a); of draws 1/K each. They sum to 1.
        score: ‖∇_ψ log π(a)‖².
    """

    value: Float[Array, "*B K"]
    weight: Float[Array, "*B K"]
    score: Float[Array, "*B K"]


def every(policy: Categorical, value: Float[Array, "*B A"], alive: Bool[Array, "*B"] | None = None) -> Alternatives:
    """All choices, those that are not available with weight 0; of an absent agent, the first alone.

    Args:
        policy: The one that sampled.
        value: Q(s, ·, a⁻ⁱ).
        alive: Which agents act.
    """
    weight = jnp.exp(policy.log_probs)
    if alive is not None:
        first = jax.nn.one_hot(jnp.zeros(alive.shape, jnp.int32), weight.shape[-1])
        weight = jnp.where(alive[..., None], weight, first)
    return Alternatives(value, weight, policy.squared_scores())


def drawn(policy: Scored, action: Array, value: Float[Array, "*B K"]) -> Alternatives:
    """K draws from a policy, ``[K, *B, …]``, and what each is worth."""
    score = jnp.moveaxis(jax.vmap(policy.squared_score)(action), 0, -1)
    return Alternatives(value, jnp.full(value.shape, 1.0 / value.shape[-1]), score)


def counterfactual(alternatives: Alternatives) -> Float[Array, "*B"]:
    """The value that an agent's own policy has against what the others did: Σ_a π(a) Q(s, a, a⁻ⁱ).

    >>> found = counterfactual(Alternatives(jnp.array([2.0, 1, 100]), jnp.array([0.8, 0.1, 0.1]), jnp.zeros(3)))
    >>> round(float(found), 3)
    11.7
    """
    return jax.lax.stop_gradient((alternatives.weight * alternatives.value).sum(-1))


def optimal(alternatives: Alternatives) -> Float[Array, "*B"]:
    """The baseline of least variance: Σ_a x(a) Q(s, a, a⁻ⁱ) with x(a) ∝ π(a) ‖∇_ψ log π(a)‖².

    Where no alternative has a score, as where only one choice is available, it is the counterfactual one.

    >>> policy = Categorical(jnp.log(jnp.array([0.8, 0.1, 0.1])))
    >>> round(float(optimal(every(policy, jnp.array([2.0, 1, 100])))), 3)
    43.653
    """
    share = alternatives.weight * alternatives.score
    total = share.sum(-1, keepdims=True)
    share = jnp.where(total > 0, share / jnp.where(total > 0, total, 1.0), alternatives.weight)
    return jax.lax.stop_gradient((share * alternatives.value).sum(-1))
