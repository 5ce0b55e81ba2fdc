"""The best policy of one agent in one state, in closed form for known drifts, else by a numerical solver.

An agent i that updates in state s maximises, over its new policy π̄ on the simplex,

    f(π̄) = Σₐ π̄(a) Ā(a) − E_{a∼π}[ 𝔇(r, M A, π, π̄) ],      r = π̄(aⁱ)/π(aⁱ),   M = ∏_{j moved} π̄ʲ(aʲ)/πʲ(aʲ).

π is the old policy, A the advantage, 𝔇 the drift, r the agent's probability ratio, and M the product of the ratios of
agents j that updated earlier. Ā(a) is the mean of A(s, ·) over the other agents' actions, with the new policies of
agents that updated earlier.

f is the expectation of the objective in `hamlet.haml.objective`: the drift is the same object and receives the same
four arguments, one term per joint action. The linear part needs no ratio. An action with old probability 0 therefore
counts in it, as in the theory, but does not occur in the drift's samples.

`maximise` dispatches on the drift's class: register a closed form with ``maximise.register(YourDrift)``.

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

# A gain below this share of the largest advantage is treated as rounding: an indifferent agent keeps its policy.
TIE = 1e-13
# Added to probabilities before the logarithm. exp of its logarithm equals it, so gradients exist at probability 0.
_TINY = 1e-300
_ROUNDS = 300
_NEWTON = 30


class InnerProblem(eqx.Module):
    """The maximisation problem of one agent in one state.

    A is the advantage, and M the product of the ratios of agents that updated earlier.

    Attributes:
        old: The old policy π, ``[A]``.
        available: Which actions exist, ``[A]``.
        advantage: Ā, the mean advantage of each own action, ``[A]``.
        gain: The mean of max(M A, 0) for each own action, ``[A]``.
        loss: The mean of min(M A, 0) for each own action, ``[A]``.
        corrected: M A for every joint action of the other agents, ``[A, O]``.
        weight: The probability of the other agents' joint actions under their old policies, ``[O]``.
        penalty: λ of an additional term −λ KL(π‖π̄), from a neighbourhood that is a ball; None for no such term.
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
    """A policy, and a bound on the distance of its objective from the maximum: 0 for closed forms."""

    policy: Float[Array, "*S A"]
    gap: Float[Array, "*S"]


@singledispatch
def maximise(drift: Any, choice: InnerProblem) -> InnerSolution:
    """Return the best policy in one state; for a drift without a closed form, by `ascend`."""
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
    """Return a policy on the best actions; equally good actions keep the ratios of their old probabilities.

    An indifferent agent therefore keeps its policy.
    """
    advantage = jnp.where(choice.available, choice.advantage, -jnp.inf)
    best = advantage.max()
    tied = advantage >= best - TIE * (1.0 + jnp.abs(best))
    shares = jnp.where(tied, choice.old, 0.0)
    mass = shares.sum()
    first = jax.nn.one_hot(advantage.argmax(), advantage.shape[0], dtype=shares.dtype)
    return jnp.where(mass > 0, shares / jnp.where(mass > 0, mass, 1.0), first)


def tilt(choice: InnerProblem, weight: Float[Array, ""]) -> Float[Array, " A"]:
    """Return the maximiser for the drift β KL(π‖π̄):   π̄(a) = β π(a) / (μ − Ā(a)), with the multiplier μ.

    β is ``weight``. Let x = μ − max Ā over the support, and h(x) the sum of the right-hand side. 1/h is concave and
    increasing. Newton's method on 1/h(x) = 1 starts at the left of the root and increases to it without passing it.

    If an action outside the support is better than all actions inside it, this action gets the remaining probability.
    """
    supported = choice.old > 0
    top = jnp.where(supported, choice.advantage, -jnp.inf).max()
    behind = jnp.where(supported, top - choice.advantage, 0.0)
    pull = weight * choice.old
    outside = choice.available & ~supported
    better = jnp.where(outside, choice.advantage, -jnp.inf)
    # Lower bound of x: every term of the sum is at most 1, and μ is at least as large as every advantage.
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
    """Return the maximiser for the clip drift with clip range ε.

    f is then a sum of concave, piecewise linear functions of one probability each. Probability mass goes to the pieces
    with the steepest slope first. The slope in π̄(a) is E[max(M A, 0)|a] below (1 − ε)π(a), E[M A|a] within the clip
    range and E[min(M A, 0)|a] above it. Pieces above the old probability come after equally steep pieces below it, so
    that an indifferent agent keeps its policy.
    """
    old, low = choice.old, max(1.0 - epsilon, 0.0)
    supported = old > 0
    none = jnp.zeros_like(old)
    ones = jnp.ones_like(old)
    # Four pieces: below the clip range, the range up to the old policy, the range beyond it, and above the range.
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
    """Return the maximiser for the drift 𝔇 = c TV(π, π̄)², where c is ``weight`` and TV the total variation.

    Mass moves from the worst action to the best while the difference of their advantages is above 2 c m; m is the mass
    moved so far.
    """
    advantage = jnp.where(choice.available, choice.advantage, -jnp.inf)
    behind = jnp.where(choice.available, advantage.max() - choice.advantage, 0.0)
    behind = jnp.where(behind > TIE * (1.0 + jnp.abs(advantage.max())), behind, 0.0)
    given = jnp.clip(behind / (2.0 * weight) - before(behind, choice.old), 0.0, choice.old)
    best = jax.nn.one_hot(advantage.argmax(), advantage.shape[0], dtype=given.dtype)
    return choice.old - given + given.sum() * best


def before(rank: Float[Array, " K"], length: Float[Array, " K"]) -> Float[Array, " K"]:
    """Return, for each entry, the total length of all entries with a higher rank, or an equal rank and a lower index.

    Comparing all pairs is faster than sorting for a few entries.
    """
    place = jnp.arange(rank.shape[0])
    earlier = (rank[None, :] > rank[:, None]) | ((rank[None, :] == rank[:, None]) & (place[None, :] < place[:, None]))
    return jnp.where(earlier, length[None, :], 0.0).sum(1)


def objective(drift: Any, choice: InnerProblem, policy: Float[Array, " A"]) -> Float[Array, ""]:
    """Return f(π̄), with the drift called as in `hamlet.train` for all joint actions."""
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
    """Return the policy as the distribution that drifts and neighbourhoods expect."""
    return Categorical(jnp.where(available, jnp.log(jnp.maximum(policy, 0.0) + _TINY), -1e9))


def shortfall(drift: Any, choice: InnerProblem, policy: Float[Array, " A"]) -> Float[Array, ""]:
    """Return maxₐ ∂f/∂π̄(a) − ⟨∇f, π̄⟩, an upper bound on the possible improvement if f is concave.

    Reference: Frank and Wolfe, 1956.
    """
    slope = jax.grad(lambda point: objective(drift, choice, point))(policy)
    return _room(slope, policy, choice.available)


def ascend(drift: Any, choice: InnerProblem) -> InnerSolution:
    """Maximise f for any drift, by ascent from the old policy and from halfway between it and the greedy policy.

    Every iteration tries three kinds of steps and takes the best:

    * a Euclidean step projected on the simplex, which can reach its faces;
    * a multiplicative step, which follows the metric of divergences;
    * an exchange between the best pair of actions, which makes progress along kinks, where gradients mislead.

    Each kind has its own step length. It is doubled after an increase of the objective, else divided by four. The
    result is used only if it is better than the old policy.
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
    """Return the nearest distribution: max(x − τ, 0), where τ is the largest of (x₍₁₎ + … + x₍ₖ₎ − 1)/k.

    x is the given point, and x₍₁₎ ≥ x₍₂₎ ≥ … are its sorted entries.
    """
    falling = -jnp.sort(-point)
    counts = jnp.arange(1, point.shape[0] + 1, dtype=point.dtype)
    policy = jnp.maximum(point - ((jnp.cumsum(falling) - 1.0) / counts).max(), 0.0)
    return policy / policy.sum()


def _room(slope: Float[Array, " A"], policy: Float[Array, " A"], available: Bool[Array, " A"]) -> Float[Array, ""]:
    return jnp.where(available, slope, -jnp.inf).max() - (policy * slope).sum()


def _exact(policy: Float[Array, " A"]) -> InnerSolution:
    return InnerSolution(policy, jnp.zeros((), policy.dtype))
