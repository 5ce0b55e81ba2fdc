"""Learning from replayed steps: with one agent it is the single-agent algorithm, written out here by hand."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from hamlet import algorithms, envs
from hamlet.backends.iteration import roster_of
from hamlet.backends.jax_backend import begin_training, iterate
from hamlet.buffers import replay as ring
from hamlet.errors import RequestError
from hamlet.learners import replay as learner_of
from hamlet.networks.actors import Deterministic, Squashed
from hamlet.networks.torso import NetworkConfig
from hamlet.spaces import Box
from hamlet.training.check import check
from pieces import always, same

SMALL = {
    "hidden": (16, 16),
    "num_envs": 4,
    "rollout_length": 10,
    "updates_per_rollout": 2,
    "batch_size": 32,
    "buffer_size": 80,
    "warmup": 0,
    "polyak": 0.1,
}
ALONE = envs.make("mpe/simple_spread", continuous=True, agents=1)
GAMMA = 0.9


def begun(name, env=ALONE, **changes):
    algorithm = algorithms.make(name, **(SMALL | {"discount": GAMMA} | changes))
    training = begin_training(algorithm, env, 3)
    played = jax.jit(lambda training: iterate(algorithm, env, training)[0])(training)
    return algorithm, roster_of(algorithm, env), played


def updated(algorithm, roster, training, key, updates):
    """The learner after so many updates from what the ring holds, and the samples that they drew."""

    @jax.jit
    def one(learner, key):
        back, sample_key = algorithm.advantage, jax.random.split(key, 3)[0]
        held, count = training.replay, algorithm.sampling.samples
        sample = ring.sample(held, count, sample_key, discount=back.discount, window=back.steps)
        return learner_of._update(algorithm, roster, held, learner, key, remaining=1.0)[0], sample

    learner, samples = training.learner, []
    for number in range(updates):
        learner, sample = one(learner, jax.random.fold_in(key, number))
        samples.append(sample)
    return learner, samples


def take(stack):
    """The only agent's network."""
    return jax.tree.map(lambda leaf: leaf[0], stack[0])


def forward(network, x):
    """A network of plain layers by hand."""
    for layer in network.torso.layers:
        x = jnp.maximum(x @ layer.weight.T + layer.bias[None], 0.0)
    return x @ network.head.weight.T + network.head.bias[None]


def mu(actor, seen):
    """Actions of spread are between 0 and 1."""
    return 0.5 + 0.5 * jnp.tanh(forward(actor, seen))


def q(network, state, action):
    return forward(network, jnp.concatenate([state, 2 * action - 1], 1))[:, 0]


def fit(state, action, y, network):
    return jnp.mean((q(network, state, action) - y) ** 2)


def climb(critic, state, seen, actor):
    return -q(critic, state, mu(actor, seen)).mean()


def adam_step(loss, network, state, rate):
    gradient = eqx.filter_jit(jax.grad(loss))(network)
    update, state = optax.adam(rate, eps=1e-8).update(gradient, state)
    return optax.apply_updates(network, update), state


def polyak(old, new):
    return jax.tree.map(lambda a, b: 0.9 * a + 0.1 * b, old, new)


def close(found, expected):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-6)


def test_no_key_is_drawn_from_twice_in_an_update_or_in_two():
    """Noise for what follows, for the climb and for the others' actions: each of a key of its own, in every group."""
    env = envs.make("mpe/simple_speaker_listener")
    algorithm = algorithms.make("hasac", **SMALL | {"hidden": (4,)}, discount=GAMMA)
    algorithm = dataclasses.replace(algorithm, surrogate=dataclasses.replace(algorithm.surrogate, others="policy"))
    roster, outline = roster_of(algorithm, env), jax.eval_shape(lambda: begin_training(algorithm, env, 0))
    drawn, noise = [], learner_of.noise

    def recorded(space, key, *lead):
        drawn.append(jax.random.key_data(key))
        return noise(space, key, *lead)

    def keys(key):
        drawn.clear()
        blank = (outline.learner, outline.replay)
        learner, held = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), blank)
        learner_of._update(algorithm, roster, held, learner, key, remaining=1.0)
        parts = jax.random.split(key, 3)
        parents = jnp.concatenate([key[None], parts, jax.random.split(parts[2], 3)])
        return jnp.concatenate([jnp.stack(drawn), jax.random.key_data(parents)])

    learner_of.noise = recorded
    try:
        found = np.concatenate([jax.jit(keys)(jax.random.key(number)) for number in range(2)])
    finally:
        learner_of.noise = noise
    # For each of two groups: two draws ahead and two for its share of the climb, and one anew for the others' actions.
    assert len(drawn) == 2 * 5
    assert len(np.unique(found, axis=0)) == len(found) == 2 * (10 + 7)


def test_what_follows_is_chosen_and_judged_by_the_networks_that_follow_slowly():
    env = envs.make("mpe/simple_speaker_listener")
    algorithm = algorithms.make("hatd3", hidden=(8,))
    roster, view = roster_of(algorithm, env), jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 8))[1]
    acted = tuple(jnp.full((8, len(group.names), *group.action.shape), 0.5) for group in roster.groups)
    sample = ring.Sample(view, acted, jnp.zeros((8, 2)), jnp.full(8, 0.9), view)
    learner = jax.jit(lambda: learner_of.init(algorithm, roster, env.state_shape, jax.random.key(1)))()
    followed = jax.jit(
        lambda learner: learner_of.target(algorithm.surrogate, roster, learner, sample, jax.random.key(2))
    )

    def moved(part):
        return followed(eqx.tree_at(part, learner, jax.tree.map(lambda leaf: leaf + 0.1, part(learner))))

    for live, slow in (
        (lambda held: held.team.actors, lambda held: held.targets),
        (lambda held: held.critic.networks, lambda held: held.critic.targets),
    ):
        assert same(moved(live), followed(learner)) and not same(moved(slow), followed(learner))


def test_what_is_climbed_by_and_what_follows_are_drawn_apart():
    env = envs.make("mpe/simple_speaker_listener")
    roster, key = roster_of(algorithms.make("hasac"), env), jax.random.key(3)
    view = jax.vmap(env.reset)(jax.random.split(jax.random.key(0), 50))[1]
    share = learner_of.share(roster, 0, view, jnp.zeros(1), key)
    first, second = jax.random.split(key)
    shape = share.noise.shape[:-1]
    np.testing.assert_array_equal(share.noise, learner_of.noise(share.space, first, *shape))
    np.testing.assert_array_equal(share.fresh, learner_of.noise(share.space, second, *shape))


@pytest.mark.slow
@pytest.mark.parametrize("name", always("hatd3", of=("haddpg", "hatd3")))
def test_with_one_agent_haddpg_is_ddpg_and_hatd3_is_td3(name):
    twin = name == "hatd3"
    rate = (0.05, 0.01)  # so large that targets are not what they follow
    algorithm, roster, training = begun(name, learning_rate=rate[0], critic_learning_rate=rate[1])
    key = jax.random.key(5)
    after, samples = updated(algorithm, roster, training, key, 2)
    learner = training.learner
    actor, target = take(learner.team.actors), take(learner.targets)
    critics, slow = list(learner.critic.networks), list(learner.critic.targets)
    opt = optax.adam(1.0, eps=1e-8).init
    # The run made two updates before: its moments are taken over.
    state_actor = jax.tree.map(lambda leaf: leaf[0], learner.team.states[0])[1]
    states = [s[1] for s in learner.critic.optimisers]
    assert jax.tree.structure(opt(actor)) == jax.tree.structure(state_actor)
    for number, sample in enumerate(samples):
        critic_key = jax.random.split(jax.random.fold_in(key, number), 3)[1]
        seen, state, action = sample.view.observation[0][:, 0], sample.view.state, sample.action[0][:, 0]
        then = mu(target, sample.arrival.observation[0][:, 0])
        if twin:
            heat = jnp.zeros(1)
            noise = learner_of.share(roster, 0, sample.arrival, heat, jax.random.fold_in(critic_key, 0)).noise[0, 0]
            then = jnp.clip(then + 0.5 * jnp.clip(0.2 * noise, -0.5, 0.5), 0.0, 1.0)
        worth = jnp.stack([q(net, sample.arrival.state, then) for net in slow]).min(0)
        y = sample.reward.sum(-1) + sample.discount * worth
        for k, net in enumerate(critics):
            critics[k], states[k] = adam_step(partial(fit, state, action, y), net, states[k], rate[1])
        if not twin or number == 1:
            actor, state_actor = adam_step(partial(climb, critics[0], state, seen), actor, state_actor, rate[0])
            target, slow = polyak(target, actor), [polyak(*pair) for pair in zip(slow, critics, strict=True)]
    close(take(after.team.actors), actor)
    close(take(after.targets), target)
    close(after.critic.networks, tuple(critics))
    close(after.critic.targets, tuple(slow))
    assert not same(after.team.actors, training.learner.team.actors)


@pytest.mark.slow
def test_with_one_agent_hasac_is_sac():
    algorithm, roster, training = begun("hasac")
    key = jax.random.key(5)
    after, (sample,) = updated(algorithm, roster, training, key, 1)
    learner = training.learner
    actor, critics, slow = take(learner.team.actors), list(learner.critic.networks), learner.critic.targets
    alpha = jnp.exp(learner.temperature.log[0])

    def drawn(actor, seen, noise):
        mean, log_scale = jnp.split(forward(actor, seen), 2, 1)
        scale = jnp.exp(jnp.clip(log_scale, -20, 2))
        u = mean + scale * noise
        normal = -0.5 * noise**2 - 0.5 * jnp.log(2 * jnp.pi) - jnp.log(scale)
        # a = ½ + ½ tanh u, so da/du = ½ (1 − tanh² u).
        return 0.5 + 0.5 * jnp.tanh(u), (normal - jnp.log(0.5 * (1 - jnp.tanh(u) ** 2))).sum(1)

    _, critic_key, actor_key = jax.random.split(jax.random.fold_in(key, 0), 3)
    heat = jnp.zeros(1)
    ahead = learner_of.share(roster, 0, sample.arrival, heat, jax.random.fold_in(critic_key, 0)).noise[0, 0]
    then, log_prob = drawn(actor, sample.arrival.observation[0][:, 0], ahead)
    worth = jnp.stack([q(net, sample.arrival.state, then) for net in slow]).min(0) - alpha * log_prob
    y = sample.reward.sum(-1) + sample.discount * worth
    state, action = sample.view.state, sample.action[0][:, 0]
    for k, net in enumerate(critics):
        critics[k], _ = adam_step(partial(fit, state, action, y), net, learner.critic.optimisers[k][1], 5e-4)
    share_key = jax.random.fold_in(jax.random.split(actor_key, 3)[0], 0)
    noise = learner_of.share(roster, 0, sample.view, heat, share_key).noise[0, 0]
    seen = sample.view.observation[0][:, 0]

    def loss(actor):
        action, log_prob = drawn(actor, seen, noise)
        return -(jnp.minimum(q(critics[0], state, action), q(critics[1], state, action)) - alpha * log_prob).mean()

    entropy = -drawn(actor, seen, noise)[1].mean()
    moments = jax.tree.map(lambda leaf: leaf[0], learner.team.states[0])[1]
    actor, _ = adam_step(loss, actor, moments, 5e-4)
    close(take(after.team.actors), actor)
    close(after.critic.networks, tuple(critics))
    close(after.critic.targets, tuple(polyak(*pair) for pair in zip(slow, critics, strict=True)))
    # α rises where there is less entropy than −1 for each of the 5 entries, in units of ½.
    wanted = 5 * (np.log(0.5) - 1)
    assert (after.temperature.log[0] > learner.temperature.log[0]) == (entropy < wanted)


def test_the_first_to_move_moves_as_everyone_does_at_once_and_the_others_do_not():
    env = envs.make("mpe/simple_spread", continuous=True, agents=3)
    one, roster, training = begun("haddpg", env, order="fixed", learning_rate=0.1)
    other = algorithms.make("maddpg", **(SMALL | {"discount": GAMMA, "learning_rate": 0.1}))
    key = jax.random.key(1)
    first, _ = updated(one, roster, training, key, 1)
    second, _ = updated(other, roster, training, key, 1)
    agents = [jax.tree.map(lambda leaf, k=k: leaf[k], (first.team.actors, second.team.actors)) for k in range(3)]
    close(*agents[0])
    assert not same(*agents[1]) and not same(*agents[2])
    assert same(first.critic.networks, second.critic.networks)


@pytest.mark.slow
def test_nothing_is_learnt_while_warming_up_and_every_action_is_drawn_evenly():
    algorithm, _, training = begun("hatd3", warmup=80)
    env, step = ALONE, jax.jit(lambda training: iterate(algorithm, ALONE, training))
    start = begin_training(algorithm, env, 3)
    assert same(start.learner.team, training.learner.team) and int(training.learner.updates) == 0
    again, info = step(training)
    assert same(again.learner.critic, start.learner.critic) and float(info["critic/loss"][0]) == 0.0
    actions = np.asarray(again.replay.steps.action[0]).ravel()
    assert actions.min() >= 0 and actions.max() <= 1
    # Of an even draw between 0 and 1, a quarter lies in each quarter.
    np.testing.assert_allclose(np.histogram(actions, 4, (0, 1))[0] / actions.size, 0.25, atol=0.08)
    third, _ = step(again)
    assert int(third.learner.updates) == 2 and not same(third.learner.critic.networks, start.learner.critic.networks)


def test_parts_that_do_not_go_together_are_refused_by_name():
    mixed = dataclasses.replace(algorithms.make("hatd3"), critic=algorithms.make("happo").critic)
    with pytest.raises(RequestError, match="not ReplaySampling, NStep, StateValue, Pathwise"):
        begin_training(mixed, ALONE, 0)
    mixed = dataclasses.replace(algorithms.make("happo"), critic=algorithms.make("hatd3").critic)
    with pytest.raises(RequestError, match="Gae needs the critic StateValue, not ActionValue"):
        begin_training(mixed, ALONE, 0)


def test_a_neighbourhood_that_cannot_climb_a_replayed_batch_is_refused():
    own = algorithms.make("hatd3").neighbourhood
    for move in (dataclasses.replace(own, minibatches=2), algorithms.make("hatrpo").neighbourhood):
        with pytest.raises(RequestError, match="use Unconstrained with minibatches=1"):
            begin_training(dataclasses.replace(algorithms.make("hatd3"), neighbourhood=move), ALONE, 0)


def test_a_buffer_smaller_than_a_batch_is_refused():
    with pytest.raises(RequestError, match="--buffer-size 500 is smaller than a batch of 1000"):
        algorithms.make("hasac", buffer_size=500)


def test_a_policy_through_tanh_is_refused_where_an_action_has_no_bounds():
    free = Box(-float("inf"), float("inf"), (2,))
    for kind in (Deterministic(), Squashed()):
        with pytest.raises(
            RequestError, match=r"needs a Box with a lower and an upper bound for every entry.*or use happo"
        ):
            kind.create(jax.random.key(0), Box(-1.0, 1.0, (3,)), free, NetworkConfig(plain=True))


def test_an_algorithm_that_cannot_act_by_choices_is_refused_with_those_that_can():
    spread = envs.make("mpe/simple_spread", continuous=False)
    with pytest.raises(
        RequestError, match=r"Discrete space, but the algorithm supports Box only: use happo.*hasac, had3qn"
    ):
        check(algorithms.make("hatd3"), spread, steps=1000)
    with pytest.raises(
        RequestError, match=r"Box space, but the algorithm supports Discrete only: choose.*use happo.*hatd3"
    ):
        check(algorithms.make("had3qn"), ALONE, steps=1000)
