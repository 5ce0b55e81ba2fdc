"""Surrogates of replayed states, through the template itself: carry, slots, gradients, and Gauss–Seidel against Jacobi.

A critic that is a quadratic form of the joint action and actors that hold a few numbers stand in for networks; what
improves an actor goes to the exact maximiser of its objective.
"""

from dataclasses import dataclass
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from hamlet import algorithms, replace
from hamlet.buffers.replay import Sample
from hamlet.distributions import Categorical, DiagonalNormal, Noisy, TanhNormal
from hamlet.envs.base import View
from hamlet.errors import RequestError
from hamlet.estimation.action_value import ActionValueState
from hamlet.haml.drift import KlDrift, ZeroDrift
from hamlet.haml.dual import Dual
from hamlet.haml.pathwise import Climb, Joint, Pathwise, Replayed, SoftPathwise
from hamlet.haml.scheme import Sequential, Simultaneous
from hamlet.haml.template import Team, update
from hamlet.learners import replay as learner_of
from hamlet.networks.heads import Value
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete, MultiDiscrete

ONE = Box(-1.0, 1.0, (1,))
STATES = 4
# Simultaneous exact maximisation multiplies the error by -1.8 along (1, 1, 1) here.
NEAR_ONE = np.array([[1.0, 0.9, 0.9], [0.9, 1.0, 0.9], [0.9, 0.9, 1.0]])
SLOPE = np.array([1.0, -0.5, 2.0])


class Quadratic(Value):
    """Q(s, a) = −½ aᵀP a + bᵀa, whatever the state, of which there is one number."""

    curvature: jax.Array
    slope: jax.Array

    def __init__(self, curvature, slope):
        self.torso = self.head = None
        self.curvature, self.slope = jnp.asarray(curvature), jnp.asarray(slope)

    def __call__(self, inputs, memory, start):
        action = inputs[..., 1:]
        bent = jnp.einsum("bli,ij,blj->bl", action, self.curvature, action)
        return jnp.einsum("bli,i->bl", action, self.slope) - 0.5 * bent, None


class Numbers(eqx.Module):
    """A deterministic policy: what is seen, one number, times its own."""

    numbers: jax.Array
    space: Box = eqx.field(static=True)

    def __call__(self, observation, memory, start, available=None):
        return Noisy(observation * self.numbers.reshape(1, 1, -1), 0.0, self.space), None


@dataclass(frozen=True)
class Exactly:
    """Newton's step, which ends in the maximiser of a quadratic function; it tells what it met."""

    def init(self, actor):
        return jnp.zeros(())

    def improve(self, objective, actor, state, key, remaining=1.0):
        flat, back = ravel_pytree(actor)
        gain = lambda numbers: objective(back(numbers)).gain  # noqa: E731
        step = jnp.linalg.solve(jax.hessian(gain)(flat), jax.grad(gain)(flat))
        return back(flat - step), state, {"met": objective.joint.inputs}

    def contains(self, old, new, weight):
        return jnp.ones((), bool)


def roster_of(*actions, sharing="none"):
    """A group for each of (number of agents, action space), each seeing one number."""
    names = lambda g, n: tuple(f"{'abc'[g]}{k}" for k in range(n))  # noqa: E731
    groups = tuple(Group(names(g, n), Box(-9.0, 9.0, (1,)), space) for g, (n, space) in enumerate(actions))
    return Roster(groups, sharing)


def before(roster, actors, critics, *, others="policy", seen=None, alive=None, heat=0.0, available=None):
    """The team, every group's share and the joint action as a learner makes them from a sample, before anyone moves."""
    counts = [len(group.names) for group in roster.groups]
    seen = tuple(jnp.ones((STATES, n, 1)) for n in counts) if seen is None else seen
    masks = tuple(None for _ in counts) if available is None else available
    view = View(seen, jnp.zeros((STATES, 1)), masks, alive)
    draw = lambda group, key: jax.vmap(jax.vmap(group.action.sample))(  # noqa: E731
        jax.random.split(key, (STATES, len(group.names)))
    )
    actions = tuple(draw(group, jax.random.key(g)) for g, group in enumerate(roster.groups))
    rewards = jnp.zeros((STATES, sum(counts)))
    sample = Sample(view, actions, rewards, jnp.zeros(STATES), view)
    keys = jax.random.split(jax.random.key(1), len(counts))
    warmth = [jnp.full(roster.units_in(g), heat) for g in range(len(counts))]
    shares = [learner_of.share(roster, g, view, warmth[g], keys[g]) for g in range(len(counts))]
    stacked = tuple(jax.tree.map(lambda *leaves: jnp.stack(leaves), *each) for each in actors)
    team = Team(stacked, tuple(jnp.zeros(roster.units_in(g)) for g in range(len(counts))))
    judge = ActionValueState(tuple(critics), tuple(critics), (None,) * len(critics))
    learner = learner_of.ReplayLearner(team, judge, None, None, jnp.int32(0), jnp.int32(0))
    joint = learner_of._start(roster, others, learner, shares, sample, jax.random.key(2))
    return team, shares, joint, sample


def one_of(stack, slot):
    return jax.tree.map(lambda leaf: leaf[slot], stack)


def sweeps(scheme, count, start=(0.0, 0.0, 0.0)):
    """The joint action before and after each sweep of exact maximisation of J.4's quadratic game."""
    roster = roster_of((3, ONE))
    algorithm = replace(algorithms.haddpg(), neighbourhood=Exactly(), scheme=scheme)
    actors = [[Numbers(jnp.full(1, number), ONE) for number in start]]
    team, shares, joint, _ = before(roster, actors, [Quadratic(NEAR_ONE, SLOPE)])

    @jax.jit
    def sweep(team, key):
        # The joint action anew, as every update of a learner begins with it.
        code = jnp.broadcast_to(team.actors[0].numbers[:, None, None], (3, 1, STATES, 1))
        met = eqx.tree_at(lambda j: j.codes, joint, (code,))
        return update(algorithm, roster, team, shares, met, key)[0]

    found = [np.array(start)]
    for number in range(count):
        team = sweep(team, jax.random.key(number))
        found.append(np.asarray(team.actors[0].numbers[:, 0], np.float64))
    return np.array(found)


def best(action, agent):
    """The maximiser of Q in one agent's action: (b_i − Σ_{j≠i} P_ij a_j) / P_ii."""
    return (SLOPE[agent] - NEAR_ONE[agent] @ action + NEAR_ONE[agent, agent] * action[agent]) / NEAR_ONE[agent, agent]


def test_sequential_exact_maximisation_is_gauss_seidel_and_converges():
    found, end = sweeps(Sequential("fixed"), 100), np.linalg.solve(NEAR_ONE, SLOPE)
    action = np.zeros(3)
    for number in range(1, 101):
        for agent in range(3):
            action[agent] = best(action, agent)
        np.testing.assert_allclose(found[number], action, atol=1e-4)
    np.testing.assert_allclose(found[-1], end, atol=1e-4)
    np.testing.assert_allclose(sweeps(Sequential("random"), 100)[-1], end, atol=1e-3)


def test_simultaneous_exact_maximisation_is_jacobi_and_diverges_by_its_spectral_radius():
    found = sweeps(Simultaneous(), 14)
    action = np.zeros(3)
    for number in range(1, 15):
        action = np.array([best(action, agent) for agent in range(3)])
        np.testing.assert_allclose(found[number], action, rtol=1e-4, atol=1e-4)
    error = np.linalg.norm(found - np.linalg.solve(NEAR_ONE, SLOPE), axis=1)
    assert error[-1] / error[-2] == pytest.approx(1.8, rel=1e-3)
    assert error[-1] > 1000


@pytest.mark.slow
def test_the_carry_holds_the_new_actions_of_those_before_and_the_old_ones_of_those_after():
    roster = roster_of((2, ONE), (1, Box(-1.0, 1.0, (2,))))
    root = np.random.default_rng(0).normal(size=(4, 4))
    curvature, slope = root @ root.T + np.eye(4), np.arange(1.0, 5.0)
    start = np.array([0.1, 0.2, 0.3, 0.4])
    actors = [
        [Numbers(jnp.array([x]), ONE) for x in start[:2]],
        [Numbers(jnp.array(start[2:]), roster.groups[1].action)],
    ]
    team, shares, joint, _ = before(roster, actors, [Quadratic(curvature, slope)])
    np.testing.assert_allclose(joint.inputs, np.tile([0.0, *start], (STATES, 1)), rtol=1e-6)
    algorithm = replace(algorithms.haddpg(), neighbourhood=Exactly())
    sweep = jax.jit(partial(update, algorithm, roster))
    columns, orders = ([0], [1], [2, 3]), set()
    for seed in range(6):
        after, info = sweep(team, shares, joint, jax.random.key(seed))
        end = np.concatenate([np.ravel(group.numbers) for group in after.actors])
        met = np.asarray(info["met"])[:, :, 1:]
        moved = [[not np.isclose(met[u, 0, c[0]], start[c[0]], atol=1e-6) for c in columns] for u in range(3)]
        order = np.argsort([sum(row) for row in moved])
        orders.add(tuple(order))
        action = start.copy()
        for unit in order:
            np.testing.assert_allclose(met[unit], np.tile(action, (STATES, 1)), atol=1e-5)
            c, rest = columns[unit], [k for k in range(4) if k not in columns[unit]]
            action[c] = np.linalg.solve(curvature[np.ix_(c, c)], slope[c] - curvature[np.ix_(c, rest)] @ action[rest])
        np.testing.assert_allclose(end, action, atol=1e-5)
    assert len(orders) > 1


@pytest.mark.slow
def test_an_absent_agent_s_slot_holds_zeros_and_it_learns_from_the_states_in_which_it_acts():
    roster = roster_of((3, ONE))
    seen = np.asarray(jax.random.normal(jax.random.key(3), (STATES, 3, 1)))
    alive = np.ones((STATES, 3), bool)
    alive[:2, 1] = alive[:, 2] = False
    numbers = np.array([0.5, -1.0, 2.0])
    actors = [[Numbers(jnp.full(1, x), ONE) for x in numbers]]
    critic = Quadratic(NEAR_ONE, SLOPE)
    team, shares, joint, _ = before(roster, actors, [critic], seen=(jnp.asarray(seen),), alive=jnp.asarray(alive))
    actions = np.where(alive, numbers * seen[..., 0], 0.0)
    np.testing.assert_allclose(joint.inputs[:, 1:], actions, rtol=1e-6)
    surrogate, slopes = Pathwise(), (SLOPE - actions @ NEAR_ONE) * seen[..., 0]
    for agent in range(3):
        share, actor = one_of(shares[0], agent), one_of(team.actors[0], agent)
        objective = surrogate.objective(joint, actor, share, ZeroDrift())
        gradient = jax.grad(lambda actor, objective=objective: objective(actor).gain)(actor).numbers[0]
        wanted = slopes[alive[:, agent], agent].mean() if alive[:, agent].any() else 0.0
        np.testing.assert_allclose(gradient, wanted, rtol=1e-5)
        moved = surrogate.advance(joint, objective, replace(actor, numbers=jnp.full(1, 7.0)))
        expected = actions.copy()
        expected[:, agent] = np.where(alive[:, agent], 7.0 * seen[:, agent, 0], 0.0)
        np.testing.assert_allclose(moved.inputs[:, 1:], expected, rtol=1e-6)


def test_no_gradient_reaches_those_who_moved_before():
    roster = roster_of((2, ONE))
    actors = [[Numbers(jnp.full(1, 0.5), ONE)] * 2]
    team, shares, joint, _ = before(roster, actors, [Quadratic(NEAR_ONE[:2, :2], SLOPE[:2])])
    first, second = (one_of(shares[0], slot) for slot in (0, 1))
    surrogate = Pathwise()

    def gain(actor):
        moved = surrogate.advance(joint, surrogate.objective(joint, actor, first, ZeroDrift()), actor)
        return surrogate.objective(moved, actor, second, ZeroDrift())(one_of(team.actors[0], 1)).gain

    assert float(jax.grad(gain)(one_of(team.actors[0], 0)).numbers[0]) == 0.0


@pytest.mark.parametrize("space", [Box(0.0, 4.0, (1,)), Discrete(3)])
def test_the_others_actions_may_be_the_replayed_ones(space):
    roster = roster_of((3, space))
    numbers = [[Numbers(jnp.full(1, 0.5), ONE)] * 3]
    critic = Quadratic(np.eye(3 * space.width), np.ones(3 * space.width))
    _, _, joint, sample = before(roster, numbers, [critic], others="replay")
    actions = np.asarray(sample.action[0])
    codes = 0.5 * actions[..., 0] - 1.0 if isinstance(space, Box) else np.eye(3)[actions].reshape(STATES, -1)
    np.testing.assert_allclose(joint.inputs[:, 1:], codes, atol=1e-6)
    np.testing.assert_array_equal(joint.inputs, learner_of.played(roster, sample))


def test_agents_that_share_a_policy_move_together_and_each_keeps_its_slot():
    roster = roster_of((3, ONE), (1, Box(-1.0, 1.0, (1,))), sharing="group")
    root = np.random.default_rng(1).normal(size=(4, 4))
    curvature, slope = root @ root.T + np.eye(4), np.array([1.0, -2.0, 0.5, 3.0])
    seen = tuple(jax.random.normal(jax.random.key(n), (STATES, n, 1)) for n in (3, 1))
    actors = [[Numbers(jnp.full(1, 0.5), ONE)], [Numbers(jnp.full(1, 0.25), ONE)]]
    team, shares, joint, _ = before(roster, actors, [Quadratic(curvature, slope)], seen=seen)
    o, p = np.asarray(seen[0])[..., 0], np.asarray(seen[1])[..., 0]
    np.testing.assert_allclose(joint.inputs[:, 1:], np.concatenate([0.5 * o, 0.25 * p], 1), rtol=1e-6)
    algorithm = replace(algorithms.haddpg(), neighbourhood=Exactly(), scheme=Sequential("fixed"))
    after, info = jax.jit(partial(update, algorithm, roster))(team, shares, joint, jax.random.key(0))
    # d/dθ of the mean of Q at a = (θ o, x): Σ o·(b − P a) = 0.
    wide, still = np.concatenate([o, 0 * p], 1), np.concatenate([0 * o, 0.25 * p], 1)
    theta = (wide @ slope - np.einsum("bi,ij,bj->b", wide, curvature, still)).sum()
    theta /= np.einsum("bi,ij,bj->b", wide, curvature, wide).sum()
    np.testing.assert_allclose(after.actors[0].numbers, [[theta]], rtol=1e-4)
    np.testing.assert_allclose(info["met"][1][:, 1:], np.concatenate([theta * o, 0.25 * p], 1), rtol=1e-3)


class Scores(eqx.Module):
    """A categorical policy from logits of its own, whatever is seen."""

    logits: jax.Array

    def __call__(self, observation, memory, start, available=None):
        logits = jnp.broadcast_to(self.logits.reshape(1, 1, -1), (observation.shape[0], 1, self.logits.size))
        return Categorical.from_logits(logits, available), None


@pytest.mark.slow
def test_with_choices_the_entropy_s_gradient_is_exact_and_the_value_is_that_of_the_choices_drawn():
    roster, heat = roster_of((2, Discrete(4))), 0.7
    logits = np.array([0.3, -1.0, 0.8, 0.1], np.float32)
    masks = np.ones((STATES, 2, 4), bool)
    masks[0, :, 2] = masks[1, :, 0] = False
    slope = np.arange(8.0)
    actors = [[Scores(jnp.asarray(logits))] * 2]
    for weight in (0.0, 1.0):
        critic = Quadratic(np.zeros((8, 8)), weight * slope)
        _, shares, joint, _ = before(roster, actors, [critic], heat=heat, available=(jnp.asarray(masks),))
        share = one_of(shares[0], 1)
        objective = SoftPathwise().objective(joint, actors[0][1], share, ZeroDrift())
        gradient, entropy, worth = [], [], []
        for b in range(STATES):
            p = np.where(masks[b, 1], np.exp(logits), 0.0)
            p /= p.sum()
            log = np.log(np.where(p > 0, p, 1.0))
            entropy.append(-(p * log).sum())
            gradient.append(-p * (log + entropy[-1]))
            drawn = int(np.where(masks[b, 1], logits + np.asarray(share.noise[0, b]), -np.inf).argmax())
            worth.append(slope[4 + drawn] + slope[:4] @ np.asarray(joint.inputs[b, 1:5]))
        terms = objective(actors[0][1])
        np.testing.assert_allclose(terms.entropy, np.mean(entropy), rtol=1e-5)
        np.testing.assert_allclose(terms.gain, weight * np.mean(worth) + heat * np.mean(entropy), rtol=1e-5)
        if not weight:
            found = jax.grad(lambda actor, objective=objective: objective(actor).gain)(actors[0][1]).logits
            np.testing.assert_allclose(found, heat * np.mean(gradient, 0), rtol=1e-4, atol=1e-6)


class Spread(eqx.Module):
    """A tanh-normal policy with numbers of its own for mean and log σ, whatever is seen."""

    mean: jax.Array
    log_scale: jax.Array
    space: Box = eqx.field(static=True)

    def __call__(self, observation, memory, start, available=None):
        rows = lambda x: jnp.broadcast_to(x.reshape(1, 1, -1), (observation.shape[0], 1, x.size))  # noqa: E731
        return TanhNormal(DiagonalNormal(rows(self.mean), jnp.exp(rows(self.log_scale))), self.space), None


def test_through_a_tanh_normal_sample_the_gradient_is_that_of_finite_differences():
    space, heat = Box((0.0, -1.0), (2.0, 3.0), (2,)), 0.3
    curvature, slope = np.array([[1.0, 0.4], [0.4, 2.0]]), np.array([0.5, -1.0])
    with jax.enable_x64(True):
        actor = Spread(jnp.array([0.2, -0.4]), jnp.array([-0.5, 0.1]), space)
        noise = jax.random.normal(jax.random.key(0), (1, STATES, 2), jnp.float64)
        share = Replayed(jnp.ones((1, STATES, 1)), None, None, noise, noise, jnp.array(heat), jnp.int32(0), 0, space)
        carry = learner_of.Joint(
            (Quadratic(curvature, slope),), jnp.zeros((STATES, 1)), (jnp.zeros((1, 1, STATES, 2)),)
        )
        objective = SoftPathwise().objective(carry, actor, share, ZeroDrift())
        flat, back = ravel_pytree(actor)
        gain = jax.jit(lambda x: objective(back(x)).gain)
        u = np.asarray(noise[0]) * np.exp([-0.5, 0.1]) + [0.2, -0.4]
        certainty = -0.5 * np.asarray(noise[0]) ** 2 - 0.5 * np.log(2 * np.pi) - [-0.5, 0.1]
        certainty = (certainty - np.log(np.array([1.0, 2.0]) * (1 - np.tanh(u) ** 2))).sum(-1)
        worth = np.tanh(u) @ slope - 0.5 * np.einsum("bi,ij,bj->b", np.tanh(u), curvature, np.tanh(u))
        np.testing.assert_allclose(gain(flat), (worth - heat * certainty).mean(), rtol=1e-7)
        steps = 1e-6 * np.eye(4)
        differences = [(gain(flat + step) - gain(flat - step)) / 2e-6 for step in steps]
        np.testing.assert_allclose(jax.grad(gain)(flat), differences, rtol=1e-6)


def test_soft_policies_climb_the_lesser_of_two_critics_and_deterministic_ones_the_first():
    roster, actors = roster_of((1, ONE)), [[Numbers(jnp.full(1, 0.5), ONE)]]
    critics = [Quadratic(np.zeros((1, 1)), np.array([slope])) for slope in (3.0, 1.0)]
    team, shares, joint, _ = before(roster, actors, critics)
    share, actor = one_of(shares[0], 0), one_of(team.actors[0], 0)
    for surrogate, wanted in ((Pathwise(), 1.5), (SoftPathwise(), 0.5)):
        assert float(surrogate.objective(joint, actor, share, ZeroDrift())(actor).gain) == wanted


def test_a_drift_is_refused_as_replayed_steps_have_no_old_policy():
    roster, actors = roster_of((1, ONE)), [[Numbers(jnp.full(1, 0.5), ONE)]]
    team, shares, joint, _ = before(roster, actors, [Quadratic(np.eye(1), np.ones(1))])
    with pytest.raises(RequestError, match="which a replay buffer does not store: use ZeroDrift"):
        Pathwise().objective(joint, one_of(team.actors[0], 0), one_of(shares[0], 0), KlDrift(1.0))


def wanted(space, target=0.3, available=None, alive=None):
    """The target entropy of one unit of two agents."""
    masks = None if available is None else jnp.asarray(available)
    living = None if alive is None else jnp.asarray(alive)
    flat = jnp.zeros((2, STATES, space.width))
    share = Replayed(jnp.zeros((2, STATES, 1)), masks, living, flat, flat, jnp.array(0.2), jnp.int32(0), 0, space)
    return float(SoftPathwise(target=target).wanted(share))


@pytest.mark.slow
def test_the_target_entropy_is_a_share_of_the_greatest_of_choices_and_of_a_box_one_nat_below_half_its_span():
    assert wanted(Discrete(5)) == pytest.approx(0.3 * np.log(5))
    assert wanted(Discrete(5), 0.98) == pytest.approx(0.98 * np.log(5))
    assert wanted(MultiDiscrete((5, 3)), 0.98) == pytest.approx(0.98 * np.log(15))
    assert wanted(Box(0.0, 1.0, (5,))) == pytest.approx(5 * (np.log(0.5) - 1))
    assert wanted(Box((-1.0, 0.0), (1.0, 4.0), (2,))) == pytest.approx(np.log(2.0) - 2)
    masks = np.ones((2, STATES, 5), bool)
    masks[0, :, 2:] = False
    assert wanted(Discrete(5), available=masks) == pytest.approx(0.3 * (np.log(2) + np.log(5)) / 2)
    alive = np.array([[False] * STATES, [True] * STATES])
    assert wanted(Discrete(5), available=masks, alive=alive) == pytest.approx(0.3 * np.log(5))
    masks = np.ones((2, STATES, 8), bool)
    masks[:, :, [0, 1, 2, 7]] = False  # two of the first five choices, two of the last three
    assert wanted(MultiDiscrete((5, 3)), available=masks) == pytest.approx(0.3 * 2 * np.log(2))


def test_a_temperature_grows_while_its_entropy_is_below_the_target_and_falls_while_above():
    dual = Dual(initial=0.2, learning_rate=1e-2)
    state = dual.init(2)
    np.testing.assert_allclose(state.value, [0.2, 0.2], rtol=1e-6)
    entropy, target = jnp.array([0.1, 0.9]), 0.5
    after = dual.step(state, target - entropy)
    # Adam's first step is the learning rate, in log α.
    np.testing.assert_allclose(after.value, 0.2 * np.exp([1e-2, -1e-2]), rtol=1e-5)
    still = Dual(initial=0.2, learning_rate=0.0)
    np.testing.assert_array_equal(still.step(still.init(2), target - entropy).log, still.init(2).log)


class Echoed(eqx.Module):
    """A policy whose sample is the noise that it is given, and which goes as far as it is moved."""

    def relaxed(self, noise):
        return noise, jnp.zeros(noise.shape[:-1])

    def moved(self, shift):
        return shift


def test_later_units_meet_a_sample_of_its_own_and_not_the_one_that_was_climbed_through():
    states, box = 3, Box(-1.0, 1.0, (1,))
    noise = [jnp.full((1, states, 1), number) for number in (0.25, 0.75)]
    share = Replayed(jnp.zeros((1, states, 2)), None, None, *noise, jnp.ones(()), jnp.int32(1), 0, box)
    carry = Joint((), jnp.zeros((states, 2)), (jnp.zeros((2, 1, states, 1)),))
    after = SoftPathwise().advance(carry, Climb(share, carry, "least"), lambda *_: (Echoed(), None))
    np.testing.assert_array_equal(after.codes[0].reshape(2, states), [[0.0] * 3, [0.75] * 3])


def test_a_critic_sees_the_state_and_then_the_actions_group_by_group():
    codes = (jnp.array([[[[1.0]]], [[[2.0]]]]), jnp.array([[[[3.0, 4.0]]]]))
    np.testing.assert_array_equal(Joint((), jnp.array([[9.0]]), codes).inputs, [[9.0, 1.0, 2.0, 3.0, 4.0]])


def test_the_noise_on_the_actions_of_targets_is_scaled_and_cut():
    shift, cost = Pathwise(smoothing=0.2, smoothing_clip=0.5).ahead(Echoed(), jnp.array([[-9.0], [1.0], [9.0]]))
    np.testing.assert_allclose(shift, [[-0.5], [0.2], [0.5]])
    assert not cost.any()
