"""Returns and advantages of one trajectory; the caller maps these functions over environment copies and agents."""

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
    """Return generalised advantage estimates.

        δₜ = rₜ + γₜ v′ₜ − vₜ,      Âₜ = δₜ + γₜ λ (1 − cutₜ) Âₜ₊₁,      Â_T = 0.

    A terminated step has γₜ = 0. A truncated step keeps γₜ, takes v′ₜ from the final observation, and has
    cutₜ = True. (The reference code drops the last reward of every truncated episode instead.)

    Args:
        reward: rₜ.
        value: vₜ, the value of the observation before the step.
        next_value: v′ₜ, the value of the next observation, before any reset.
        discount: γₜ in [0, 1]; 0 after termination.
        cut: True where the recursion must not cross into the next episode.
        lambda_: λ in [0, 1]; 0 is one-step temporal difference, 1 is Monte Carlo.

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
    """Return λ-returns, which mix the returns of all numbers of steps, TD(λ).

        Gₜ = rₜ + γₜ ( (1 − λ) v′ₜ + λ Gₜ₊₁ ),      but Gₜ = rₜ + γₜ v′ₜ where the recursion is cut, and at the last
        step.

    With v′ₜ = vₜ₊₁ they equal `gae` + v. v′ₜ may differ from vₜ₊₁ if values are action values: then v′ₜ is a mean over
    the policy, which does not depend on the error of a single action's value.

    Args:
        reward: rₜ.
        next_value: v′ₜ, the value of the next observation, before any reset.
        discount: γₜ in [0, 1]; 0 after termination.
        cut: True where the recursion must not cross into the next episode.
        lambda_: λ in [0, 1]; 0 is one-step temporal difference, 1 is Monte Carlo.

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
    """Return (x − mean) / (standard deviation + floor) over the entries where the mask is True; 0 elsewhere.

    >>> [round(float(v), 3) for v in standardise(jnp.array([1.0, 3.0, 99.0]), jnp.array([True, True, False]))]
    [-1.0, 1.0, 0.0]
    """
    centred = values - mean(values, mask)
    scaled = centred / (jnp.sqrt(mean(centred**2, mask)) + floor)
    return scaled if mask is None else jnp.where(mask, scaled, 0.0)


def mean(
    values: Float[Array, "*B"], mask: Bool[Array, "*B"] | None = None, weight: Float[Array, "*B"] | None = None
) -> Float[Array, ""]:
    """Return the mean over the entries where the mask is True; 0 if it is True nowhere.

    With ``weight``, each entry's share of a larger batch (`hamlet.estimation.accumulation`), return these entries'
    contribution to the larger batch's mean.
    """
    if weight is not None:
        return ((values if mask is None else jnp.where(mask, values, 0.0)) * weight).sum()
    if mask is None:
        return values.mean()
    return jnp.where(mask, values, 0.0).sum() / jnp.maximum(mask.sum(), 1)
