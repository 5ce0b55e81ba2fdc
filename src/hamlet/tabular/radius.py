"""The inner maximisation of algorithm 1, exactly: one agent, all states, a penalty on the largest divergence.

    max over π̄ of  Σ_s ρ(s) Σₐ π̄(a|s) Ā(s, a) − C max_s KL(π(·|s)‖π̄(·|s)).

π is the old policy, π̄ the new one, ρ the occupancy, Ā the agent's mean advantage and C a constant.

Given the largest divergence d, every state has a separate problem. Its solution is π̄(a) = β π(a)/(μ − Ā(a)), where β
is the multiplier of KL = d and μ the multiplier of the sum. The value as a function of d is concave with slope
Σ_s ρ(s) β_s(d) − C. Its root is computed by Newton's method in logarithms, within two bounds that close in on it.

With y = μ − max Ā, u(a) = (max Ā − Ā(a))/y and means E over π:

    β = y / E[1/(1+u)],      KL = log E[1/(1+u)] + E[log(1+u)].

Reference: Zhong et al., 2024, arXiv:2304.09870, algorithm 1; the same closed form is in Kuba et al., arXiv:2109.11251.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

# Bounds of log d: below the lower one the policy does not change; above the upper one it is greedy.
_LEAST, _MOST = -60.0, 6.5
# Bounds of log y, relative to the logarithm of the advantage's standard deviation.
_GREEDY, _STILL = -600.0, 40.0
_STEPS = 100
# Newton's method stops at a step of this length; the remaining error is about its square.
_CLOSE = 1e-7


def step(
    old: Float[Array, "S A"],
    advantage: Float[Array, "S A"],
    available: Bool[Array, " A"],
    occupancy: Float[Array, " S"],
    constant: Float[Array, ""],
) -> tuple[Float[Array, "S A"], Float[Array, ""], Float[Array, ""]]:
    """Return the maximiser, its value and its largest divergence d; the old policy, 0 and 0 if no policy is better.

    Args:
        old: π, the old policy.
        advantage: Ā, with mean 0 under π in every state.
        available: Which actions exist.
        occupancy: ρ.
        constant: C ≥ 0, per nat; 0 gives the greedy policy.
    """

    def sphere(log_radius: Array) -> tuple[Array, Array, Array]:
        return jax.vmap(_at_radius, in_axes=(0, 0, None, None))(old, advantage, available, log_radius)

    def excess(log_radius: Array) -> tuple[Array, Array]:
        _, log_beta, slope = sphere(log_radius)
        terms = occupancy * jnp.exp(log_beta)
        total = terms.sum() + 1e-300
        return jnp.log(total) - jnp.log(constant + 1e-300), (terms * slope).sum() / total

    deviation = jnp.sqrt(jnp.maximum((old * advantage**2).sum(-1), 0.0))
    guess = 2.0 * (jnp.log((occupancy * deviation).sum() + 1e-300) - jnp.log(constant + 1e-300)) - jnp.log(2.0)
    log_radius = falling_root(excess, _LEAST, _MOST, guess)
    policy, _, _ = sphere(log_radius)
    gain = (occupancy * ((policy - old) * advantage).sum(-1)).sum()
    value = gain - constant * jnp.exp(log_radius)
    better = value > 0
    return jnp.where(better, policy, old), jnp.where(better, value, 0.0), jnp.where(better, jnp.exp(log_radius), 0.0)


def falling_root(function: Callable[[Array], Any], low: float, high: float, guess: Array) -> Float[Array, ""]:
    """Return the root of a decreasing function, which also returns its derivative.

    Newton's method is used, or bisection if a Newton step would leave the bounds. A root outside the bounds is replaced
    by the nearer bound.
    """

    def going(state: tuple[Array, Array, Array, Array, Array]) -> Array:
        _, _, _, change, count = state
        return (change > _CLOSE) & (count < _STEPS)

    def narrow(state: tuple[Array, Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array, Array]:
        point, low, high, _, count = state
        value, slope = function(point)
        low, high = jnp.where(value > 0, point, low), jnp.where(value > 0, high, point)
        newton = point - value / jnp.where(slope < 0, slope, -1e-300)
        inside = (newton > low) & (newton < high)
        after = jnp.where(inside, newton, 0.5 * (low + high))
        after = jnp.where(value == 0, point, after)
        return after, low, high, jnp.abs(after - point) / (1.0 + jnp.abs(point)), count + 1

    bounds = jnp.asarray(low, guess.dtype), jnp.asarray(high, guess.dtype)
    start = (jnp.clip(guess, *bounds), *bounds, jnp.ones_like(guess), jnp.int32(0))
    return jax.lax.while_loop(going, narrow, start)[0]


def _at_radius(
    old: Float[Array, " A"], advantage: Float[Array, " A"], available: Bool[Array, " A"], log_radius: Array
) -> tuple[Float[Array, " A"], Float[Array, ""], Float[Array, ""]]:
    """Return the best policy of one state with KL = d, log β at this policy, and the slope d log β / d log d."""
    supported, radius = old > 0, jnp.exp(log_radius)
    top = jnp.where(supported, advantage, -jnp.inf).max()
    behind = jnp.where(supported, top - advantage, 0.0)
    deviation = jnp.sqrt(jnp.maximum((old * behind**2).sum() - (old * behind).sum() ** 2, 0.0))
    moving = deviation > 1e-13 * (1.0 + jnp.abs(top))
    scale = jnp.log(jnp.where(moving, deviation, 1.0))

    def mismatch(above_scale: Array) -> tuple[Array, Array]:
        _, mean, variance, divergence = _along(old, behind, above_scale + scale)
        safe = jnp.maximum(divergence, 1e-300)
        return jnp.log(safe) - log_radius, -variance / mean / safe

    # For large y, KL is approximately Var(Ā)/(2 y²).
    log_y = falling_root(mismatch, _GREEDY, _STILL, -0.5 * (log_radius + jnp.log(2.0))) + scale
    share, mean, variance, _ = _along(old, behind, log_y)
    second = (old * share**2).sum()
    policy = jnp.where(moving, old * share / mean, old)
    log_beta = jnp.where(moving, log_y - jnp.log(mean), -jnp.inf)
    slope = jnp.where(moving, -second * radius / jnp.maximum(variance, 1e-300), 0.0)

    # An action outside the support that is better than all actions inside it bounds μ from below. It gets the
    # remaining probability.
    better = jnp.where(available & ~supported, advantage, -jnp.inf)
    least = jnp.where(better.max() > top, better.max() - top, 1.0)
    beyond = (better.max() > top) & (~moving | (log_y < jnp.log(least)))
    held = (old * jnp.log(least + behind)).sum() - radius
    inside = jnp.exp(held) * old / (least + behind)
    rest = (1.0 - inside.sum()) * jax.nn.one_hot(better.argmax(), old.shape[0], dtype=old.dtype)
    return (
        jnp.where(beyond, inside + rest, policy),
        jnp.where(beyond, held, log_beta),
        jnp.where(beyond, -radius, slope),
    )


def _along(
    old: Float[Array, " A"], behind: Float[Array, " A"], log_y: Array
) -> tuple[Float[Array, " A"], Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """Return 1/(1+u), its mean and variance, and KL for one y; the derivative of KL by log y is −variance/mean."""
    u = behind * jnp.exp(-log_y)
    share = 1.0 / (1.0 + u)
    mean = (old * share).sum()
    log_mean = jnp.where(mean > 0.5, jnp.log1p(-jnp.minimum((old * u * share).sum(), 0.75)), jnp.log(mean))
    divergence = log_mean + (old * jnp.log1p(u)).sum()
    return share, mean, (old * (share - mean) ** 2).sum(), divergence
