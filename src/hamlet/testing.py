"""Public checks for users' extensions: each states a definition, and says what is wrong in a line to act on."""

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

# Shares of another policy that are mixed into the old one: a ball, however small, holds the last of them.
_SHARES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
# Numbers of actions that are tried, and how far along a line of logits; 0 is the old policy, the last two are close.
_ACTIONS = (2, 3, 6)
_STEPS = (0.0, 3.0, 1.0, 0.1, 0.01)


def check_drift(drift: Drift, *, trials: int = 200, seed: int = 0, tolerance: float = 1e-5) -> None:
    """Check the definition of a drift functional on random policies over two, three and six actions.

    Of the three and of the six, one is not available.

    With D(π̄) = Σₐ π(a) 𝔇(r(a), c(a), π, π̄), its exact expectation over actions under the old policy, for corrected
    advantages c of either sign:

    1. D(π) = 0;   2. D(π̄) ≥ 0;   3. every directional derivative of D at π is 0.

    Reference: Zhong et al., 2024, arXiv:2304.09870, definition 10.

    Args:
        drift: What to check.
        trials: Random pairs of policies.
        seed: From which they are drawn.
        tolerance: What still counts as 0, and as slope 0.

    Raises:
        AssertionError: Names the property, the numbers, and the policies at which it fails.
    """
    name = getattr(drift, "__name__", type(drift).__name__)
    for number, actions in enumerate(_ACTIONS):
        shape = (-(-trials // len(_ACTIONS)), actions)
        # Of many actions some are not available: what a drift makes of them must stay a number, and its slope too.
        available = None if actions == _ACTIONS[0] else jnp.arange(actions) < actions - 1
        profile = jax.jit(jax.vmap(partial(_profile, drift, available)))
        keys = jax.random.split(jax.random.fold_in(jax.random.key(seed), number), 3)
        old, direction, corrected = (jax.random.normal(key, shape) for key in keys)
        rows = (np.asarray(x) for x in (*profile(old, direction, corrected), old, direction))
        for values, slope, logits, towards in zip(*rows, strict=True):
            _judge(name, values, float(slope), logits, towards, tolerance)


def check_neighbourhood(neighbourhood: Neighbourhood, *, trials: int = 50, seed: int = 0) -> None:
    """Check the definition of a neighbourhood operator on random policies over five states and three actions.

    1. 𝒰(π) holds π;   2. it holds a ball around π: every policy near enough in every state;   3. `improve` stays in it.

    Reference: Zhong et al., 2024, arXiv:2304.09870, definition 11.

    Args:
        neighbourhood: What to check.
        trials: Random pairs of policies.
        seed: From which they are drawn.

    Raises:
        AssertionError: Names the property, and by how much it fails.
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
        raise AssertionError(f"{name} does not hold the old policy itself, and a neighbourhood does")
    lost = [float(1 - held(old, other, weight, share).mean()) for share in _SHARES]
    if lost[-1] > 0:
        raise AssertionError(
            f"{name} holds no ball around the old policy: {100 * lost[-1]:.0f} % of the policies that differ from it "
            f"by a share of {_SHARES[-1]:g} lie outside"
        )
    _stays(neighbourhood, name, keys[3])


def check_algorithm(algorithm: Any, *, games: int = 20, sweeps: int = 30, seed: int = 0) -> None:
    """Check a declaration's drift and neighbourhood, and then itself, solved exactly on random cooperative games.

    On each, neither J nor any state's value may fall in any sweep (Zhong et al., 2024, arXiv:2304.09870, theorem 14).
    Of one that maximises entropy as well, that is J_α, and the values with it (Liu et al., 2024, arXiv:2306.10715).

    Args:
        algorithm: The declaration, a `Haml`.
        games: How many games.
        sweeps: Updates of the whole team in each.
        seed: From which games, first policies and orders are drawn.

    Raises:
        AssertionError: Names the property, and the game in which it fails.
        RequestError: If it is no triple of mirror learning, of which nothing is promised, or cannot be solved exactly:
            `hamlet.tabular.haml` says why.
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
        f"{fell} fell by {worst[number]:.3g} in one sweep of game {number} (seed {seed}); it fell in "
        f"{(worst > NO_FALL).sum()} of {games} games, and mirror learning never lets it fall"
    )


def check_env(
    factory: Callable[..., Any] | str,
    *,
    episodes: int = 3,
    max_episode_steps: int = 1000,
    seed: int = 0,
    **options: Any,
) -> Findings:
    """Check that a PettingZoo environment can be trained on, and that its seeds make it play the same again.

    Episodes of random play that masks allow, the first of them in two copies side by side.

    Args:
        factory: A function of a module that makes the environment, or its place ``"package.module:function"``.
        episodes: How many.
        max_episode_steps: Steps after which an episode is left.
        seed: From which they are drawn.
        options: Keyword arguments for the factory.

    Returns:
        Its agents and spaces, the lengths of the episodes, the steps a second, and what is good to know.

    Raises:
        AssertionError: Names the first thing wrong: when, which agent, what of it.
        RequestError: The environment cannot be made, or has spaces that are not supported.
    """
    try:
        return examine(factory, options, episodes=episodes, max_episode_steps=max_episode_steps, seed=seed)
    except Unfit as wrong:
        raise AssertionError(str(wrong)) from wrong.__cause__


def _stays(neighbourhood: Neighbourhood, name: str, key: Array) -> None:
    """Whether what `improve` finds for a small network lies within."""
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
        raise AssertionError(f"improve of {name} leaves the neighbourhood that its contains describes")


def expected_drift(drift: Drift, old: Array, new: Array, corrected: Array, available: Array | None = None) -> Array:
    """D(π̄), exact, from the logits of both policies and the corrected advantage of every action that is available."""
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
    """D along a line of logits through the old policy, at `_STEPS`, and its derivative there at 0."""

    def at(step):
        return expected_drift(drift, old, old + step * direction, corrected, available)

    return jnp.stack([at(step) for step in _STEPS]), jax.grad(at)(0.0)


def _judge(name: str, values: Any, slope: float, old: Any, direction: Any, tolerance: float) -> None:
    still = float(values[0])
    if not abs(still) <= tolerance:
        raise AssertionError(f"{name} is {still:.3g} at the old policy, where a drift is 0; {_where(old)}")
    for step, value in zip(_STEPS[1:], values[1:], strict=True):
        if not value >= -tolerance:
            point = _where(old + step * direction)
            raise AssertionError(f"{name} is {value:.3g}, and a drift is never negative; from {_where(old)} to {point}")
    # One-sided quotients catch a kink that automatic differentiation does not see; they fall with the step where
    # the slope is 0, and stay where it is not.
    far, near = ((float(values[k]) - still) / _STEPS[k] for k in (-2, -1))
    kinked = abs(near) > max(100 * tolerance, 0.5 * abs(far))
    if not (abs(slope) <= 10 * tolerance and not kinked):
        worst = near if abs(slope) <= abs(near) else slope
        raise AssertionError(
            f"{name} has slope {worst:.3g} at the old policy, where a drift is flat; {_where(old)}, "
            f"direction {np.round(direction, 3).tolist()}"
        )


def _where(logits: Any) -> str:
    return f"policy {np.round(np.asarray(jax.nn.softmax(logits)), 3).tolist()}"
