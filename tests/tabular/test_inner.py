"""Every inner maximiser against the definition: the objective itself, on a grid of all policies."""

import itertools
from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.distributions import Categorical, DiagonalNormal
from hamlet.errors import RequestError
from hamlet.haml.drift import ClipDrift, KlDrift, SquaredTvDrift, ZeroDrift
from hamlet.haml.neighbourhood import KlBall, Unconstrained
from hamlet.tabular import radius
from hamlet.tabular.inner import InnerProblem, ascend, maximise, objective
from hamlet.tabular.precision import exactly
from hamlet.tabular.within import improve
from hamlet.testing import check_drift

DRIFTS = [ZeroDrift(), KlDrift(0.5), KlDrift(0.02), ClipDrift(0.2), ClipDrift(0.9), SquaredTvDrift(1.0)]
STATES = 24


def choices(seed, width=3, others=3, *, zeros=False, missing=False, flat=False):
    """Choices in many states, built sample by sample as the definition has them."""
    draw = np.random.default_rng(seed)
    old = draw.dirichlet(np.ones(width), STATES)
    available = np.ones((STATES, width), bool)
    if zeros:
        old[::2, 0] = 0.0
    if missing:
        available[:, -1] = False
        old[:, -1] = 0.0
    old /= old.sum(-1, keepdims=True)
    weight = draw.dirichlet(np.ones(others), STATES)
    # Before the agent others moved: the product of their ratios is a joint action's own, and never negative.
    corrected = draw.normal(size=(STATES, width, others)) * draw.exponential(size=(STATES, 1, others))
    corrected = corrected * 0.0 if flat else corrected
    mean = lambda table: (table * weight[:, None]).sum(-1)  # noqa: E731
    gain, loss = mean(np.maximum(corrected, 0)), mean(np.minimum(corrected, 0))
    return InnerProblem(*(jnp.asarray(x) for x in (old, available, mean(corrected), gain, loss, corrected, weight)))


def made(*arguments, **options):
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, choices(*arguments, **options))


def grid(width, steps=60):
    """All policies whose probabilities are multiples of 1/steps."""
    cuts = itertools.combinations_with_replacement(range(steps + 1), width - 1)
    return np.array([np.diff([0, *cut, steps]) for cut in cuts]) / steps


@partial(jax.jit, static_argnames=("drift", "solver"))
def solved(drift, choice, others, *, solver=maximise):
    """The maximiser, its gap, its objective, the old policy's, and that of other policies; in every state."""
    best = jax.vmap(partial(solver, drift))(choice)
    value = partial(objective, drift)
    everywhere = jax.vmap(lambda one: jax.vmap(lambda at: value(one, at))(others))(choice)
    return best, jax.vmap(value)(choice, best.policy), jax.vmap(value)(choice, choice.old), everywhere


CASES = [{}, {"zeros": True}, {"missing": True}, {"zeros": True, "missing": True}]


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join(case) or "plain")
@pytest.mark.parametrize("drift", DRIFTS, ids=repr)
def test_a_closed_form_is_a_policy_and_none_on_a_grid_of_all_is_better(drift, case):
    choice, policies = made(3, **case), grid(3)
    if case.get("missing"):
        policies = policies[policies[:, -1] == 0]
    best, value, old, everywhere = exactly(solved, drift, choice, policies)
    assert (best.policy >= 0).all()
    np.testing.assert_allclose(best.policy.sum(-1), 1.0, atol=1e-12)
    assert (best.policy[~choice.available] == 0).all()
    assert (best.gap == 0).all()
    assert (value >= old - 1e-12).all()
    assert (value >= everywhere.max(-1) - 1e-10).all()
    # Nor is it better by more than a step of the grid is worth: the objective is what it claims to be.
    if type(drift) is not KlDrift:
        assert (value <= everywhere.max(-1) + 0.3).all()


@dataclass(frozen=True)
class Own:
    """A user's drift: half the squared distance of the probabilities, and a divergence the other way round."""

    def __call__(self, ratio, corrected, old, new):
        before, after = jnp.exp(old.log_probs), jnp.exp(new.log_probs)
        return 0.5 * ((after - before) ** 2).sum(-1) + 0.1 * new.kl(old)


@pytest.mark.parametrize("drift", [*DRIFTS[1:], Own()], ids=repr)
def test_the_solver_for_any_drift_finds_what_the_closed_forms_find_and_its_gap_is_a_bound(drift):
    choice, policies = made(4), grid(3)
    best, value, old, everywhere = exactly(partial(solved, solver=ascend), drift, choice, policies)
    known, target, *_ = exactly(solved, drift, choice, policies)
    assert (value >= old).all()
    assert (value >= everywhere.max(-1) - 1e-3).all()
    # Closed forms are their own witness; a user's drift has none but its gap. At kinks the gap is not tight.
    np.testing.assert_allclose(value, target, atol=1e-3 if isinstance(drift, ClipDrift) else 1e-8)
    if not isinstance(drift, ClipDrift):
        assert (target - value <= best.gap + 1e-12).all()
        np.testing.assert_allclose(best.policy, known.policy, atol=1e-3)
    if isinstance(drift, KlDrift | Own):
        assert best.gap.max() <= 1e-3


@pytest.mark.parametrize("drift", DRIFTS, ids=repr)
def test_an_agent_to_which_all_actions_are_equal_stays_where_it_is(drift):
    choice = made(5, flat=True)
    # Nor is rounding a preference.
    noise = np.random.default_rng(0).normal(size=choice.advantage.shape) * 1e-16
    noisy = eqx.tree_at(lambda c: (c.advantage, c.gain, c.loss), choice, (noise, np.maximum(noise, 0), 0 * noise))
    for each in (choice, noisy):
        best, *_ = exactly(solved, drift, each, grid(3, 2))
        np.testing.assert_allclose(best.policy, choice.old, atol=1e-12)


def test_the_squared_total_variation_is_a_drift_of_discrete_actions_and_no_reward():
    check_drift(SquaredTvDrift(2.0), trials=6)
    with pytest.raises(RequestError, match="must not be negative"):
        SquaredTvDrift(-1.0)
    normal = DiagonalNormal(jnp.zeros((4, 2)), jnp.ones((4, 2)))
    with pytest.raises(RequestError, match="SquaredTvDrift needs discrete actions"):
        SquaredTvDrift()(jnp.ones(4), jnp.ones(4), normal, normal)
    one, other = Categorical(jnp.log(jnp.array([[0.5, 0.5]]))), Categorical(jnp.log(jnp.array([[0.9, 0.1]])))
    np.testing.assert_allclose(SquaredTvDrift(2.0)(jnp.ones(1), jnp.ones(1), one, other), 2.0 * 0.4**2, rtol=1e-6)


@jax.jit
def within_ball(choice, weight, others):
    ball = KlBall(radius=0.05)
    best = improve(ball, ZeroDrift(), choice, weight)
    value = lambda policy: (weight * (policy * choice.advantage).sum(-1)).sum()  # noqa: E731
    mean = lambda policy: (weight * (choice.old * jnp.log(choice.old / policy)).sum(-1)).sum()  # noqa: E731
    return best, value(best.policy), mean(best.policy), jax.vmap(value)(others), jax.vmap(mean)(others)


def test_in_a_ball_the_mean_divergence_is_kept_and_no_policy_within_it_is_better():
    choice, draw = made(6), np.random.default_rng(0)
    weight = draw.dirichlet(np.ones(STATES))
    best, *_ = exactly(within_ball, choice, weight, np.stack([choice.old]))
    # Around the old policy and around the maximiser, where the better ones would be.
    centres = [choice.old, best.policy]
    near = [
        (1 - share) * centre + share * draw.dirichlet(np.ones(3), STATES)
        for centre in centres
        for share in 10.0 ** draw.uniform(-4, 0, 500)
    ]
    best, value, met, values, mets = exactly(within_ball, choice, weight, np.stack(near))
    assert met <= 0.05
    assert met >= 0.05 * (1 - 1e-6)
    assert best.gap.max() <= 1e-9
    assert value >= values[mets <= 0.05].max()
    assert (values > value).any()  # outside there are better ones


def test_a_ball_in_which_the_greedy_policy_lies_gives_the_greedy_policy():
    choice = made(7)
    sure = np.eye(3)[choice.advantage.argmax(-1)]
    choice = eqx.tree_at(lambda c: c.old, choice, sure)
    weight = np.full(STATES, 1 / STATES)
    best = exactly(jax.jit(lambda c, w: improve(KlBall(radius=0.01), ZeroDrift(), c, w)), choice, weight)
    np.testing.assert_array_equal(best.policy, sure)


@dataclass(frozen=True)
class NearEveryAction:
    """A user's neighbourhood: no probability changes by more than a tenth."""

    def contains(self, old, new, weight):
        return (jnp.abs(jnp.exp(old.log_probs) - jnp.exp(new.log_probs)) <= 0.1).all()


@pytest.mark.parametrize("drift", [ZeroDrift(), ClipDrift(0.2), Own()], ids=repr)
def test_a_neighbourhood_of_a_user_is_never_left_and_no_state_gets_worse(drift):
    choice, weight = made(8), np.full(STATES, 1 / STATES)

    @jax.jit
    def both(choice, weight):
        best = improve(NearEveryAction(), drift, choice, weight)
        value = jax.vmap(partial(objective, drift))
        return best, value(choice, best.policy), value(choice, choice.old)

    best, value, old = exactly(both, choice, weight)
    change = np.abs(best.policy - choice.old)
    assert change.max() <= 0.1 + 1e-12
    assert change.max() >= 0.1 - 1e-9  # it goes as far as it may
    assert (value >= old).all() and (value > old).any()


def test_without_a_neighbourhood_every_state_is_its_own():
    choice, weight = made(9), np.full(STATES, 1 / STATES)
    best = exactly(jax.jit(lambda c, w: improve(Unconstrained(), KlDrift(0.5), c, w)), choice, weight)
    alone, *_ = exactly(solved, KlDrift(0.5), choice, grid(3, 2))
    np.testing.assert_array_equal(best.policy, alone.policy)


def slow_best_at(radius_, old, advantage):
    """The best policy with KL at most d in one state, by bisection of μ."""
    low, high = 1e-12, 1e12
    for _ in range(200):
        y = np.sqrt(low * high)
        policy = old / (y + advantage.max() - advantage)
        policy /= policy.sum()
        low, high = (low, y) if (old * np.log(old / policy)).sum() < radius_ else (y, high)
    return policy


@pytest.mark.parametrize("constant", [0.3, 30.0, 3000.0])
def test_the_step_of_algorithm_1_is_the_best_over_all_largest_divergences(constant):
    draw = np.random.default_rng(1)
    for _ in range(3):
        old, advantage = draw.dirichlet(np.ones(3), 4), draw.normal(size=(4, 3))
        advantage -= (old * advantage).sum(-1, keepdims=True)
        occupancy = draw.exponential(size=4) * 3
        policy, value, distance = exactly(
            jax.jit(radius.step), old, advantage, np.ones(3, bool), occupancy, np.float64(constant)
        )
        spent = (old * np.log(old / policy)).sum(-1)
        np.testing.assert_allclose(spent.max(), distance, rtol=1e-5)
        gained = (occupancy * ((policy - old) * advantage).sum(-1)).sum()
        np.testing.assert_allclose(value, gained - constant * distance, atol=1e-12)
        slow = []
        for d in distance * np.geomspace(0.1, 10, 81):
            found = np.stack([slow_best_at(d, o, a) for o, a in zip(old, advantage, strict=True)])
            slow.append((occupancy * ((found - old) * advantage).sum(-1)).sum() - constant * d)
        assert value >= max(slow) - 1e-9
        np.testing.assert_allclose(max(slow), value, rtol=1e-3)


def test_without_a_constant_the_step_is_greedy_and_an_impossible_gain_leaves_the_old_policy():
    old, advantage = np.array([[0.5, 0.5], [0.2, 0.8]]), np.array([[-1.0, 1.0], [0.8, -0.2]])
    step = jax.jit(radius.step)
    both, ones = np.ones(2, bool), np.ones(2)
    policy, *_ = exactly(step, old, advantage, both, ones, np.float64(0))
    np.testing.assert_allclose(policy, [[0, 1], [1, 0]], atol=1e-200)
    policy, value, _ = exactly(step, old, 0 * advantage, both, ones, np.float64(1))
    np.testing.assert_array_equal(policy, old)
    assert value == 0


def test_the_step_of_algorithm_1_may_return_to_an_action_that_was_given_up():
    old, advantage = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    policy, value, distance = exactly(
        jax.jit(radius.step), old, advantage, np.ones(2, bool), np.ones(1), np.float64(0.5)
    )
    # max over m of m + ½ log(1 − m): at m = ½.
    np.testing.assert_allclose(policy, [[0.5, 0.5]], atol=1e-8)
    np.testing.assert_allclose(value, 0.5 - 0.5 * np.log(2), atol=1e-12)
    np.testing.assert_allclose(distance, np.log(2), atol=1e-8)
