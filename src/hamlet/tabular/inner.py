"""The best policy of one agent in one state: exact for the drifts whose maximiser is known, else found by a solver.

An agent that moves in state s maximises, over its own policy π̄ on the simplex,

    f(π̄) = Σₐ π̄(a) Ā(a) − E_{a∼π}[ 𝔇(r, M A, π, π̄) ],      r = π̄(aⁱ)/π(aⁱ),   M = ∏_{j moved} π̄ʲ(aʲ)/πʲ(aʲ),

with Ā(a) the mean of A(s, ·) over the others' actions, those that moved by their new policies. It is the objective of
`hamlet.haml.objective` in expectation: the drift is the same object, called with the same four arguments, one term
for each joint action. The linear part needs no ratio, so an action that the old policy never takes still counts there,
as in the theory; it is in no sample of the drift.

`maximise` is dispatched on the drift's class: register a closed form with ``maximise.register(YourDrift)``.

References: Kuba et al., 2022, arXiv:2208.01682 (HAML); Zhong et al., 2024, arXiv:2304.09870, definition 12.
"""

from functools import partial, singledispatch
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from hamlet.distributions import Categorical
from hamlet.haml.drift import ClipDrift, KlDrift, SquaredTvDrift, ZeroDrift

# A gain below this share of the largest advantage is rounding: an indifferent agent stays.
TIE = 1e-13
# exp of its logarithm is still itself, so that gradients pass through the logarithm of a probability of zero.
_TINY = 1e-300
_ROUNDS = 300
_NEWTON = 30


class InnerProblem(eqx.Module):
    """One agent's choice in one state.

    Attributes:
        old: π, ``[A]``.
        available: Which actions exist, ``[A]``.
        advantage: Ā, ``[A]``.
        gain: The mean of max(M A, 0) for each own action, ``[A]``.
        loss: The mean of min(M A, 0), ``[A]``.
        corrected: M A for every joint action of the others, ``[A, O]``.
        weight: The probability of the others' joint actions under their old policies, ``[O]``.
        penalty: λ of a further −λ KL(π‖π̄), from a neighbourhood that is a ball; None for none.
    """

    old: Float[Array, "*S A"]
    available: Bool[Array, "*S A"]
    advantage: Float[Array, "*S A"]
    gain: Float[Array, "*S A"]
    loss: Float[Array, "*S A"]
    corrected: Float[Array, "*S A O"]
    weight: Float[Array, "*S O"]
    penalty: Float[Array, "*S"] | None = None


class InnerSolution(eqx.Module):
    """A policy, and a bound on how far its objective is from the maximum: 0 for closed forms."""

    policy: Float[Array, "*S A"]
    gap: Float[Array, "*S"]


@singledispatch
def maximise(drift: Any, choice: InnerProblem) -> InnerSolution:
    """The best policy in one state. Of a drift that is not known here, by `ascend`."""
    return ascend(drift, choice)


@maximise.register(ZeroDrift)
def _(drift: ZeroDrift, choice: InnerProblem) -> InnerSolution:
    return _exact(greedy(choice) if choice.penalty is None else tilt(choice, choice.penalty))


@maximise.register(KlDrift)
def _(drift: KlDrift, choice: InnerProblem) -> InnerSolution:
    if choice.penalty is not None:
        return _exact(tilt(choice, drift.weight + choice.penalty))
    return _exact(tilt(choice, jnp.asarray(drift.weight, choice.old.dtype)) if drift.weight else greedy(choice))


@maximise.register(ClipDrift)
def _(drift: ClipDrift, choice: InnerProblem) -> InnerSolution:
    return _exact(fill(choice, drift.epsilon)) if choice.penalty is None else ascend(drift, choice)


@maximise.register(SquaredTvDrift)
def _(drift: SquaredTvDrift, choice: InnerProblem) -> InnerSolution:
    if choice.penalty is not None:
        return ascend(drift, choice)
    return _exact(shift(choice, drift.weight) if drift.weight else greedy(choice))


def greedy(choice: InnerProblem) -> Float[Array, " A"]:
    """All on the best action. Among equals the old policy's shares are kept, so that an indifferent agent stays."""
    advantage = jnp.where(choice.available, choice.advantage, -jnp.inf)
    best = advantage.max()
    tied = advantage >= best - TIE * (1.0 + jnp.abs(best))
    shares = jnp.where(tied, choice.old, 0.0)
    mass = shares.sum()
    first = jax.nn.one_hot(advantage.argmax(), advantage.shape[0], dtype=shares.dtype)
    return jnp.where(mass > 0, shares / jnp.where(mass > 0, mass, 1.0), first)


def tilt(choice: InnerProblem, weight: Float[Array, ""]) -> Float[Array, " A"]:
    """With 𝔇 = β KL(π‖π̄):   π̄(a) = β π(a) / (μ − Ā(a)).

    With x = μ − max Ā over the support the sum of the right-hand side is h(x), and 1/h is concave and increasing:
    Newton's method on 1/h(x) = 1 from a point to the left of the root climbs to it and never beyond. What the root
    leaves over, where an action outside the support is better than all within, goes to that action.
    """
    supported = choice.old > 0
    top = jnp.where(supported, choice.advantage, -jnp.inf).max()
    behind = jnp.where(supported, top - choice.advantage, 0.0)
    pull = weight * choice.old
    outside = choice.available & ~supported
    better = jnp.where(outside, choice.advantage, -jnp.inf)
    # Every single term is at most 1, and μ is at least every advantage.
    least = jnp.maximum(jnp.where(supported, pull - behind, 0.0).max(), better.max() - top)

    def newton(_: Array, x: Array) -> Array:
        share = pull / (x + behind)
        total = share.sum()
        slope = (share / (x + behind)).sum() / total**2
        return jnp.maximum(x + (1.0 - 1.0 / total) / slope, least)

    x = jax.lax.fori_loop(0, _NEWTON, newton, least)
    policy = pull / (x + behind)
    remainder = jnp.where(x > least, 0.0, jnp.maximum(1.0 - policy.sum(), 0.0))
    remainder = jnp.where(outside.any(), remainder, 0.0)
    policy = policy + remainder * jax.nn.one_hot(better.argmax(), policy.shape[0], dtype=policy.dtype)
    return policy / policy.sum()


def fill(choice: InnerProblem, epsilon: float) -> Float[Array, " A"]:
    """With the clip drift f is a sum of concave, piecewise linear functions of one probability: the steepest first.

    The slope in π̄(a) is E[max(M A, 0)|a] below (1 − ε)π(a), E[M A|a] within the band and E[min(M A, 0)|a] above it.
    Pieces beyond the old policy come after equals below it, so that an indifferent agent stays.
    """
    old, low = choice.old, max(1.0 - epsilon, 0.0)
    supported = old > 0
    none = jnp.zeros_like(old)
    ones = jnp.ones_like(old)
    # Below the band, the band up to the old policy, the band beyond it, and above the band.
    length = jnp.stack([low * old, (1.0 - low) * old, jnp.where(supported, epsilon * old, none), ones])
    band, over = choice.advantage, jnp.where(supported, choice.loss, choice.advantage)
    reluctance = TIE * (1.0 + jnp.abs(band).max())
    slope = jnp.stack([choice.gain, band, band - reluctance, over - reluctance])
    slope = jnp.where(choice.available[None], slope, -jnp.inf).ravel()
    length = jnp.where(choice.available[None], length, 0.0).ravel()
    taken = jnp.clip(1.0 - before(slope, length), 0.0, length)
    policy = taken.reshape(4, -1).sum(0)
    return policy / policy.sum()


def shift(choice: InnerProblem, weight: float) -> Float[Array, " A"]:
    """With 𝔇 = c TV(π, π̄)² mass goes from the worst action to the best while their gap is above 2 c m, m so far."""
    advantage = jnp.where(choice.available, choice.advantage, -jnp.inf)
    behind = jnp.where(choice.available, advantage.max() - choice.advantage, 0.0)
    behind = jnp.where(behind > TIE * (1.0 + jnp.abs(advantage.max())), behind, 0.0)
    given = jnp.clip(behind / (2.0 * weight) - before(behind, choice.old), 0.0, choice.old)
    best = jax.nn.one_hot(advantage.argmax(), advantage.shape[0], dtype=given.dtype)
    return choice.old - given + given.sum() * best


def before(rank: Float[Array, " K"], length: Float[Array, " K"]) -> Float[Array, " K"]:
    """The total length of what ranks higher, earlier among equals; by pairs, which beats sorting a handful."""
    place = jnp.arange(rank.shape[0])
    earlier = (rank[None, :] > rank[:, None]) | ((rank[None, :] == rank[:, None]) & (place[None, :] < place[:, None]))
    return jnp.where(earlier, length[None, :], 0.0).sum(1)


def objective(drift: Any, choice: InnerProblem, policy: Float[Array, " A"]) -> Float[Array, ""]:
    """f(π̄): every joint action enumerated, the drift called as `hamlet.train` calls it."""
    width, others = choice.corrected.shape
    supported = choice.old > 0
    ratio = jnp.where(supported, policy / jnp.where(supported, choice.old, 1.0), 1.0)
    probability = choice.old[:, None] * choice.weight[None]
    old, new = distribution(choice.old, choice.available), distribution(policy, choice.available)

    def rows(one):
        return Categorical(jnp.broadcast_to(one.log_probs, (width * others, width)))

    samples = jnp.broadcast_to(ratio[:, None], (width, others)).ravel()
    terms = drift(samples, choice.corrected.ravel(), rows(old), rows(new)).reshape(width, others)
    value = (policy * choice.advantage).sum() - jnp.where(probability > 0, probability * terms, 0.0).sum()
    return value if choice.penalty is None else value - choice.penalty * old.kl(new)


def distribution(policy: Float[Array, "*S A"], available: Bool[Array, "*S A"]) -> Categorical:
    """The policy as the drift and the neighbourhood know it."""
    return Categorical(jnp.where(available, jnp.log(jnp.maximum(policy, 0.0) + _TINY), -1e9))


def shortfall(drift: Any, choice: InnerProblem, policy: Float[Array, " A"]) -> Float[Array, ""]:
    """maxₐ ∂f/∂π̄(a) − ⟨∇f, π̄⟩: where f is concave, no policy is better by more (Frank and Wolfe, 1956)."""
    slope = jax.grad(lambda point: objective(drift, choice, point))(policy)
    return _room(slope, policy, choice.available)


def ascend(drift: Any, choice: InnerProblem) -> InnerSolution:
    """The maximiser for any drift, by ascent from the old policy and from halfway to the greedy one.

    Three kinds of steps are tried at once, and the best is taken: a Euclidean one projected on the simplex, which
    reaches its faces; a multiplicative one, which follows the metric of divergences; and an exchange between the best
    pair of actions, which climbs along kinks, where a gradient misleads. Each kind has a length of its own, doubled
    where the objective rises and else quartered. The end is taken only if it is above the old policy.
    """
    value = partial(objective, drift, choice)
    halfway = 0.5 * (choice.old + greedy(choice))
    starts = jnp.stack([choice.old, halfway])
    ends, values = jax.vmap(lambda start: _climb(value, start, choice.available))(starts)
    values = jnp.where(jnp.isnan(values), -jnp.inf, values)
    best_end = ends[values.argmax()]
    policy = jnp.where(values.max() > value(choice.old), best_end, choice.old)
    return InnerSolution(policy, jnp.maximum(shortfall(drift, choice, policy), 0.0))


def _climb(value: Any, start: Float[Array, " A"], available: Bool[Array, " A"]) -> tuple[Array, Array]:
    slope = jax.grad(value)
    reach = 1.0 / (jnp.abs(slope(start)).max() + _TINY)
    pairs = jnp.eye(start.shape[0])[None] - jnp.eye(start.shape[0])[:, None]  # from, to, action

    def going(state: Any) -> Array:
        _, here, lengths, room, count = state
        return (count < _ROUNDS) & (room > 1e-12 * (1.0 + jnp.abs(here))) & (lengths.max() > 1e-15 * reach)

    def step(state: Any) -> Any:
        policy, here, lengths, _, count = state
        steep = slope(policy)
        centred = steep - (policy * steep).sum()
        projected = project(jnp.where(available, policy + lengths[0] * centred, -jnp.inf))
        multiplied = policy * jnp.exp(jnp.clip(lengths[1] * centred, -50.0, 50.0))
        multiplied = multiplied / multiplied.sum()
        given = jnp.where(available[None], jnp.minimum(lengths[2], policy)[:, None], 0.0)
        exchanged = (policy[None, None] + given[..., None] * pairs).reshape(-1, policy.shape[0])
        tried = jnp.concatenate([jnp.stack([projected, multiplied]), exchanged])
        reached = jax.vmap(value)(tried)
        reached = jnp.where(jnp.isnan(reached), -jnp.inf, reached)
        kinds = jnp.stack([reached[0], reached[1], reached[2:].max()])
        lengths = lengths * jnp.where(kinds > here, 2.0, 0.25)
        rising = reached.max() > here
        policy = jnp.where(rising, tried[reached.argmax()], policy)
        return policy, jnp.maximum(here, reached.max()), lengths, _room(steep, policy, available), count + 1

    state = (start, value(start), jnp.stack([reach, reach, jnp.full_like(reach, 0.1)]), jnp.inf, jnp.int32(0))
    policy, here, *_ = jax.lax.while_loop(going, step, state)
    return policy, here


def project(point: Float[Array, " A"]) -> Float[Array, " A"]:
    """The nearest distribution: max(x − τ, 0), with τ the largest of (x₍₁₎ + … + x₍ₖ₎ − 1)/k."""
    falling = -jnp.sort(-point)
    counts = jnp.arange(1, point.shape[0] + 1, dtype=point.dtype)
    policy = jnp.maximum(point - ((jnp.cumsum(falling) - 1.0) / counts).max(), 0.0)
    return policy / policy.sum()


def _room(slope: Float[Array, " A"], policy: Float[Array, " A"], available: Bool[Array, " A"]) -> Float[Array, ""]:
    return jnp.where(available, slope, -jnp.inf).max() - (policy * slope).sum()


def _exact(policy: Float[Array, " A"]) -> InnerSolution:
    return InnerSolution(policy, jnp.zeros((), policy.dtype))
