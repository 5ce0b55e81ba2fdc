"""Updates from replayed steps: when they begin, by which keys, how often actors move, and which way α does."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.backends.iteration import Training, keys
from hamlet.backends.jax_backend import begin_training, iterate, roster_of
from hamlet.buffers import replay as ring
from hamlet.learners.replay import parts, target
from hamlet.learners.updating import repeated
from hostgames import Ride
from offpolicy import BATCH, remembering
from pieces import same


def trained(algorithm, iterations, env=None):
    """The states of a run, before its first iteration and after each."""
    env = env or Ride()
    step = jax.jit(lambda training: iterate(algorithm, env, training)[0])
    states = [jax.jit(lambda: begin_training(algorithm, env, 0))()]
    for _ in range(iterations):
        states.append(step(states[-1]))
    return states


def test_no_iteration_has_the_keys_of_another_and_play_and_update_have_unlike_ones():
    def bits(iteration):
        training = Training(None, None, jnp.int32(iteration), jax.random.key(3))
        return [tuple(np.asarray(jax.random.key_data(key)).tolist()) for key in keys(training)]

    drawn = [key for iteration in range(4) for key in bits(iteration)]
    assert len(set(drawn)) == 8 and bits(2) == drawn[4:6]


def test_every_update_of_a_round_draws_by_a_key_of_its_own():
    def update(drawn, key):
        number = jax.random.uniform(key)
        return drawn.at[jnp.argmin(drawn)].set(number), ({"number": number}, {})

    blank = jnp.full(8, -1.0, jnp.float32)
    drawn, (actors, _) = jax.jit(partial(repeated, update))(blank, jnp.int32(5), jax.random.key(0))
    taken = np.sort(np.asarray(drawn))[3:]
    assert len(set(taken.tolist())) == 5 and float(actors["number"]) == pytest.approx(taken.sum(), rel=1e-5)


@pytest.fixture(scope="module")
def delayed():
    """HATD3 with one update an iteration, its actors moved by every second, after two iterations of random play."""
    return trained(remembering("hatd3", policy_delay=2, updates_per_rollout=1, warmup=2 * BATCH), 5)


def test_nothing_is_learnt_while_the_warm_up_lasts_and_then_at_once(delayed):
    updates = [int(training.learner.updates) for training in delayed]
    assert updates == [0, 0, 0, 1, 2, 3]
    networks = [training.learner.critic.networks for training in delayed]
    assert same(networks[0], networks[2]) and not same(networks[2], networks[3])


def test_actors_and_targets_move_at_every_second_update_of_the_critic_and_not_at_the_first(delayed):
    for part in (lambda learner: learner.team.actors, lambda learner: learner.targets):
        held = [part(training.learner) for training in delayed]
        assert same(held[2], held[3]) and not same(held[3], held[4]) and same(held[4], held[5])


def test_alpha_falls_while_policies_have_more_entropy_than_is_wanted():
    """Of a Box −1 an entry is wanted, and a policy that has seen nothing has more."""
    algorithm = remembering("hasac", temperature=0.5, warmup=0)
    before, after = (training.learner.temperature.value for training in trained(algorithm, 1))
    assert (after < before).all() and before == pytest.approx(0.5)


def test_what_certainty_costs_is_counted_for_the_units_of_all_groups():
    algorithm = remembering("hasac", warmup=0)
    env = Ride()
    training = trained(algorithm, 1, env)[-1]
    roster, surrogate = roster_of(algorithm, env), parts(algorithm).surrogate
    sample = ring.sample(training.replay, 16, jax.random.key(1), discount=0.9, window=1)

    @jax.jit
    def aims(heat):
        logs = jnp.log(jnp.maximum(heat, 1e-30))
        learner = eqx.tree_at(lambda tree: tree.temperature.log, training.learner, logs)
        return target(surrogate, roster, learner, sample, jax.random.key(2))

    bare, first, second, both = (aims(jnp.array(heat)) for heat in ([0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]))
    assert (first != bare).all() and (second != bare).all()
    np.testing.assert_allclose(both - bare, (first - bare) + (second - bare), atol=1e-4)
