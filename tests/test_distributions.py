"""Distributions against NumPy, closed forms, and the Hessian of their own divergence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.distributions import Categorical, DiagonalNormal, MultiCategorical, noise
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


CASES = {
    "categorical": (lambda x: Categorical.from_logits(x), 4),
    "masked": (lambda x: Categorical.from_logits(x, MASK[0]), 4),
    "multi": (lambda x: MultiCategorical.from_logits(x, (2, 3)), 5),
    "normal": (lambda x: DiagonalNormal(x[:2], 0.5 * jax.nn.sigmoid(x[2:])), 4),
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
