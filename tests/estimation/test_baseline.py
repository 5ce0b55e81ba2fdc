"""Baselines against enumeration in 64 bits, closed forms, and the numbers of the paper's toy table."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hamlet.distributions import Categorical, DiagonalNormal, MultiCategorical, TanhNormal
from hamlet.estimation.baseline import Alternatives, counterfactual, drawn, every, optimal
from hamlet.spaces import Box

BASELINES = {"none": lambda found: jnp.zeros(found.value.shape[:-1]), "COMA": counterfactual, "OB": optimal}


def scores(policy):
    """∇ log π(a) by the logits, for every a: rows e_a − π."""
    return np.eye(len(policy)) - policy


def moments(policy, value, baseline):
    """Mean and total variance of (Q − b) ∇ log π, by enumeration."""
    estimate = (value - baseline)[:, None] * scores(policy)
    mean = policy @ estimate
    return mean, policy @ (estimate**2).sum(1) - mean @ mean


def baselines(policy, value):
    """Every baseline of one state in 64 bits."""
    with jax.enable_x64(True):
        found = every(Categorical(jnp.log(jnp.asarray(policy))), jnp.asarray(value, jnp.float64))
        return {name: float(of(found)) for name, of in BASELINES.items()}


def test_the_papers_toy_table():
    policy, value = np.array([0.8, 0.1, 0.1]), np.array([2.0, 1.0, 100.0])
    made = Categorical(jnp.log(jnp.asarray(policy, jnp.float32)))
    norms = np.asarray(made.squared_scores())
    np.testing.assert_allclose(norms, [0.06, 1.46, 1.46], rtol=1e-5)
    np.testing.assert_allclose(policy * norms / (policy @ norms), [0.14118, 0.42941, 0.42941], atol=5e-6)
    found = baselines(policy, value)
    assert found == pytest.approx({"none": 0.0, "COMA": 11.7, "OB": 43.652941}, abs=5e-7)
    variances = {name: moments(policy, value, b)[1] for name, b in found.items()}
    assert variances == pytest.approx({"none": 1321.0066, "COMA": 1020.2464, "OB": 673.1096}, abs=5e-5)


def test_the_counterfactual_baseline_can_be_worse_than_none():
    policy, value = np.array([0.8, 0.1, 0.1]), np.array([10.0, -1.64, -1.64])
    variance = {name: moments(policy, value, b)[1] for name, b in baselines(policy, value).items()}
    assert variance["OB"] < variance["none"] < variance["COMA"]


weights = arrays(np.float64, st.integers(2, 6), elements=st.floats(0.01, 1.0))


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(weights, st.integers(0, 2**31 - 1))
def test_the_optimal_baselines_variance_is_the_least_and_every_mean_the_same(weight, seed):
    policy, value = weight / weight.sum(), np.random.default_rng(seed).normal(size=len(weight)) * 10
    found = {name: moments(policy, value, b) for name, b in baselines(policy, value).items()}
    for mean, variance in found.values():
        np.testing.assert_allclose(mean, found["OB"][0], atol=1e-10)
        assert found["OB"][1] <= variance + 1e-9


@pytest.mark.parametrize("sure", [0.5, 0.9, 1 - 1e-6])
def test_with_two_actions_nothing_varies_under_the_optimal_baseline(sure):
    policy, value = np.array([sure, 1 - sure]), np.array([3.0, -50.0])
    assert baselines(policy, value)["OB"] == pytest.approx((1 - sure) * 3.0 - sure * 50.0)
    assert moments(policy, value, baselines(policy, value)["OB"])[1] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("agents", [2, 4, 8])
def test_what_a_baseline_costs_beside_the_optimal_one_is_its_square_distance_times_the_mean_square_score(agents):
    """With an exact Q, over all joint actions of a game of so many agents with three choices each."""
    draw = np.random.default_rng(agents)
    policies = draw.dirichlet(np.ones(3), agents)
    value = draw.normal(size=(3,) * agents) * 5
    own = np.moveaxis(value, 1, -1).reshape(-1, 3)
    others = np.ones(1)
    for number, policy in enumerate(policies):
        if number != 1:
            others = np.multiply.outer(others, policy)
    others, policy = others.reshape(-1), policies[1]
    square = (scores(policy) ** 2).sum(1)
    with jax.enable_x64(True):
        found = every(Categorical(jnp.log(jnp.broadcast_to(jnp.asarray(policy), own.shape))), jnp.asarray(own))
        made = {name: np.asarray(of(found)) for name, of in BASELINES.items()}

    def variance(baseline):
        mean = np.einsum("o,a,oa,ad->d", others, policy, own - baseline[:, None], scores(policy))
        second = np.einsum("o,a,oa,a->", others, policy, (own - baseline[:, None]) ** 2, square)
        return mean, second - mean @ mean

    means, variances = zip(*(variance(baseline) for baseline in made.values()), strict=True)
    np.testing.assert_allclose(means, np.broadcast_to(means[0], (3, 3)), atol=1e-10)
    for name, found in zip(made, variances, strict=True):
        excess = (others * (made[name] - made["OB"]) ** 2).sum() * (policy @ square)
        assert found - variances[-1] == pytest.approx(excess, abs=1e-6)


@pytest.mark.parametrize("agents", [2, 4, 8])
def test_what_is_centralised_varies_by_the_square_of_the_others_advantage_more(agents):
    """In one step: Var[ Q ∇ log πⁱ ] − Var[ Qⁱ ∇ log πⁱ ] = E[ (Q − Qⁱ)² ‖∇ log πⁱ‖² ]."""
    draw = np.random.default_rng(agents)
    policies = draw.dirichlet(np.ones(2), agents)
    joint = np.ones(1)
    for policy in policies[1:]:
        joint = np.multiply.outer(joint, policy)
    joint, value = joint.reshape(-1), draw.normal(size=(2, 2 ** (agents - 1)))
    mean, square = value @ joint, (scores(policies[0]) ** 2).sum(1)

    def variance(credit):
        estimate = np.einsum("a,o,ao,ad->d", policies[0], joint, credit, scores(policies[0]))
        return np.einsum("a,o,ao,a->", policies[0], joint, credit**2, square) - estimate @ estimate

    more = variance(value) - variance(np.broadcast_to(mean[:, None], value.shape))
    rest = np.einsum("a,o,ao,a->", policies[0], joint, (value - mean[:, None]) ** 2, square)
    assert more == pytest.approx(rest, rel=1e-10)


def test_sampled_baselines_of_a_normal_policy_tend_to_their_closed_forms():
    """Q(a) = −(a − c)²: E[Q] = −((μ−c)² + σ²), b* = −((μ−c)² + 13σ²/3); of the mean's score alone, 3σ²."""
    mean, std, goal, count = 0.4, 0.7, -0.9, 400_000
    policy = DiagonalNormal(jnp.full((1,), mean), jnp.full((1,), std))
    action = jax.vmap(policy.sample)(jax.random.normal(jax.random.key(0), (count, 1)))
    found = drawn(policy, action, -((action[:, 0] - goal) ** 2))
    far = (mean - goal) ** 2
    assert float(counterfactual(found)) == pytest.approx(-(far + std**2), rel=0.01)
    assert float(optimal(found)) == pytest.approx(-(far + 13 * std**2 / 3), rel=0.01)
    alone = Alternatives(found.value, found.weight, ((action[:, 0] - mean) / std**2) ** 2)
    assert float(optimal(alone)) == pytest.approx(-(far + 3 * std**2), rel=0.01)
    linear = drawn(policy, action, 5 * action[:, 0])
    assert float(optimal(linear)) == pytest.approx(float(counterfactual(linear)), abs=0.05)


@pytest.mark.parametrize("kind", ["categorical", "multi", "normal", "tanh"])
def test_the_squared_score_is_the_gradients_of_the_log_probability_by_the_policys_own_numbers(kind):
    x, y = jax.random.normal(jax.random.key(1), (2, 5))
    make = {
        "categorical": lambda x, y: Categorical.from_logits(x),
        "multi": lambda x, y: MultiCategorical.from_logits(x, (2, 3)),
        "normal": lambda x, y: DiagonalNormal(x, y),
        "tanh": lambda x, y: TanhNormal(DiagonalNormal(x, y), Box(-2.0, 3.0, (5,))),
    }[kind]
    own = (x, 0.3 + y**2)
    action = make(*own).sample(0.5 * jax.random.normal(jax.random.key(2), (5,)))
    gradient = jax.grad(lambda own: make(*own).log_prob(action))(own)
    assert float(make(*own).squared_score(action)) == pytest.approx(
        sum(float((part**2).sum()) for part in gradient), rel=1e-4
    )


def test_what_is_not_available_has_no_part_and_what_alone_is_available_leaves_no_credit():
    available = jnp.array([[True, False, True], [False, True, False]])
    policy = Categorical.from_logits(jnp.array([[0.3, 9.0, -0.4], [0.0, 1.0, 2.0]]), available)
    value = jnp.array([[1.0, 1e6, 3.0], [1e6, 7.0, -1e6]])
    found = every(policy, value)
    chance = float(jnp.exp(policy.log_probs[0, 0]))
    np.testing.assert_allclose(counterfactual(found), [chance * 1 + (1 - chance) * 3, 7.0], rtol=1e-5)
    np.testing.assert_allclose(optimal(found), [(1 - chance) * 1 + chance * 3, 7.0], rtol=1e-5)


def test_an_absent_agent_has_one_alternative_so_that_it_is_credited_with_nothing():
    found = every(Categorical.from_logits(jnp.zeros((2, 3))), jnp.arange(6.0).reshape(2, 3), jnp.array([True, False]))
    for baseline in (counterfactual, optimal):
        np.testing.assert_allclose(baseline(found), [1.0, 3.0], rtol=1e-6)


def test_nothing_is_propagated_back_through_a_baseline():
    def through(logits, value):
        found = every(Categorical.from_logits(logits), value)
        return counterfactual(found) + optimal(found)

    for gradient in jax.grad(through, (0, 1))(jnp.array([0.1, 0.5]), jnp.array([1.0, 2.0])):
        np.testing.assert_array_equal(gradient, 0.0)
