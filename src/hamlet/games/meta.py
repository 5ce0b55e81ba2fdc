"""The meta-game of MATRL: every agent either keeps its policy or takes its predicted policy.

π is the current joint policy, π̂ʲ the predicted policy of agent j, aₜʲ and oₜʲ its action and observation at step t,
and Âⁱ the advantage of agent i. With rₜʲ = π̂ʲ(aₜʲ|oₜʲ) / πʲ(aₜʲ|oₜʲ), on steps sampled by π, the expected advantage of
agent i if the agents of a profile c take their predicted policies is

    Gᵢ[c] = E_π[ ∏_{j in c} rʲ · Âⁱ ] − E_π[ Âⁱ ].

The second term has mean zero and removes noise from the first. Both are means of known quantities.

A mixture keeps πʲ with probability ρⱼ. It mixes probabilities, state by state. Only one number per step is needed for
its density π̄ʲ, for discrete and continuous actions alike:

    π̄ʲ/πʲ = ρⱼ + (1 − ρⱼ) rʲ.

Reference: Wen et al., 2021, arXiv:2106.06828 (MATRL), section 3.2, equations 3 and 6. The released code multiplies mean
ratios by mean advantages, and this product is near zero for any data.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

__all__ = ["mixture", "of_the_others", "payoffs"]


def payoffs(ratio: Float[Array, " n *B"], advantage: Float[Array, " n *B"]) -> Float[Array, " n *profiles"]:
    """Return the payoff tensors ``[n, 2, …, 2]``; choice 0 keeps an agent's policy, choice 1 takes the predicted one.

    Args:
        ratio: rʲ, the probability ratio of every agent at every step, clipped if clipping is wanted.
        advantage: Âⁱ of every agent at the same steps.

    >>> ratio, advantage = jnp.array([[2.0, 0.0], [1.0, 1.0]]), jnp.array([[1.0, -1.0], [3.0, 1.0]])
    >>> payoffs(ratio, advantage)[:, 1, 0]
    Array([1., 1.], dtype=float32)
    """
    agents = ratio.shape[0]
    advantage = advantage.reshape(agents, -1)
    product = jnp.ones((1, advantage.shape[1]), advantage.dtype)
    for agent_ratio in ratio.reshape(agents, -1):
        product = jnp.stack([product, product * agent_ratio[None]], axis=1).reshape(-1, advantage.shape[1])
    total = jnp.dot(advantage, (product - 1.0).T, precision="highest")
    return (total / advantage.shape[1]).reshape(agents, *(2,) * agents)


def mixture(ratio: Float[Array, " n *B"], keep: Float[Array, " n"]) -> Float[Array, " n *B"]:
    """Return the ratio π̄ʲ/πʲ of policies that are kept with probability ρⱼ; exactly 1 where ρⱼ = 1.

    >>> mixture(jnp.array([[3.0], [9.0]]), jnp.array([0.5, 1.0]))
    Array([[2.],
           [1.]], dtype=float32)
    """
    share = keep.reshape(-1, *(1,) * (ratio.ndim - 1))
    return jnp.where(share == 1.0, 1.0, share + (1.0 - share) * ratio)


def of_the_others(ratio: Float[Array, " n *B"]) -> Float[Array, " n *B"]:
    """Return, for every agent, the product of the other agents' ratios, ∏_{j≠i}, without a division.

    >>> of_the_others(jnp.array([[2.0], [3.0], [0.0]]))[:, 0]
    Array([0., 0., 6.], dtype=float32)
    """
    agents = ratio.shape[0]
    diagonal = jnp.eye(agents, dtype=bool).reshape(agents, agents, *(1,) * (ratio.ndim - 1))
    return jnp.where(diagonal, 1.0, ratio[None]).prod(axis=1)
