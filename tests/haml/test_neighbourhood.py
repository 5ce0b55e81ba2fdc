"""Where a new policy may lie, and how it is sought."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from hamlet.errors import RequestError
from hamlet.haml.drift import ClipDrift
from hamlet.haml.neighbourhood import KlBall, Unconstrained, fisher_product
from pieces import KINDS, always, objective, same
from pieces import moved as at_random_from


@pytest.mark.parametrize("kind", always("multi", "recurrent", of=KINDS))
def test_the_fisher_product_is_that_of_the_hessian_of_the_mean_divergence_and_the_damping(kind):
    actor, aim = objective(0, kind, sequences=8)
    flat, unravel = ravel_pytree(actor)

    @jax.jit
    def both(at, vector):
        exact = jax.jvp(jax.grad(lambda x: aim.kl(unravel(x))), (at,), (vector,))[1] + 0.05 * vector
        return fisher_product(aim, unravel, at, 0.05)(vector), exact

    for seed in range(3):
        product, exact = both(flat, jax.random.normal(jax.random.key(seed), flat.shape))
        np.testing.assert_allclose(product, exact, rtol=2e-3, atol=2e-4)


@pytest.mark.parametrize("kind", always("continuous", "masked", of=KINDS))
def test_the_ball_is_never_left_and_the_gain_never_falls(kind):
    # Large and hardly damped, so that the step foretold from the curvature would often leave it.
    ball = KlBall(radius=0.2, damping=1e-3, accept=0.1)

    @jax.jit
    def step(seed, scale):
        actor, aim = objective(seed, kind, scale=scale)
        moved, _, info = ball.improve(aim, actor, (), jax.random.key(0))
        return aim.kl(moved), aim(moved).gain - aim(actor).gain, info

    accepted, tries = 0, []
    for seed in range(12):
        for scale in (1e-3, 1.0, 1e6):
            divergence, gained, info = step(seed, scale)
            assert float(divergence) <= 0.2 + 1e-6
            assert float(gained) >= 0 and jnp.isfinite(gained)
            assert (float(gained) == 0) == (float(info["line_search_failed"]) == 1)
            assert abs(float(info["kl"]) - float(divergence)) < 1e-6
            accepted += 1 - int(info["line_search_failed"])
            tries.append(int(info["line_search_steps"]))
    assert accepted >= 24 and max(tries) > 1


@pytest.mark.parametrize("kind", always("discrete", of=("discrete", "continuous")))
def test_a_rejected_step_returns_the_old_actor_bit_for_bit(kind):
    actor, aim = objective(1, kind)
    still = dataclasses.replace(aim, corrected=jnp.zeros_like(aim.corrected))
    moved, _, info = jax.jit(KlBall().improve)(still, actor, (), jax.random.key(0))
    assert info["line_search_failed"] == 1 and same(moved, actor)
    # One try, of a step far longer than the linear prediction holds for, is not enough either.
    impatient = KlBall(radius=50.0, tries=1, accept=1.0)
    moved, _, info = jax.jit(impatient.improve)(aim, actor, (), jax.random.key(0))
    assert info["line_search_failed"] == 1 and info["line_search_steps"] == 1 and same(moved, actor)


def test_a_gain_that_is_too_small_a_share_of_what_was_predicted_is_not_accepted():
    """A long step inside the ball that gains, but less than the linear prediction: taken by who asks for nothing."""
    actor, aim = objective(1, "discrete")
    tried = [
        jax.jit(KlBall(radius=1.0, damping=1e-2, tries=1, accept=accept).improve)(aim, actor, (), jax.random.key(0))
        for accept in (0.0, 1.0)
    ]
    (taken, _, info), (left, _, strict) = tried
    assert info["line_search_failed"] == 0 and aim.kl(taken) <= 1.0 and aim(taken).gain > aim(actor).gain
    assert strict["line_search_failed"] == 1 and same(left, actor)


def test_an_advantage_that_is_no_number_moves_nothing():
    actor, aim = objective(2, "discrete")
    broken = dataclasses.replace(aim, corrected=aim.corrected.at[0].set(jnp.nan))
    moved, _, info = jax.jit(KlBall().improve)(broken, actor, (), jax.random.key(0))
    assert info["line_search_failed"] == 1 and same(moved, actor)


@pytest.mark.slow
def test_the_fisher_information_of_a_sample_serves_as_well():
    actor, aim = objective(3, "masked", sequences=64)
    steps = [jax.jit(partial(KlBall(fisher_samples=n).improve, aim, actor, ()))(jax.random.key(0)) for n in (0, 16, 64)]
    for moved, _, info in steps:
        assert info["line_search_failed"] == 0 and aim.kl(moved) <= 0.005
    assert same(steps[0][0], steps[2][0]) and not same(steps[0][0], steps[1][0])


@pytest.mark.parametrize("minibatches", always(3, of=(1, 3)))
def test_first_order_ascent_is_that_of_an_explicit_loop(minibatches):
    actor, aim = objective(4, "recurrent", drift=ClipDrift(0.2))
    whole = Unconstrained(learning_rate=0.01, epochs=2, minibatches=minibatches, entropy=0.1, max_gradient_norm=0.5)
    key = jax.random.key(5)
    found, _, info = jax.jit(whole.improve)(aim, actor, whole.init(actor), key)

    optimiser = optax.chain(optax.clip_by_global_norm(0.5), optax.adam(0.01, eps=1e-5))

    @jax.jit
    def step(actor, state, part):
        def loss(actor):
            terms = part(actor)
            return -(terms.gain + 0.1 * terms.entropy)

        gradient = jax.grad(loss)(actor)
        updates, state = optimiser.update(gradient, state, actor)
        return optax.apply_updates(actor, updates), state, optax.global_norm(gradient)

    expected, state, norms = actor, optimiser.init(actor), []
    for epoch in jax.random.split(key, 2):
        order = np.asarray(jax.random.permutation(epoch, aim.size)) if minibatches > 1 else np.arange(aim.size)
        assert sorted(order) == list(range(24))
        norms = []
        for part in order.reshape(minibatches, -1):
            expected, state, norm = step(expected, state, aim.take(jnp.asarray(part)))
            norms.append(float(norm))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(info["gradient_norm"], np.mean(norms), rtol=1e-3)
    gain = jax.jit(lambda actor: aim(actor).gain)
    assert gain(found) > gain(actor)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: KlBall(radius=0.0), "--radius must be above 0"),
        (lambda: KlBall(shrink=1.0), "--shrink must lie between 0 and 1"),
        (lambda: KlBall(accept=1.5), r"--accept must lie in \[0, 1\]"),
        (lambda: KlBall(tries=0), "--tries must be at least 1"),
        (lambda: KlBall(iterations=0), "--iterations must be at least 1"),
        (lambda: KlBall(damping=-1.0), "--damping must not be negative"),
        (lambda: Unconstrained(epochs=0), "--epochs must be at least 1"),
        (lambda: Unconstrained(minibatches=0), "--minibatches must be at least 1"),
        (lambda: Unconstrained(learning_rate=-1.0), "--learning-rate must not be negative"),
    ],
)
def test_settings_under_which_nothing_sensible_happens_are_refused(make, said):
    with pytest.raises(RequestError, match=said):
        make()


def test_the_ball_measures_how_far_the_new_policy_is_as_seen_from_the_old_one():
    """KL(π‖π̄), not KL(π̄‖π): the two differ by more than rounding, a step away."""
    policy, aim = objective(3, "discrete")
    new = at_random_from(policy, 4, 0.5)
    old_one, new_one = (aim.experience.policy(actor) for actor in (policy, new))
    there, back = float(old_one.kl(new_one).mean()), float(new_one.kl(old_one).mean())
    assert float(aim.kl(new)) == pytest.approx(there, rel=1e-4) and abs(there - back) > 1e-2 * there
