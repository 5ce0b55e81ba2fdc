"""Critics: whose reward, seen from where, and how they are fitted."""

from dataclasses import dataclass, replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from games import MaskedRecurrent, Pot
from hamlet import algorithms
from hamlet.errors import RequestError
from hamlet.estimation.critic import Estimate, StateValue, Targets, _at_chunks
from hamlet.estimation.fitting import adam, begin, passes, value_scale
from hamlet.learners import policy
from hamlet.networks.heads import Value
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Roster
from hamlet.spaces import Box
from offpolicy import ON_POLICY
from pieces import masked_play, trajectory


def constant(value):
    """A network whose value is the same everywhere."""
    network = Value.create(jax.random.key(0), Box(-1.0, 1.0, (2,)), NetworkConfig(hidden=()))
    return eqx.tree_at(lambda n: (n.head.weight, n.head.bias), network, (jnp.zeros((1, 2)), jnp.full(1, value)))


@pytest.mark.parametrize(
    ("settings", "alive", "expected"),
    [
        ({"clip": 0.2, "huber": 1.0}, None, (2.3 + 0.125 + 1.3) / 3),
        ({"clip": 0.2, "huber": 1.0}, [True, True, False], (2.3 + 0.125) / 2),
        ({"clip": 0.2, "huber": 0.0}, None, (0.5 * 2.8**2 + 0.125 + 0.5 * 1.8**2) / 3),
        ({"clip": 0.0, "huber": 1.0}, None, (1.5 + 0.125 + 0.5) / 3),
        ({"clip": 0.0, "huber": 10.0}, None, (2.0 + 0.125 + 0.5) / 3),
    ],
)
def test_the_loss_is_the_worse_of_the_plain_and_the_clipped_one(settings, alive, expected):
    # Everywhere 1, where it was 0, 1 and 2 before, and 3, 1.5 and 0 are to be foretold.
    column = lambda *x: jnp.array(x)[:, None]  # noqa: E731
    part = Targets(
        inputs=jnp.ones((3, 1, 2)),
        start=jnp.zeros((3, 1), bool),
        memory=None,
        before=column(0.0, 1.0, 2.0),
        target=column(3.0, 1.5, 0.0),
        alive=None if alive is None else column(*alive),
    )
    np.testing.assert_allclose(StateValue(**settings).loss(constant(1.0), part), expected, rtol=1e-5)


def test_the_scale_of_values_is_that_of_the_returns_of_the_living():
    column = lambda *x: jnp.array(x)[:, None]  # noqa: E731
    rows = {
        "inputs": jnp.ones((3, 1, 2)),
        "start": jnp.zeros((3, 1), bool),
        "memory": None,
        "before": column(0.0, 0, 0),
    }
    data = Targets(**rows, target=column(3.0, 5.0, 1e6), alive=column(True, True, False))
    critic, network = StateValue(learning_rate=0.0, epochs=1), constant(1.0)
    state = (network, begin(adam(0.0, 10.0), network), value_scale())
    _, _, moments, info = critic._fit_one(*state, data, jax.random.key(0), factor=None)
    np.testing.assert_allclose([moments.mean[0], moments.std[0], info["return_deviation"]], [4.0, 1.0, 1.0], rtol=1e-4)


@pytest.mark.parametrize(
    ("sees", "credits", "sharing", "networks", "streams"),
    [
        ("state", "team", "none", [1], 1),
        ("state", "own", "none", [3], 3),
        ("observation", "team", "none", [2, 1], 3),
        ("observation", "own", "none", [2, 1], 3),
        ("observation", "own", "group", [1, 1], 3),
        ("state", "team", "group", [1], 1),
    ],
)
def test_what_is_seen_and_credited_gives_the_networks_and_streams(sees, credits, sharing, networks, streams):
    at, env = masked_play(), MaskedRecurrent()
    critic, body = StateValue(sees=sees, credits=credits), NetworkConfig(hidden=(4,), memory=3)
    roster = critic.roster(Roster(env.groups, sharing), env.state_shape)

    def shapes():
        state = critic.create(jax.random.key(0), roster, body)
        return state, critic.estimate(state, roster, at.played, critic.blank(roster, body, 4))

    state, estimate = jax.eval_shape(shapes)
    assert [network.head.bias.shape[0] for network in state.networks] == networks
    for values in (estimate.value, estimate.next_value, estimate.scaled):
        assert values.shape == (4, 5, 4, streams)
    reward = critic.paid(at.played, streams)
    own = np.asarray(at.played.reward)
    expected = own if credits == "own" else np.repeat(own.sum(-1, keepdims=True), streams, -1)
    np.testing.assert_allclose(reward, expected, rtol=1e-6)


@pytest.mark.parametrize("sees", ["state", "observation"])
def test_the_estimate_of_a_recurrent_critic_is_that_of_a_step_by_step_unroll_with_resets(sees):
    at = masked_play()
    critic, body = StateValue(sees=sees, credits="own", normalise=False), NetworkConfig(hidden=(8,), memory=6)
    roster = critic.roster(at.roster, at.env.state_shape)

    @jax.jit
    def both():
        state = critic.create(jax.random.key(3), roster, body)
        rows = jax.tree.map(lambda m: 0.5 + m, critic.blank(roster, body, 4))
        found = critic.estimate(state, roster, at.played, rows)
        stream, results = 0, []
        for g, group in enumerate(roster.groups):
            for slot in range(len(group.names)):
                network = jax.tree.map(lambda leaf, slot=slot: leaf[slot], state.networks[g])
                seen, arrived = (
                    view.observation[g][..., slot, :] if sees == "observation" else view.state
                    for view in (at.played.view, at.played.arrival)
                )
                results.append(unroll(network, seen, arrived, rows[g][slot], at.played.start))
                stream += 1
        return found, jnp.stack([value for value, _ in results], -1), jnp.stack([after for _, after in results], -1)

    def unroll(network, seen, arrived, memory, start):
        flat = lambda x: x.reshape(20, 4, *x.shape[3:])  # noqa: E731
        never = jnp.zeros((4, 1), bool)

        def step(memory, now):
            seen, arrived, start = now
            memory = jnp.where(start[:, None], 0.0, memory)
            value, after = network(seen[:, None], memory, never)
            following, _ = network(arrived[:, None], after[:, 0], never)
            return after[:, 0], (value[:, 0], following[:, 0])

        return jax.lax.scan(step, memory, (flat(seen), flat(arrived), flat(start)))[1]

    found, value, following = both()
    assert at.played.start.any() and not at.played.start[0, 0].all()
    np.testing.assert_allclose(found.value.reshape(20, 4, 3), value, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.next_value.reshape(20, 4, 3), following, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ON_POLICY)
def test_every_on_policy_algorithm_hands_its_critic_the_clip(name):
    make = algorithms.ALGORITHMS[name]
    # COMA as published has none.
    assert (make().critic.clip, make(critic_clip=0.05).critic.clip) == (0.0 if name == "coma" else 0.2, 0.05)
    with pytest.raises(RequestError, match="--critic-clip must not be negative"):
        make(critic_clip=-0.1)


def test_values_before_and_after_a_step_are_in_units_of_reward():
    """What is arrived at is what is seen next, and so are their values the same, wherever no episode ended."""
    at, env = masked_play(), MaskedRecurrent()
    critic, body = StateValue(), NetworkConfig(hidden=(4,))
    roster = critic.roster(Roster(env.groups), env.state_shape)
    state = critic.create(jax.random.key(0), roster, body)
    known = jax.vmap(lambda scale: scale.update(jnp.array([97.0, 103.0])))(state.moments[0])
    state = eqx.tree_at(lambda s: s.moments, state, (known,))
    ask = jax.jit(lambda state: critic.estimate(state, roster, at.played, critic.blank(roster, body, 4)))
    found = ask(state)
    scaled, value, after = (np.asarray(x).reshape(20, 4) for x in (found.scaled, found.value, found.next_value))
    np.testing.assert_allclose(value, 100.0 + 3.0 * scaled, rtol=1e-5)
    going = ~np.asarray(at.played.terminated | at.played.truncated).reshape(20, 4)[:-1]
    np.testing.assert_allclose(after[:-1][going], value[1:][going], rtol=1e-5)
    assert going.any() and np.abs(scaled).max() < 50.0


class Rows(eqx.Module):
    """A batch of numbered rows."""

    number: jax.Array

    @property
    def size(self):
        return len(self.number)

    def take(self, index):
        return Rows(self.number[index])


def test_every_pass_over_minibatches_takes_each_row_once_in_an_order_of_its_own():
    def step(at, part):
        seen, count = at
        return (seen.at[count].set(part.number), count + 1), {}

    start = (jnp.zeros((8, 3), jnp.int32), jnp.int32(0))
    (seen, _), _ = passes(step, start, Rows(jnp.arange(12)), epochs=2, minibatches=4, key=jax.random.key(0))
    orders = np.asarray(seen).reshape(2, 12)
    assert [sorted(order) for order in orders.tolist()] == [list(range(12))] * 2
    assert len({tuple(range(12)), *map(tuple, orders.tolist())}) == 3


def test_the_memory_before_a_chunk_is_that_after_the_chunk_before_it():
    chunks, length, copies = 3, 2, 2
    before = jnp.array([[[-1.0], [-2.0]]])
    after = jnp.arange(12.0).reshape(1, copies, chunks * length, 1)  # copy 0: 0 to 5; copy 1: 6 to 11
    found = _at_chunks(before, after, (chunks, length, copies))
    assert found[0, :, 0].tolist() == [-1.0, 1.0, 3.0, -2.0, 7.0, 9.0]


@dataclass(frozen=True, kw_only=True)
class Numbered(StateValue):
    """Its memory after a step is the number of the step; it is never fitted."""

    def estimate(self, state, roster, trajectory, *_):
        nothing = jnp.zeros((*trajectory.start.shape, 1))
        chunks, length, copies = trajectory.start.shape
        steps = jnp.broadcast_to(
            jnp.arange(chunks * length, dtype=jnp.float32)[:, None], (1, copies, chunks * length, 1)
        )
        return Estimate(nothing, nothing, nothing, (steps,))

    def fit(self, state, *_):
        return state, {}


class Still:
    """Nobody moves."""

    def sweep(self, visit, team, carry, units, key):
        return team, {}


def test_a_critic_goes_on_from_its_memory_after_the_last_step_of_a_rollout():
    env, algorithm = Pot(), replace(algorithms.happo(num_envs=4), critic=Numbered(), scheme=Still())
    roster, (played, _) = Roster(env.groups), trajectory(0, env.groups, env.state_shape)
    learner = jax.eval_shape(lambda: policy.init(algorithm, roster, env.state_shape, jax.random.key(0)))
    after, *_ = policy.step(algorithm, roster, env.state_shape, learner, played, jax.random.key(1))
    np.testing.assert_array_equal(after.memory[0], np.full((1, 4, 1), 7.0))
