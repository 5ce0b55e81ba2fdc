"""Memory, masks, death and both ends of an episode together: unlike agents of the masked recurrent game."""

import dataclasses
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet.algorithms import happo, hatrpo, ippo
from hamlet.estimation.trajectory import sequences
from hamlet.haml.drift import ClipDrift
from hamlet.haml.surrogate import ImportanceWeights
from hamlet.haml.template import create, experience, prepare, update
from hamlet.networks.heads import parameter_count
from hamlet.networks.joint import act, draw
from pieces import masked_play, moved, same

T, E = 20, 4


@pytest.fixture(scope="module")
def at():
    return masked_play()


def flat(x):
    """Chunks joined: ``[T, E, …]``."""
    return np.asarray(x).reshape(T, E, *x.shape[3:])


def test_a_rollout_is_stored_in_chunks_group_by_group_without_padding(at):
    played = at.played
    assert [x.shape for x in played.view.observation] == [(4, 5, E, 2, 6), (4, 5, E, 1, 5)]
    assert [x.shape for x in played.action] == [(4, 5, E, 2), (4, 5, E, 1, 2)]
    assert [x.shape for x in played.memory] == [(4, E, 2, 8), (4, E, 1, 8)]
    assert played.view.available[0].shape == (4, 5, E, 2, 3) and played.view.available[1] is None
    assert played.reward.shape == played.view.alive.shape == (4, 5, E, 3)
    assert played.view.state.shape == played.arrival.state.shape == (4, 5, E, 11)


def test_the_game_shows_all_that_is_to_be_tested(at):
    played = at.played
    assert played.terminated.any() and played.truncated.any() and not (played.terminated & played.truncated).any()
    alive = np.asarray(played.view.alive)
    assert alive[..., 0].all() and alive[..., 2].all() and 0.2 < alive[..., 1].mean() < 0.8
    assert not np.asarray(played.view.available[0]).all()
    assert float(at.episodes.count) == (flat(played.terminated) | flat(played.truncated)).sum()


def test_the_next_step_of_a_copy_begins_where_the_last_one_arrived_or_anew(at):
    ended = flat(at.played.terminated) | flat(at.played.truncated)
    np.testing.assert_array_equal(flat(at.played.start)[1:], ended[:-1])
    now, before = flat(at.played.view.state)[1:], flat(at.played.arrival.state)[:-1]
    np.testing.assert_array_equal(now[~ended[:-1]], before[~ended[:-1]])
    # The clock of a final view stands at the end, that of the view after it at the start.
    assert (before[ended[:-1]][:, 9] >= 4 / 6 - 1e-6).all() and (now[ended[:-1]][:, 9] == 0).all()


def test_rewards_are_kept_apart_and_a_dead_agent_earns_nothing(at):
    reward, alive = flat(at.played.reward), flat(at.played.view.alive)
    assert (reward[~alive] == 0).all() and reward[..., 1][alive[..., 1]].any()
    assert set(np.unique(reward[..., :2])) == {0.0, 1.0} and (reward[..., 2] < 0).all()


def test_unavailable_actions_are_never_taken(at):
    taken = np.take_along_axis(np.asarray(at.played.view.available[0]), np.asarray(at.played.action[0])[..., None], -1)
    assert taken.all()


def test_one_step_at_a_time_the_policy_takes_the_actions_of_the_rollout_with_the_memory_stored(at):
    noises = jax.tree.map(lambda x: x.reshape(T, *x.shape[2:]), draw(at.roster, jax.random.split(at.key)[0], 4, 5, E))
    view = jax.tree.map(lambda x: x.reshape(T, *x.shape[2:]), at.played.view)

    @jax.jit
    def replay(memory):
        def step(memory, now):
            view, start, noise = now
            seen = (view.observation, view.available, start, memory)
            actions, after = act(at.roster, at.actors, *seen, noise, alive=view.alive)
            return after, (actions, memory)

        return jax.lax.scan(step, memory, (view, jnp.asarray(flat(at.played.start)), noises))

    last, (actions, memories) = replay(at.first.memory)
    for g in range(2):
        np.testing.assert_allclose(actions[g], flat(at.played.action[g]), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(memories[g][::5], at.played.memory[g], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(last[g], at.last.memory[g], rtol=1e-5, atol=1e-6)


def log_probs(at, g, share):
    policy = jax.jit(jax.vmap(lambda actor, mine: mine.policy(actor).log_prob(mine.action)))
    return policy(at.actors[g], share)


@pytest.mark.slow
def test_stored_sequences_from_stored_memory_give_the_log_probabilities_of_the_rollout(at):
    """Against a policy that walks through all twenty steps, episode by episode."""
    advantage = jnp.zeros(at.played.reward.shape)

    @jax.jit
    def walk(actor, seen, memory, start, mask, action):
        memory = jnp.where(start[:, None], 0.0, memory)
        policy, after = actor(seen[:, None], memory, jnp.zeros((E, 1), bool), mask)
        return policy.log_prob(action)[:, 0], after[:, 0]

    for g in range(2):
        share = jax.jit(partial(experience, at.roster, g))(at.played, advantage)
        units = len(at.roster.groups[g].names)
        found = np.asarray(log_probs(at, g, share)).reshape(units, E, T)
        for unit in range(units):
            actor = jax.tree.map(lambda leaf, unit=unit: leaf[unit], at.actors[g])
            memory, seen = at.first.memory[g][:, unit], at.played.view.observation[g][..., unit, :]
            masks = None if g else flat(at.played.view.available[0])[:, :, unit]
            for t in range(T):
                mask = None if masks is None else masks[t][:, None]
                action = flat(at.played.action[g])[t, :, unit][:, None]
                expected, memory = walk(actor, flat(seen)[t], memory, flat(at.played.start)[t], mask, action)
                np.testing.assert_allclose(expected, found[unit, :, t], rtol=1e-4, atol=1e-4)


def test_memory_before_an_episode_begins_has_no_part_in_it(at):
    share = jax.jit(partial(experience, at.roster, 0))(at.played, jnp.zeros(at.played.reward.shape))
    fresh = np.asarray(share.start[:, :, 0])
    assert fresh.any() and not fresh.all()
    other = dataclasses.replace(share, memory=share.memory + 1.0)
    one, two = log_probs(at, 0, share), log_probs(at, 0, other)
    assert (one == two)[fresh].all() and (one != two).any(-1)[~fresh].any()


def test_means_count_living_steps_only_and_the_factor_of_the_dead_is_one(at):
    advantage = jax.random.normal(jax.random.key(3), at.played.reward.shape)
    share = jax.tree.map(lambda leaf: leaf[1], experience(at.roster, 0, at.played, advantage))
    alive = np.asarray(share.alive)
    np.testing.assert_array_equal(alive, np.asarray(sequences(at.roster, 0, at.played.view.alive[..., :2]))[1])
    assert (np.asarray(share.advantage)[~alive] == 0).all()
    np.testing.assert_allclose(
        [np.asarray(share.advantage)[alive].mean(), np.asarray(share.advantage)[alive].std()], [0, 1], atol=1e-3
    )

    old = jax.tree.map(lambda leaf: leaf[1], at.actors[0])
    new, surrogate = moved(old, 5, 0.2), ImportanceWeights()
    carry = surrogate.start(*alive.shape)
    aim = surrogate.objective(carry, old, share, ClipDrift(0.2))

    @jax.jit
    def seen(new):
        policy, before = share.policy(new), share.policy(old)
        change = policy.log_prob(share.action) - before.log_prob(share.action)
        return aim(new), jnp.exp(change), policy.entropy(), before.kl(policy), aim.kl(new)

    terms, ratio, entropy, divergence, mean_divergence = jax.tree.map(np.asarray, seen(new))
    credit = np.asarray(share.advantage)
    gain = np.minimum(ratio * credit, np.clip(ratio, 0.8, 1.2) * credit)
    np.testing.assert_allclose(terms.gain, gain[alive].mean(), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(terms.entropy, entropy[alive].mean(), rtol=1e-4)
    np.testing.assert_allclose(mean_divergence, divergence[alive].mean(), rtol=1e-4)
    np.testing.assert_allclose(terms.measures["clip_fraction"], (np.abs(ratio - 1) > 0.2)[alive].mean(), rtol=1e-5)
    onward = np.asarray(surrogate.advance(carry, aim, new))
    assert (onward[~alive] == 1).all() and (onward[alive] != 1).any()


FACTORIES = {
    "happo": partial(happo, epochs=2, minibatches=2, learning_rate=0.01),
    "hatrpo": hatrpo,
    "ippo": partial(ippo, epochs=2, learning_rate=0.01),
}


@pytest.fixture(
    scope="module", params=["happo", *(pytest.param(name, marks=pytest.mark.slow) for name in ("hatrpo", "ippo"))]
)
def program(request, at):
    """One compiled update, and the critic's fit after it."""
    algorithm = FACTORIES[request.param](hidden=(16,), rnn_size=8, sequence_length=5, num_envs=E, rollout_length=T)
    critic, seen_by = algorithm.critic, algorithm.critic.roster(at.roster, at.env.state_shape)

    @jax.jit
    def go(played, advantage):
        team = create(algorithm, at.roster, jax.random.key(0))
        team = type(team)(at.actors, team.states)
        after, info = update(
            algorithm, at.roster, team, *prepare(algorithm, at.roster, played, advantage), jax.random.key(1)
        )
        state = critic.create(jax.random.key(2), seen_by, algorithm.body)
        memory = critic.blank(seen_by, algorithm.body, E)
        estimate = critic.estimate(state, seen_by, played, memory)
        credit, returns = algorithm.advantage(played, estimate, critic)
        fitted, _ = critic.fit(state, seen_by, played, estimate, returns, memory, jax.random.key(3))
        return after, info, fitted, credit

    advantage = jax.random.normal(jax.random.key(4), at.played.reward.shape)
    return algorithm, go, advantage, go(at.played, advantage)


@pytest.mark.slow
def test_every_unit_of_unlike_groups_moves_and_stays_finite(program, at):
    _, _, _, (after, info, fitted, _) = program
    for g in range(2):
        kernels = zip(after.actors[g].head.weight, at.actors[g].head.weight, strict=True)
        assert all((new != old).any() for new, old in kernels)
    assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves((after, info, fitted)))
    assert {value.shape for value in info.values()} == {(3,)}


def test_what_dead_agents_see_do_and_are_credited_changes_no_parameter(program, at):
    algorithm, go, advantage, (after, info, fitted, credit) = program
    alive = at.played.view.alive
    dead = ~alive[..., 1]
    junk = jax.random.normal(jax.random.key(9), at.played.view.observation[0].shape) * 100.0
    spoilt_seen = (
        at.played.view.observation[0]
        .at[..., 1, :]
        .set(jnp.where(dead[..., None], junk[..., 1, :], at.played.view.observation[0][..., 1, :]))
    )
    action = (
        at.played.action[0]
        .at[..., 1]
        .set(jnp.where(dead, (at.played.action[0][..., 1] + 1) % 3, at.played.action[0][..., 1]))
    )
    where = lambda t: (t.view.observation[0], t.action[0])  # noqa: E731
    spoilt = eqx.tree_at(where, at.played, (spoilt_seen, action))
    wrong = advantage.at[..., 1].set(jnp.where(dead, 1e3, advantage[..., 1]))
    assert (spoilt_seen != at.played.view.observation[0]).any() and (wrong != advantage).any()
    moved_after, moved_info, moved_fitted, moved_credit = go(spoilt, wrong)
    assert same(after, moved_after) and same(info, moved_info)
    if algorithm.critic.credits == "own":
        assert same(fitted, moved_fitted) and bool((credit == moved_credit)[alive].all())
    # The same junk in living steps does change parameters.
    lively = advantage.at[..., 1].set(jnp.where(dead, advantage[..., 1], -advantage[..., 1] * 7 + 1.0))
    assert not same(after, go(at.played, lively)[0])


@pytest.mark.slow
def test_junk_of_any_size_in_dead_steps_of_a_continuous_agent_stays_without_effect():
    """A ratio of junk overflows; masked after the fact only, its gradient is not a number."""
    from pieces import actor
    from pieces import experience as made

    policy = actor(0, "continuous")
    data = made(1, "continuous", policy)
    alive = jnp.arange(24)[:, None] % 3 != 0
    action = jnp.where(alive[..., None], data.action, 1e4)
    slope = []
    for spoilt in (data.action, action):
        share = dataclasses.replace(data, alive=alive, action=spoilt)
        aim = ImportanceWeights().objective(ImportanceWeights().start(24, 1), policy, share, ClipDrift(0.2))
        slope.append(jax.jit(jax.grad(lambda a, aim=aim: aim(a).gain))(moved(policy, 3, 0.2)))
    for clean, spoilt in zip(*map(jax.tree.leaves, slope), strict=True):
        np.testing.assert_allclose(clean, spoilt, rtol=1e-5, atol=1e-7)


def test_parameters_are_those_of_every_agent_own_layers_without_padding(at):
    def layer(inputs, outputs):
        return 2 * inputs + inputs * outputs + outputs

    gru = 3 * 8 * 16 + 3 * 8 * 8 + 3 * 8 + 8
    chooser = layer(6, 16) + gru + layer(8, 3)
    mover = layer(5, 16) + gru + layer(8, 2) + 2
    assert parameter_count(at.training.learner.team.actors) == 2 * chooser + mover
    assert parameter_count(at.training.learner.critic.networks) == layer(11, 16) + gru + layer(8, 1)
