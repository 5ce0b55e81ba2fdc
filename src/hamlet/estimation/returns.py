"""Returns and advantages of one trajectory; the caller maps them over copies and agents."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def gae(
    reward: Float[Array, " T"],
    value: Float[Array, " T"],
    next_value: Float[Array, " T"],
    discount: Float[Array, " T"],
    cut: Bool[Array, " T"],
    *,
    lambda_: float,
) -> Float[Array, " T"]:
    """Generalised advantage estimates.

        δₜ = rₜ + γₜ v′ₜ − vₜ,      Âₜ = δₜ + γₜ λ (1 − cutₜ) Âₜ₊₁,      Â_T = 0.

    A terminated step has γₜ = 0. A truncated step keeps γₜ, takes v′ₜ from the final observation, and has
    cutₜ = True. (The reference code drops the last reward of every truncated episode instead.)

    Args:
        reward: rₜ.
        value: vₜ, the value of what was seen before the step.
        next_value: v′ₜ, the value of what was arrived at, before any restart.
        discount: γₜ in [0, 1]; 0 where nothing follows.
        cut: True where the recursion must not cross into the next episode.
        lambda_: In [0, 1]; 0 is one-step temporal difference, 1 is Monte Carlo.

    Reference: Schulman et al., 2016, arXiv:1506.02438, eq. 16.

    >>> estimates = gae(jnp.ones(2), jnp.zeros(2), jnp.zeros(2), jnp.array([0.5, 0.0]), jnp.array([False, True]),
    ...                 lambda_=1.0)
    >>> [float(estimate) for estimate in estimates]
    [1.5, 1.0]
    """
    delta = reward + discount * next_value - value
    decay = discount * lambda_ * (1.0 - cut.astype(jnp.float32))

    def back(following: Array, now: tuple[Array, Array]) -> tuple[Array, Array]:
        estimate = now[0] + now[1] * following
        return estimate, estimate

    return jax.lax.scan(back, jnp.zeros_like(delta[0]), (delta, decay), reverse=True)[1]


def lambda_returns(
    reward: Float[Array, " T"],
    next_value: Float[Array, " T"],
    discount: Float[Array, " T"],
    cut: Bool[Array, " T"],
    *,
    lambda_: float,
) -> Float[Array, " T"]:
    """Returns that mix those of every number of steps, TD(λ).

        Gₜ = rₜ + γₜ ( (1 − λ) v′ₜ + λ Gₜ₊₁ ),      but Gₜ = rₜ + γₜ v′ₜ where the recursion is cut, and at the end.

    With v′ₜ = vₜ₊₁ they are `gae` + v. What is arrived at may be valued apart from what is seen next, as where values
    are of actions: then v′ is a mean over the policy's, and no error of one action's value enters.

    Args:
        reward: rₜ.
        next_value: v′ₜ, the value of what was arrived at, before any restart.
        discount: γₜ in [0, 1]; 0 where nothing follows.
        cut: True where the recursion must not cross into the next episode.
        lambda_: In [0, 1]; 0 is one-step temporal difference, 1 is Monte Carlo.

    Reference: Sutton and Barto, 2018, eq. 12.18.

    >>> returns = lambda_returns(jnp.ones(2), jnp.array([4.0, 2.0]), jnp.array([0.5, 0.5]), jnp.array([False, True]),
    ...                          lambda_=0.5)
    >>> [float(each) for each in returns]
    [2.5, 2.0]
    """
    weights = lambda_ * (1.0 - cut.astype(jnp.float32))

    def back(following: Array, now: tuple[Array, ...]) -> tuple[Array, Array]:
        reward, value, discount, weight = now
        lambda_return = reward + discount * ((1.0 - weight) * value + weight * following)
        return lambda_return, lambda_return

    return jax.lax.scan(back, next_value[-1], (reward, next_value, discount, weights), reverse=True)[1]


def standardise(
    values: Float[Array, "*B"], mask: Bool[Array, "*B"] | None = None, *, floor: float = 1e-5
) -> Float[Array, "*B"]:
    """(x − mean) / (standard deviation + floor) over the entries where the mask holds; 0 elsewhere.

    >>> [round(float(v), 3) for v in standardise(jnp.array([1.0, 3.0, 99.0]), jnp.array([True, True, False]))]
    [-1.0, 1.0, 0.0]
    """
    centred = values - mean(values, mask)
    scaled = centred / (jnp.sqrt(mean(centred**2, mask)) + floor)
    return scaled if mask is None else jnp.where(mask, scaled, 0.0)


def mean(
    values: Float[Array, "*B"], mask: Bool[Array, "*B"] | None = None, weight: Float[Array, "*B"] | None = None
) -> Float[Array, ""]:
    """Mean over the entries where the mask holds; 0 where it holds nowhere.

    With ``weight``, each entry's share of a larger batch (`hamlet.estimation.accumulation`), what they add to its mean.
    """
    if weight is not None:
        return ((values if mask is None else jnp.where(mask, values, 0.0)) * weight).sum()
    if mask is None:
        return values.mean()
    return jnp.where(mask, values, 0.0).sum() / jnp.maximum(mask.sum(), 1)
