"""Masks by property: whatever is available, and however sure the network is."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hamlet.distributions import Categorical, MultiCategorical, noise
from hamlet.spaces import Discrete, MultiDiscrete

SIZES = (2, 3)
few = settings(max_examples=60, deadline=None)


def drawn(seed, scale):
    """Logits of five choices, twice; and masks under which each of two sets of choices, 0-1 and 2-4, keeps some."""
    rng = np.random.default_rng(seed)
    mask = rng.random(5) < rng.random()
    mask[[rng.integers(2), 2 + rng.integers(3)]] = True
    return *(jnp.asarray(scale * rng.standard_normal((2, 5)), jnp.float32)), jnp.asarray(mask)


@partial(jax.jit, static_argnames="sizes")
def measured(x, y, mask, seed, sizes):
    """A policy's numbers, actions drawn from it, and the gradients of everything that is ever differentiated."""

    def made(logits):
        return MultiCategorical.from_logits(logits, sizes, mask) if sizes else Categorical.from_logits(logits, mask)

    space = MultiDiscrete(sizes) if sizes else Discrete(5)
    policy = made(x)
    actions = jax.vmap(policy.sample)(noise(space, jax.random.key(seed), 200))

    def total(x, y):
        old, new = made(x), made(y)
        return new.entropy() + old.kl(new) + new.log_prob(actions[0]) + jnp.exp(new.log_prob(policy.mode()))

    parts = policy.parts if isinstance(policy, MultiCategorical) else (policy,)
    tangent = policy.fisher(jax.jvp(made, (x,), (y,))[1])
    return {
        "chances": jnp.concatenate([jnp.exp(part.log_probs) for part in parts]),
        "other": jnp.concatenate([jnp.exp(p.log_probs) for p in (made(y).parts if sizes else (made(y),))]),
        "actions": actions.reshape(200, -1),
        "mode": policy.mode().reshape(-1),
        "entropy": policy.entropy(),
        "kl": policy.kl(made(y)),
        "gradients": jax.grad(total, argnums=(0, 1))(x, y),
        "fisher": jax.tree.leaves(tangent),
    }


@few
@given(st.integers(0, 2**31 - 1), st.sampled_from([0.01, 1.0, 30.0, 1e4]), st.sampled_from([None, SIZES]))
def test_what_is_not_available_has_probability_zero_and_is_never_drawn_and_all_the_rest_is_right(seed, scale, sizes):
    x, y, mask = drawn(seed, scale)
    if sizes is None and seed % 3 == 0:
        mask = jnp.arange(5) == seed % 5  # all but one masked
    found = jax.tree.map(np.asarray, measured(x, y, mask, seed, sizes))
    offset = np.cumsum((0, *sizes[:-1])) if sizes else np.zeros(1, int)
    free = np.asarray(mask)
    assert (found["chances"][~free] == 0).all()
    assert free[found["actions"] + offset].all() and free[found["mode"] + offset].all()

    def exact(logits):
        cuts = np.cumsum(sizes)[:-1] if sizes else []
        parts = zip(np.split(np.asarray(logits, np.float64), cuts), np.split(free, cuts), strict=True)
        raised = [np.where(m, np.exp(np.where(m, z, -np.inf) - z[m].max()), 0.0) for z, m in parts]
        return np.concatenate([p / p.sum() for p in raised])

    p, q = exact(x), exact(y)
    np.testing.assert_allclose(found["chances"], p, atol=1e-6)
    logs = lambda z: np.log(np.where(z > 0, z, 1.0))  # noqa: E731
    np.testing.assert_allclose(found["entropy"], -(p * logs(p)).sum(), atol=1e-5)
    if scale <= 30:
        np.testing.assert_allclose(found["kl"], (p * (logs(p) - logs(q))).sum(), rtol=1e-4, atol=1e-4)
    leaves = jax.tree.leaves((found["gradients"], found["fisher"], found["kl"]))
    assert all(np.isfinite(leaf).all() for leaf in leaves)
    assert all((slope[~free] == 0).all() for slope in found["gradients"])


def test_an_agent_that_has_nothing_available_chooses_evenly_and_learns_nothing_from_it():
    """Nothing inside a compiled program can refuse it, and a mask of a dead agent may well be empty."""
    found = measured(*drawn(1, 1.0)[:2], jnp.zeros(5, bool), 0, None)
    np.testing.assert_allclose(found["chances"], 0.2, rtol=1e-6)
    assert all((slope == 0).all() for slope in found["gradients"])
