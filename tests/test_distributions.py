"""Distributions against NumPy, closed forms, and the Hessian of their own divergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.distributions import Categorical, DiagonalNormal, MultiCategorical, TanhNormal, noise
from hamlet.spaces import Box, Discrete, MultiDiscrete

MASK = jnp.array([[True, False, True, True], [True, True, False, False], [False, True, False, False]])


def logits(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape) * 2


def softmax(x, mask=None):
    x = np.asarray(x, np.float64)
    weights = np.exp(x - x.max(-1, keepdims=True)) * (1.0 if mask is None else np.asarray(mask))
    return weights / weights.sum(-1, keepdims=True)


def kl(p, q):
    return np.where(p > 0, p * np.log(np.where(p > 0, p, 1) / np.where(p > 0, q, 1)), 0.0).sum(-1)


@pytest.mark.parametrize("mask", [None, MASK], ids=["free", "masked"])
def test_a_categorical_is_that_of_numpy(mask):
    x, y = logits(0, 3, 4), logits(1, 3, 4)
    p, q = softmax(x, mask), softmax(y, mask)
    policy, other = Categorical.from_logits(x, mask), Categorical.from_logits(y, mask)
    chosen = p.argmax(-1)
    np.testing.assert_allclose(policy.log_prob(jnp.asarray(chosen, jnp.int32)), np.log(p.max(-1)), atol=1e-6)
    np.testing.assert_array_equal(policy.mode(), chosen)
    np.testing.assert_allclose(policy.entropy(), -(p * np.log(np.where(p > 0, p, 1))).sum(-1), atol=1e-6)
    np.testing.assert_allclose(policy.kl(other), kl(p, q), rtol=1e-5, atol=1e-6)


def test_a_multi_categorical_is_the_product_of_its_choices():
    x, y = logits(2, 5, 7), logits(3, 5, 7)
    policy, other = (MultiCategorical.from_logits(z, (3, 4)) for z in (x, y))
    parts = [(Categorical.from_logits(x[:, s]), Categorical.from_logits(y[:, s])) for s in (slice(3), slice(3, 7))]
    action = jnp.array([[0, 3], [1, 2], [2, 1], [0, 0], [1, 1]], jnp.int32)
    expected = parts[0][0].log_prob(action[:, 0]) + parts[1][0].log_prob(action[:, 1])
    np.testing.assert_allclose(policy.log_prob(action), expected, rtol=1e-6)
    np.testing.assert_allclose(policy.entropy(), sum(p.entropy() for p, _ in parts), rtol=1e-6)
    np.testing.assert_allclose(policy.kl(other), sum(p.kl(q) for p, q in parts), rtol=1e-5)
    np.testing.assert_array_equal(policy.mode(), jnp.stack([p.mode() for p, _ in parts], -1))
    assert policy.sample(logits(4, 5, 7)).shape == (5, 2)


def test_a_diagonal_normal_is_that_of_the_closed_forms():
    mean, std, action = (np.asarray(logits(s, 6, 2), np.float64) for s in (4, 5, 6))
    std, other_std, other_mean = np.exp(std / 2), np.exp(action / 4), mean + 0.3
    policy, other = (
        DiagonalNormal(jnp.array(mean), jnp.array(std)),
        DiagonalNormal(*map(jnp.array, (other_mean, other_std))),
    )
    density = -0.5 * ((action - mean) / std) ** 2 - np.log(std * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(policy.log_prob(jnp.array(action)), density.sum(-1), rtol=1e-4)
    np.testing.assert_allclose(policy.entropy(), (0.5 * np.log(2 * np.pi * np.e * std**2)).sum(-1), rtol=1e-5)
    expected = np.log(other_std / std) + (std**2 + (mean - other_mean) ** 2) / (2 * other_std**2) - 0.5
    np.testing.assert_allclose(policy.kl(other), expected.sum(-1), rtol=1e-4)
    np.testing.assert_allclose(policy.mode(), mean, rtol=1e-6)
    drawn = jax.vmap(policy.sample)(noise(Box(0.0, 1.0, (2,)), jax.random.key(7), 4000, 6))
    np.testing.assert_allclose((drawn.mean(0) - mean) / std, 0.0, atol=5 / 63)
    np.testing.assert_allclose(drawn.std(0), std, rtol=0.06)


def test_choices_are_drawn_as_often_as_they_are_likely():
    x = logits(17, 7)
    for policy, space in (
        (Categorical.from_logits(x), Discrete(7)),
        (MultiCategorical.from_logits(x, (3, 4)), MultiDiscrete((3, 4))),
    ):
        drawn = jax.vmap(policy.sample)(noise(space, jax.random.key(18), 20_000))
        parts = getattr(policy, "parts", (policy,))
        for k, part in enumerate(parts):
            chosen = np.asarray(drawn).reshape(20_000, -1)[:, k]
            shares = np.bincount(chosen, minlength=part.log_probs.size) / 20_000
            np.testing.assert_allclose(shares, np.exp(part.log_probs), atol=4 * 0.5 / 20_000**0.5)


UNEVEN = Box((-1.0, 0.0), (1.0, 10.0), (2,))


def squashed(mean, std, space=UNEVEN):
    return TanhNormal(DiagonalNormal(jnp.asarray(mean), jnp.asarray(std)), space)


CASES = {
    "categorical": (lambda x: Categorical.from_logits(x), 4),
    "masked": (lambda x: Categorical.from_logits(x, MASK[0]), 4),
    "multi": (lambda x: MultiCategorical.from_logits(x, (2, 3)), 5),
    "normal": (lambda x: DiagonalNormal(x[:2], 0.5 * jax.nn.sigmoid(x[2:])), 4),
    "squashed": (lambda x: squashed(x[:2], 0.5 * jax.nn.sigmoid(x[2:])), 4),
}


@pytest.mark.parametrize("name", CASES)
def test_the_fisher_information_is_the_hessian_of_the_exact_divergence_at_the_old_policy(name):
    make, width = CASES[name]
    at, direction = logits(8, width), logits(9, width)
    hessian = jax.hessian(lambda x: make(at).kl(make(x)))(at)
    policy, forward = jax.linearize(make, at)
    (product,) = jax.linear_transpose(forward, at)(policy.fisher(forward(direction)))
    np.testing.assert_allclose(product, hessian @ direction, rtol=1e-4, atol=1e-5)


def test_an_unavailable_choice_has_probability_zero_exactly_and_is_never_drawn():
    for scale in (1.0, 1e4):
        policy = Categorical.from_logits(scale * logits(10, 3, 4), MASK)
        assert (jnp.exp(policy.log_probs)[~MASK] == 0).all()
        drawn = jax.vmap(policy.sample)(noise(Discrete(4), jax.random.key(11), 2000, 3))
        assert MASK[jnp.arange(3)[None].repeat(2000, 0), drawn].all()
        assert MASK[jnp.arange(3), policy.mode()].all()
    sums = jnp.exp(Categorical.from_logits(logits(12, 3, 4), MASK).log_probs).sum(-1)
    np.testing.assert_allclose(sums, 1.0, rtol=1e-6)


def test_unavailable_choices_leave_entropy_and_divergence_finite_with_finite_gradients():
    def total(x, y):
        policy, other = (Categorical.from_logits(z, MASK) for z in (x, y))
        return (policy.entropy() + policy.kl(other)).sum()

    value, gradients = jax.value_and_grad(total, argnums=(0, 1))(logits(13, 3, 4), logits(14, 3, 4))
    assert jnp.isfinite(value)
    for gradient in gradients:
        assert jnp.isfinite(gradient).all()
        assert (gradient[~MASK] == 0).all()
    only = Categorical.from_logits(logits(15, 3, 4), MASK)
    assert only.entropy()[2] == 0 and only.kl(only)[2] == 0


def test_masks_of_several_choices_are_cut_as_their_logits_are():
    mask = jnp.array([True, False, False, True, True])
    policy = MultiCategorical.from_logits(logits(16, 5), (2, 3), mask)
    np.testing.assert_array_equal(jnp.exp(policy.parts[0].log_probs) > 0, mask[:2])
    np.testing.assert_array_equal(jnp.exp(policy.parts[1].log_probs) > 0, mask[2:])


def test_a_squashed_normal_is_the_change_of_variables_and_its_density_has_mass_one_within_the_bounds():
    mean, std = np.array([0.3, -1.2]), np.array([0.4, 0.2])
    low, high = (bound.astype(float) for bound in UNEVEN.bounds)
    u = mean + std * np.linspace(-6, 6, 2001)[:, None]
    action = low + (high - low) * (1 + np.tanh(u)) / 2
    normal = -0.5 * ((u - mean) / std) ** 2 - np.log(std * np.sqrt(2 * np.pi))
    density = normal - np.log((high - low) / 2 * (1 - np.tanh(u) ** 2))
    policy = squashed(jnp.broadcast_to(jnp.array(mean), (2001, 2)), jnp.broadcast_to(jnp.array(std), (2001, 2)))
    np.testing.assert_allclose(policy.log_prob(jnp.array(action)), density.sum(-1), rtol=1e-4, atol=2e-4)
    assert np.trapezoid(np.exp(density), action, axis=0) == pytest.approx(1, abs=1e-6)
    entropy = -np.trapezoid(np.exp(density) * density, action, axis=0).sum()
    np.testing.assert_allclose(policy.entropy()[0], entropy, atol=1e-4)
    np.testing.assert_allclose(policy.mode()[0], (low + (high - low) * (1 + np.tanh(mean)) / 2), rtol=1e-5)


@pytest.mark.parametrize("mean", [0.0, 0.7, 3.0, -8.0])
def test_the_entropy_of_a_squashed_normal_is_within_a_ten_thousandth_of_the_integral(mean):
    unit = Box(-1.0, 1.0, (1,))
    for std in (1e-3, 0.1, 0.5, 1.0):
        z = np.linspace(-10, 10, 200_001)
        u = mean + std * z
        stretch = 2 * (np.log(2) - np.abs(u) - np.log1p(np.exp(-2 * np.abs(u))))
        weight = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        expected = 0.5 * np.log(2 * np.pi * np.e * std**2) + np.trapezoid(weight * stretch, z)
        np.testing.assert_allclose(squashed([mean], [std], unit).entropy(), expected, atol=1e-4)


def test_near_and_at_the_bounds_a_squashed_normal_is_finite_and_right():
    far = squashed(jnp.array([20.0, -20.0]), jnp.array([3.0, 3.0]))
    action, found = far.relaxed(jnp.array([0.5, -0.5]))
    np.testing.assert_allclose(action, [1.0, 10 / (1 + np.exp(43.0))], rtol=1e-5)
    assert action[0] == 1
    u = np.array([21.5, -21.5])
    stretch = np.log(np.array([1.0, 5.0])) + 2 * (np.log(2) - np.abs(u))
    expected = (-0.5 * 0.25 - np.log(3 * np.sqrt(2 * np.pi)) - stretch).sum()
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    slope = jax.grad(lambda m: squashed(m, far.base.std).relaxed(jnp.array([0.5, -0.5]))[1])
    np.testing.assert_allclose(slope(far.base.mean), [2.0, -2.0], atol=1e-3)
    for at in ([-1.0, 0.0], [1.0, 10.0], [np.nextafter(np.float32(1), np.float32(0)), 1e-20]):
        value, slope = jax.value_and_grad(lambda m, at=at: squashed(m, jnp.ones(2)).log_prob(jnp.array(at)))(
            jnp.zeros(2)
        )
        assert np.isfinite(value) and np.isfinite(slope).all()
    # Near 0 numbers are fine enough to tell a u of −20 from its neighbours.
    np.testing.assert_allclose(
        jax.grad(lambda m: squashed(m, jnp.ones(2)).log_prob(action))(far.base.mean)[1], -1.5, rtol=1e-4
    )
    assert jax.grad(lambda m: squashed(m, jnp.ones(2)).mode()[0])(jnp.zeros(2))[0] == 1.0


def test_samples_of_a_squashed_normal_lie_within_the_bounds_of_each_entry_and_have_the_density_that_is_said():
    policy = squashed(jnp.array([0.5, -4.0]), jnp.array([2.0, 4.0]))
    drawn = noise(UNEVEN, jax.random.key(0), 5000)
    actions, found = jax.vmap(policy.relaxed)(drawn)
    np.testing.assert_array_equal(actions, jax.vmap(policy.sample)(drawn))
    assert all(UNEVEN.contains(action) for action in np.asarray(actions))
    assert (np.asarray(actions).max(0) > [0.99, 9.9]).all() and (np.asarray(actions).min(0) < [-0.99, 0.1]).all()
    inside = (np.abs(jax.vmap(policy.base.sample)(drawn)) < 5).all(-1)
    np.testing.assert_allclose(jax.vmap(policy.log_prob)(actions)[inside], found[inside], atol=5e-3)
    other = squashed(jnp.array([0.4, -3.0]), jnp.array([1.5, 4.5]))
    assert policy.kl(other) == policy.base.kl(other.base)
    ratio = jax.vmap(policy.log_prob)(actions) - jax.vmap(other.log_prob)(actions)
    np.testing.assert_allclose(ratio.mean(), policy.kl(other), atol=4 * float(ratio.std()) / 5000**0.5)
