"""Checks for users' own drifts, neighbourhoods, algorithms and environments.

Each check tests a definition. If the definition does not hold, the check raises an error with one line that says what
is wrong.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from hamlet.distributions import Categorical
from hamlet.envs.jax_check import check_environment
from hamlet.envs.pettingzoo.check import Findings, Unfit, examine
from hamlet.haml.drift import Drift, ZeroDrift
from hamlet.haml.neighbourhood import Neighbourhood
from hamlet.haml.objective import Experience
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.networks.heads import Actor
from hamlet.networks.torso import NetworkConfig
from hamlet.spaces import Box, Discrete
from hamlet.tabular.certificate import NO_FALL, certify
from hamlet.tabular.mirror import require_triple

__all__ = ["check_algorithm", "check_drift", "check_env", "check_environment", "check_neighbourhood"]

# Weights of another policy that is mixed into the old policy. A neighbourhood that contains a ball around the old
# policy contains the mixture with the smallest weight.
_SHARES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
# The numbers of actions that are tried, and the step lengths along a line of logits. Step 0 is the old policy; the last
# two steps are close to it.
_ACTIONS = (2, 3, 6)
_STEPS = (0.0, 3.0, 1.0, 0.1, 0.01)


def check_drift(drift: Drift, *, trials: int = 200, seed: int = 0, tolerance: float = 1e-5) -> None:
    """Check that a function is a drift functional, on random policies over two, three and six actions.

    With three and with six actions, one action is not available.

    Let π be the old policy, π̄ the new policy, r(a) = π̄(a) / π(a) their ratio, and c(a) the corrected advantage of
    action a, of either sign. The drift 𝔇 has the exact expectation D(π̄) = Σₐ π(a) 𝔇(r(a), c(a), π, π̄) over the
    actions of the old policy. The check tests three properties:

    1. D(π) = 0.
    2. D(π̄) ≥ 0.
    3. Every directional derivative of D at π is 0.

    Reference: Zhong et al., 2024, arXiv:2304.09870, definition 10.

    Args:
        drift: The drift to check.
        trials: The number of random pairs of policies.
        seed: The seed of the random policies.
        tolerance: The largest absolute value of D that counts as 0. A slope counts as 0 up to ten times this value.

    Raises:
        AssertionError: A property does not hold. The message names the property, the values and the policies.

    Examples:
        >>> import hamlet
        >>> hamlet.testing.check_drift(hamlet.algorithms.happo().drift)
    """
    name = getattr(drift, "__name__", type(drift).__name__)
    for number, actions in enumerate(_ACTIONS):
        shape = (-(-trials // len(_ACTIONS)), actions)
        # With more than two actions, one is not available: the drift and its slope must stay finite there.
        available = None if actions == _ACTIONS[0] else jnp.arange(actions) < actions - 1
        profile = jax.jit(jax.vmap(partial(_profile, drift, available)))
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), 3)
        old, direction, corrected = (jax.random.normal(key, shape) for key in keys)
        rows = (np.asarray(x) for x in (*profile(old, direction, corrected), old, direction))
        for values, slope, logits, towards in zip(*rows, strict=True):
            _judge(name, values, float(slope), logits, towards, tolerance)


def check_neighbourhood(neighbourhood: Neighbourhood, *, trials: int = 50, seed: int = 0) -> None:
    """Check that an object is a neighbourhood operator, on random policies over five states and three actions.

    The neighbourhood 𝒰(π) is the set of policies that an update of the policy π may reach. The check tests three
    properties:

    1. 𝒰(π) contains π.
    2. 𝒰(π) contains a ball around π: every policy that is close enough to π in every state.
    3. `improve` returns a policy in 𝒰(π).

    Reference: Zhong et al., 2024, arXiv:2304.09870, definition 11.

    Args:
        neighbourhood: The neighbourhood to check.
        trials: The number of random pairs of policies.
        seed: The seed of the random policies.

    Raises:
        AssertionError: A property does not hold. The message names the property, and for the ball the share of policies
            outside the neighbourhood.
    """
    name = type(neighbourhood).__name__
    shape = (trials, 5, 3)
    keys = jax.random.split(jax.random.key(seed), 4)
    old, other = (jax.random.normal(key, shape) for key in keys[:2])
    weight = jax.random.dirichlet(keys[2], jnp.ones(5), (trials,))

    @jax.jit
    @partial(jax.vmap, in_axes=(0, 0, 0, None))
    def held(old: Array, other: Array, weight: Array, share: Array) -> Array:
        mixed = (1 - share) * jax.nn.softmax(old) + share * jax.nn.softmax(other)
        return neighbourhood.contains(Categorical.from_logits(old), Categorical.from_logits(jnp.log(mixed)), weight)

    if not held(old, other, weight, 0.0).all():
        raise AssertionError(f"{name} must contain the old policy, as every neighbourhood does, but it does not")
    lost = [float(1 - held(old, other, weight, share).mean()) for share in _SHARES]
    if lost[-1] > 0:
        raise AssertionError(
            f"{name} must contain a ball around the old policy, but {100 * lost[-1]:.0f} % of the mixtures of the old "
            f"policy with a share of {_SHARES[-1]:g} of another policy are outside"
        )
    _stays(neighbourhood, name, keys[3])


def check_algorithm(algorithm: Any, *, games: int = 20, sweeps: int = 30, seed: int = 0) -> None:
    """Check an algorithm's drift and neighbourhood, and then the algorithm itself on random cooperative games.

    Each game is solved exactly. In every update of the team, the expected return J and the value of every state must
    not decrease (Zhong et al., 2024, arXiv:2304.09870, theorem 14). For an algorithm that also maximises entropy, the
    same holds for J_α, the return plus α times the entropies, and for its state values (Liu et al., 2024,
    arXiv:2306.10715).

    Args:
        algorithm: The declaration, a `Haml`.
        games: The number of random games.
        sweeps: The number of updates of the whole team in each game.
        seed: The seed of the games, the initial policies and the orders of the agents.

    Raises:
        AssertionError: A property does not hold. The message names the property and the game.
        RequestError: The algorithm has no drift, neighbourhood and sampling of mirror learning, so that the theory
            guarantees nothing; or it cannot be solved exactly (see `hamlet.tabular.haml`).
    """
    require_triple(algorithm)
    check_drift(algorithm.drift, seed=seed)
    check_neighbourhood(algorithm.neighbourhood, seed=seed)
    certificate = certify(algorithm, games=games, sweeps=sweeps, seed=seed)
    number = certificate.counter_example
    if number is None:
        return
    fell, worst = ("J", certificate.fall) if certificate.fall[number] > NO_FALL else ("V", certificate.state_fall)
    fell += "" if certificate.temperature is None else "_α"
    raise AssertionError(
        f"{fell} fell by {worst[number]:.3g} in one update of game {number} (seed {seed}), but with mirror learning it "
        f"never falls; it fell in {(worst > NO_FALL).sum()} of {games} games"
    )


def check_env(
    factory: Callable[..., Any] | str,
    *,
    episodes: int = 3,
    max_episode_steps: int = 1000,
    seed: int = 0,
    **options: Any,
) -> Findings:
    """Check that Hamlet can train on a PettingZoo environment, and that the environment is reproducible.

    The check plays episodes with random available actions. It plays the first episode in two copies of the environment
    with the same seed; both copies must give the same observations, rewards and terminations.

    Args:
        factory: A function of a module that makes the environment, or the name ``"package.module:function"`` of one.
        episodes: The number of episodes, at least 1.
        max_episode_steps: The check stops an episode after this many steps.
        seed: The seed of the episodes and of the random actions.
        options: Keyword arguments for the factory.

    Returns:
        The agents and their spaces, the lengths of the episodes, the number of unfinished episodes, the steps per
        second of one copy, and notes.

    Raises:
        AssertionError: Something is wrong. The message describes the first error: the step, the agent and the value.
        RequestError: The environment cannot be made, or it has spaces that Hamlet does not support.

    Examples:
        >>> factory = "pettingzoo.sisl.pursuit_v5:parallel_env"
        >>> findings = hamlet.testing.check_env(factory, max_cycles=100)  # doctest: +SKIP
        >>> findings.lengths, findings.notes  # doctest: +SKIP
    """
    try:
        return examine(factory, options, episodes=episodes, max_episode_steps=max_episode_steps, seed=seed)
    except Unfit as wrong:
        raise AssertionError(str(wrong)) from wrong.__cause__


def _stays(neighbourhood: Neighbourhood, name: str, key: Array) -> None:
    """Check that `improve` returns a policy in the neighbourhood, for a small network."""
    keys = jax.random.split(key, 5)
    actor = Actor.create(keys[0], Box(-1.0, 1.0, (4,)), Discrete(3), NetworkConfig(hidden=(16,)))
    rows = (64, 1)
    share = Experience(
        observation=jax.random.normal(keys[1], (*rows, 4)),
        action=jax.random.randint(keys[2], rows, 0, 3),
        available=None,
        alive=None,
        start=jnp.ones(rows, bool),
        memory=None,
        advantage=jax.random.normal(keys[3], rows),
        agents=1,
    )

    def flat(policy):
        return jax.tree.map(lambda leaf: leaf[:, 0], policy)

    @jax.jit
    def within(actor: Actor, key: Array) -> Array:
        objective = ImportanceWeights().objective(jnp.ones(rows), actor, share, ZeroDrift())
        better, _, _ = neighbourhood.improve(objective, actor, neighbourhood.init(actor), key)
        return neighbourhood.contains(flat(objective.old), flat(share.policy(better)), jnp.full(64, 1 / 64))

    if not within(actor, keys[4]):
        raise AssertionError(f"{name}.improve returns a policy for which {name}.contains is false")


def expected_drift(drift: Drift, old: Array, new: Array, corrected: Array, available: Array | None = None) -> Array:
    """Return D(π̄), exactly: the expectation of the drift over the available actions of the old policy π.

    Args:
        drift: The drift 𝔇.
        old: The logits of π, ``[A]``.
        new: The logits of π̄, ``[A]``.
        corrected: The corrected advantage of every action, ``[A]``.
        available: The action mask, ``[A]``, in which exactly one action is not available; None for no mask.
    """
    before, after = Categorical.from_logits(old, available), Categorical.from_logits(new, available)
    actions = jnp.arange(old.shape[0]) if available is None else jnp.flatnonzero(available, size=old.shape[0] - 1)

    def rows(policy):
        return jax.tree.map(lambda leaf: jnp.broadcast_to(leaf, (len(actions), *leaf.shape)), policy)

    before, after = rows(before), rows(after)
    ratio = jnp.exp(after.log_prob(actions) - before.log_prob(actions))
    return (jnp.exp(before.log_prob(actions)) * drift(ratio, corrected[actions], before, after)).sum()


def _profile(
    drift: Drift, available: Array | None, old: Array, direction: Array, corrected: Array
) -> tuple[Array, Array]:
    """Return D along a line of logits through the old policy: its values at `_STEPS`, and its derivative at step 0."""

    def at(step):
        return expected_drift(drift, old, old + step * direction, corrected, available)

    return jnp.stack([at(step) for step in _STEPS]), jax.grad(at)(0.0)


def _judge(name: str, values: Any, slope: float, old: Any, direction: Any, tolerance: float) -> None:
    still = float(values[0])
    if not abs(still) <= tolerance:
        raise AssertionError(f"{name} must be 0 at the old policy, got {still:.3g}; {_where(old)}")
    for step, value in zip(_STEPS[1:], values[1:], strict=True):
        if not value >= -tolerance:
            point = _where(old + step * direction)
            raise AssertionError(f"{name} must not be negative, got {value:.3g}; from {_where(old)} to {point}")
    # One-sided difference quotients detect a kink, which automatic differentiation does not see. If the slope is 0,
    # they shrink with the step; otherwise they stay.
    far, near = ((float(values[k]) - still) / _STEPS[k] for k in (-2, -1))
    kinked = abs(near) > max(100 * tolerance, 0.5 * abs(far))
    if not (abs(slope) <= 10 * tolerance and not kinked):
        worst = near if abs(slope) <= abs(near) else slope
        raise AssertionError(
            f"{name} must have slope 0 at the old policy, got {worst:.3g}; {_where(old)}, "
            f"direction {np.round(direction, 3).tolist()}"
        )


def _where(logits: Any) -> str:
    return f"policy {np.round(np.asarray(jax.nn.softmax(logits)), 3).tolist()}"
