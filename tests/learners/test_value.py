"""HAD3QN: coordinate ascent on a joint critic, targets against slow loops, and one agent against a double DQN."""

from dataclasses import dataclass
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet import envs, replace
from hamlet.algorithms.had3qn import had3qn
from hamlet.backends.jax_backend import begin_training, iterate
from hamlet.buffers.replay import Sample
from hamlet.envs.base import View
from hamlet.envs.matrix.payoff_games import Matrix, common_reward, equilibria
from hamlet.errors import RequestError
from hamlet.estimation.joint_value import number
from hamlet.haml.scheme import Simultaneous
from hamlet.learners import value
from hamlet.networks.exploration import explored, greedy
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete
from hamlet.training.check import check
from pieces import same

CLIMBING = np.array([[8.0, -12.0, -12.0], [-12.0, 0.0, 0.0], [-12.0, 0.0, 0.0]])
INF = float("inf")
SMALL = {"hidden": (16,), "duelling_hidden": 16, "batch_size": 24, "buffer_size": 64, "warmup": 0}


def roster_of(*sizes, seen=4, sharing="none"):
    """One group for every run of equal sizes."""
    groups, at = [], 0
    while at < len(sizes):
        end = next((k for k in range(at, len(sizes)) if sizes[k] != sizes[at]), len(sizes))
        names = tuple(f"agent_{i}" for i in range(at, end))
        groups.append(Group(names, Box(-INF, INF, (seen,)), Discrete(sizes[at])))
        at = end
    return Roster(tuple(groups), sharing)


def drawn(roster, seed, states=24, *, masked=False):
    """Replayed steps in which everything is random, what is masked too."""
    random = np.random.default_rng(seed)

    def view():
        seen = tuple(
            jnp.asarray(random.normal(size=(states, len(g.names), *g.observation.shape)), jnp.float32)
            for g in roster.groups
        )
        free = [random.random((states, len(g.names), g.action.n)) < 0.6 for g in roster.groups]
        for part in free:
            part[..., 1] = True
        available = tuple(jnp.asarray(part) if masked else None for part in free)
        alive = jnp.asarray(random.random((states, len(roster.names))) < 0.7) if masked else None
        return View(seen, jnp.asarray(random.normal(size=(states, 5)), jnp.float32), available, alive)

    before, after = view(), view()
    action = tuple(
        jnp.asarray(random.integers(0, g.action.n, (states, len(g.names))), jnp.int32) for g in roster.groups
    )
    reward = jnp.asarray(random.normal(size=(states, len(roster.names))), jnp.float32)
    discount = jnp.asarray(np.where(random.random(states) < 0.3, 0.0, 0.95), jnp.float32)
    return Sample(before, action, reward, discount, after)


def still(**settings):
    """The algorithm with learning rates of 0: infos then tell what it would have done."""
    return had3qn(**SMALL, learning_rate=0.0, critic_learning_rate=0.0, **settings)


def exact(learner, table):
    """The learner with a critic that says the table, whatever the state."""

    def told(network):
        def nothing(layer):
            return replace(layer, weight=0 * layer.weight, bias=0 * layer.bias)

        def says(branch, values):
            return replace(branch, out=replace(nothing(branch.out), bias=jnp.asarray(values, jnp.float32)))

        return replace(
            network,
            value=says(network.value, np.full(1, table.mean())),
            advantage=says(network.advantage, np.ravel(table)),
        )

    critic = learner.critic
    return replace(learner, critic=replace(critic, networks=(told(critic.networks[0]),)))


def ascended(table, start, order):
    """Coordinate ascent by hand: the values met before each move, those after it, and where it ends."""
    joint, before, after = list(start), {}, {}
    for agent in order:
        before[agent] = table[tuple(joint)]
        joint[agent] = int(np.argmax(table[(*joint[:agent], slice(None), *joint[agent + 1 :])]))
        after[agent] = table[tuple(joint)]
    return before, after, tuple(joint)


@dataclass(frozen=True)
class Ordered:
    """An order given beforehand."""

    order: tuple

    def sweep(self, visit, team, carry, units, key):
        infos = {}
        for unit in self.order:
            team, carry, infos[unit] = visit(jnp.int32(unit), team, carry, key)
        return team, {name: jnp.stack([infos[u][name] for u in range(units)]) for name in infos[0]}


@lru_cache
def updating(sizes, order):
    algorithm = replace(still(), scheme=Ordered(order))
    return algorithm, jax.jit(partial(value.update, algorithm, roster_of(*sizes)))


def swept(table, starts, order):
    """What the learner's sweep met and reached, by agent, on an exact critic."""
    algorithm, update = updating(table.shape, order)
    roster = roster_of(*table.shape)
    cuts = np.cumsum([len(g.names) for g in roster.groups])[:-1].tolist()
    sample = drawn(roster, 0, len(starts))
    sample = replace(sample, action=tuple(jnp.split(jnp.asarray(starts, jnp.int32), cuts, axis=1)))
    learner = exact(value.init(algorithm, roster, (5,), jax.random.key(0)), table)
    _, (info, _) = update(learner, sample, jax.random.key(1))
    return np.asarray(info["target"]), np.asarray(info["reached"])


# --- joint actions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sizes", [(4,), (2, 3, 5), (3, 3), (5, 2, 2, 3)])
def test_joint_actions_of_unequal_sizes_are_numbered_as_an_array_numbers_its_entries(sizes):
    every = np.arange(np.prod(sizes))
    apart = jnp.asarray(np.stack(np.unravel_index(every, sizes)), jnp.int32)
    np.testing.assert_array_equal(number(apart, sizes), every)


@pytest.mark.slow
def test_a_pass_over_an_exact_critic_is_coordinate_ascent_and_never_lowers_it():
    table = np.random.default_rng(3).normal(size=(2, 3, 4))
    starts = list(np.ndindex(*table.shape))
    for order in [(0, 1, 2), (2, 0, 1)]:
        by_hand = [ascended(table, start, order) for start in starts]
        target, reached = swept(table, starts, order)
        for agent in order:
            np.testing.assert_allclose(target[agent], np.mean([b[agent] for b, _, _ in by_hand]), atol=1e-5)
            np.testing.assert_allclose(reached[agent], np.mean([a[agent] for _, a, _ in by_hand]), atol=1e-5)
        chain = [target[order[0]], *(reached[agent] for agent in order)]
        assert (np.diff(chain) > -1e-6).all() and chain[-1] > chain[0] + 1


@pytest.mark.slow
def test_where_no_pass_moves_anything_is_a_pure_nash_equilibrium_and_nowhere_else():
    table = np.random.default_rng(5).normal(size=(3, 2, 4))
    stable = set()
    for start in np.ndindex(*table.shape):
        target, reached = swept(table, [start], (0, 1, 2))
        if np.allclose(target, reached):
            stable.add(start)
    assert stable == set(equilibria(common_reward(table))) and stable


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "order", "found"),
    [((1, 1), (0, 1), 0.0), ((1, 1), (1, 0), 0.0), ((0, 1), (1, 0), 8.0), ((0, 1), (0, 1), 0.0)],
    ids=["B B, first agent first", "B B, second first", "A B, second first", "A B, first first"],
)
def test_in_climbing_it_depends_on_the_order_whether_a_pass_reaches_the_best(start, order, found):
    _, reached = swept(CLIMBING, [start], order)
    assert reached[order[-1]] == found


def test_agents_that_move_at_once_all_meet_the_actions_of_the_start():
    table, start = np.random.default_rng(3).normal(size=(2, 3, 4)), (1, 2, 0)
    roster = roster_of(*table.shape)
    sample = replace(drawn(roster, 0, 1), action=tuple(jnp.full((1, 1), a, jnp.int32) for a in start))
    algorithm = replace(still(), scheme=Simultaneous())
    learner = exact(value.init(algorithm, roster, (5,), jax.random.key(0)), table)
    _, (info, _) = jax.jit(partial(value.update, algorithm, roster))(learner, sample, jax.random.key(1))
    np.testing.assert_allclose(info["target"], np.full(3, table[start]), rtol=1e-6)


# --- targets -------------------------------------------------------------------------------------------------------


def by_hand(learner, roster, sample, rest, regress):
    """The critic's and the agents' losses and targets, step by step and agent by agent, in the roster's order."""
    owner = [(g, i) for g, group in enumerate(roster.groups) for i in range(len(group.names))]
    sizes = [roster.groups[g].action.n for g, _ in owner]
    shared = roster.sharing == "group"
    units = [g if shared else agent for agent, (g, _) in enumerate(owner)]
    table = np.asarray(learner.critic.networks[0](sample.view.state)).reshape(-1, *sizes)
    ahead = np.asarray(learner.critic.targets[0](sample.arrival.state)).reshape(-1, *sizes)

    def own(actors, view):
        pick = lambda g, i: jax.tree.map(lambda leaf: leaf[0 if shared else i], actors[g])  # noqa: E731
        return [np.asarray(pick(g, i).network(view.observation[g][:, i])) for g, i in owner]

    def allowed(view, b, agent, values):
        g, i = owner[agent]
        mask = view.available[g]
        return int(np.argmax(values if mask is None else np.where(np.asarray(mask)[b, i], values, -np.inf)))

    def free(view, b, agent):
        """Every choice that an agent has."""
        g, i = owner[agent]
        mask = view.available[g]
        return range(roster.groups[g].action.n) if mask is None else np.flatnonzero(np.asarray(mask)[b, i])

    def living(view, b, agent):
        return view.alive is None or bool(view.alive[b, agent])

    now, later = own(learner.team.actors, sample.view), own(learner.targets, sample.arrival)
    agents, states = range(len(owner)), range(table.shape[0])
    critic, errors, targets = [], [[] for _ in set(units)], [[] for _ in set(units)]
    for b in states:
        here = [int(sample.action[g][b, i]) if living(sample.view, b, a) else 0 for a, (g, i) in enumerate(owner)]
        there = [allowed(sample.arrival, b, a, later[a][b]) if living(sample.arrival, b, a) else 0 for a in agents]
        y = float(sample.reward[b].sum()) + float(sample.discount[b]) * ahead[(b, *there)]
        critic.append((table[(b, *here)] - y) ** 2)
        if rest == "greedy":
            here = [allowed(sample.view, b, a, now[a][b]) if living(sample.view, b, a) else 0 for a in agents]
        for unit in sorted(set(units)):
            mine, goal = [a for a in agents if units[a] == unit], table[(b, *here)]
            targets[unit].append(goal)
            for a in mine:
                tried = [here[a]] if regress == "taken" else free(sample.view, b, a)
                met = [(now[a][b][c] - table[(b, *here[:a], c, *here[a + 1 :])]) ** 2 for c in tried]
                errors[unit] += [np.mean(met)] if living(sample.view, b, a) else []
            for a in mine:
                if living(sample.view, b, a):
                    here[a] = allowed(sample.view, b, a, table[(b, *here[:a], slice(None), *here[a + 1 :])])
    return np.mean(critic), [np.mean(e) for e in errors], [np.mean(t) for t in targets]


@pytest.mark.parametrize(
    ("rest", "regress", "sharing", "masked"),
    [
        pytest.param("replay", "taken", "none", False, marks=pytest.mark.slow),
        ("replay", "all", "none", True),
        pytest.param("greedy", "taken", "none", True, marks=pytest.mark.slow),
        ("greedy", "all", "group", True),
    ],
)
def test_targets_of_all_variants_are_those_of_a_slow_loop(rest, regress, sharing, masked):
    roster = roster_of(3, 3, 2, sharing=sharing)
    algorithm = still(rest=rest, regress=regress, order="fixed", sharing=sharing)
    # Of four learners, so that targets differ from networks, and agents' from each other.
    made = [value.init(algorithm, roster, (5,), jax.random.key(k)) for k in range(2)]
    critic = replace(made[0].critic, targets=made[1].critic.networks)
    learner = replace(made[0], critic=critic, targets=made[1].team.actors)
    sample = drawn(roster, 7, masked=masked)
    _, (info, critic_info) = jax.jit(partial(value.update, algorithm, roster))(learner, sample, jax.random.key(2))
    critic_loss, losses, targets = by_hand(learner, roster, sample, rest, regress)
    np.testing.assert_allclose(critic_info["loss"][0], critic_loss, rtol=2e-5)
    np.testing.assert_allclose(info["loss"], losses, rtol=2e-5)
    np.testing.assert_allclose(info["target"], targets, rtol=2e-5, atol=1e-6)


@pytest.mark.slow
def test_what_absent_agents_saw_and_did_changes_nothing():
    roster, algorithm = roster_of(3, 3, 2), had3qn(**SMALL)
    learner = value.init(algorithm, roster, (5,), jax.random.key(0))
    sample = drawn(roster, 7, masked=True)

    def otherwise(view):
        seen = [
            jnp.where(alive[..., None], o, o + 1.0)
            for o, alive in zip(view.observation, roster.split(view.alive), strict=True)
        ]
        return replace(view, observation=tuple(seen))

    alive = roster.split(sample.view.alive)
    other = replace(
        sample,
        view=otherwise(sample.view),
        arrival=otherwise(sample.arrival),
        action=tuple(jnp.where(a, x, 1 - jnp.minimum(x, 1)) for x, a in zip(sample.action, alive, strict=True)),
    )
    update = jax.jit(partial(value.update, algorithm, roster))
    one, two = (update(learner, s, jax.random.key(1))[0] for s in (sample, other))
    assert same(one, two) and not same(one.team, learner.team)


# --- one agent -----------------------------------------------------------------------------------------------------


def linear(layer, x):
    return x @ layer.weight.T + layer.bias[None]


def duelling(network, x):
    h = x
    for layer in network.torso.layers:
        h = jnp.maximum(linear(layer, h), 0.0)

    def branch(b):
        z = linear(b.hidden, h)
        return linear(b.out, z * jnp.clip(z + 3.0, 0.0, 6.0) / 6.0)

    v, a = branch(network.value), branch(network.advantage)
    return v + a - a.mean(-1, keepdims=True)


def adam(gradients, step, parameters):
    """Adam by its definition, after the gradients of all steps so far."""

    def one(parameter, *past):
        first = sum(0.1 * 0.9 ** (len(past) - 1 - k) * g for k, g in enumerate(past)) / (1 - 0.9 ** len(past))
        second = sum(0.001 * 0.999 ** (len(past) - 1 - k) * g**2 for k, g in enumerate(past))
        return parameter - step * first / (jnp.sqrt(second / (1 - 0.999 ** len(past))) + 1e-8)

    return jax.tree.map(one, parameters, *gradients)


@pytest.mark.slow
def test_one_agent_is_a_duelling_double_dqn_whose_own_values_follow_the_critic():
    roster, algorithm = roster_of(3, seen=5), had3qn(**SMALL, polyak=0.1)
    learner = value.init(algorithm, roster, (5,), jax.random.key(0))
    q, own = learner.critic.networks[0], jax.tree.map(lambda leaf: leaf[0], learner.team.actors[0].network)
    slow_q, slow_own, past_q, past_own = q, own, [], []
    update = jax.jit(partial(value.update, algorithm, roster))
    for k in range(3):
        sample = drawn(roster, k)
        learner, _ = update(learner, sample, jax.random.key(k))
        rows, action = jnp.arange(24), sample.action[0][:, 0]
        choice = duelling(slow_own, sample.arrival.observation[0][:, 0]).argmax(-1)
        y = sample.reward[:, 0] + sample.discount * duelling(slow_q, sample.arrival.state)[rows, choice]
        loss = lambda n, x, goal, at=(rows, action): ((duelling(n, x)[at] - goal) ** 2).mean()  # noqa: E731
        past_q.append(jax.grad(loss)(q, sample.view.state, y))
        q = adam(past_q, 1e-3, q)
        goal = duelling(q, sample.view.state)[rows, action]
        past_own.append(jax.grad(loss)(own, sample.view.observation[0][:, 0], goal))
        own = adam(past_own, 5e-4, own)
        slow_q, slow_own = (jax.tree.map(lambda o, n: 0.9 * o + 0.1 * n, *p) for p in ((slow_q, q), (slow_own, own)))
    mine = jax.tree.map(lambda leaf: leaf[0], (learner.team.actors[0].network, learner.targets[0].network))
    found = (learner.critic.networks[0], learner.critic.targets[0], *mine)
    for ours, theirs in zip(jax.tree.leaves(found), jax.tree.leaves((q, slow_q, own, slow_own)), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


# --- play ----------------------------------------------------------------------------------------------------------


def test_exploring_agents_take_the_best_available_choice_but_for_even_draws_among_the_available():
    values = jnp.asarray([[0.0, 3.0, 1.0, 2.0], [5.0, 3.0, 4.0, 2.0]])
    available = jnp.asarray([[True, True, True, True], [False, False, True, True]])
    policy = explored(values, available, 0.3)
    np.testing.assert_array_equal(policy.mode(), [1, 2])
    draws = jax.vmap(policy.sample)(jax.random.gumbel(jax.random.key(0), (20_000, 2, 4)))
    share = np.stack([(np.asarray(draws) == choice).mean(0) for choice in range(4)], -1)
    np.testing.assert_allclose(share, [[0.075, 0.775, 0.075, 0.075], [0.0, 0.0, 0.85, 0.15]], atol=0.01)
    assert (share[1, :2] == 0).all()
    never = jax.vmap(explored(values, available, 0.0).sample)(jax.random.gumbel(jax.random.key(1), (999, 2, 4)))
    np.testing.assert_array_equal(np.unique(never, axis=0), [[1, 2]])
    np.testing.assert_allclose(explored(values, available, 0.0).entropy(), [0.0, 0.0], atol=1e-6)


def test_copies_explore_each_for_itself():
    values = jnp.zeros((500, 3)).at[:, 0].set(1.0)
    drawn = explored(values, None, 0.5).sample(jax.random.gumbel(jax.random.key(0), (500, 3)))
    assert 0.2 < (np.asarray(drawn) > 0).mean() < 0.45


def test_nobody_is_greedy_for_what_is_not_available():
    values = jnp.asarray([[2.0, -1.0, -5.0]])
    assert greedy(values, jnp.asarray([[False, False, True]]))[0] == 2 and greedy(values, None)[0] == 0


# --- refusals ------------------------------------------------------------------------------------------------------


def test_too_many_joint_actions_are_refused_with_their_number_and_what_to_use():
    env = envs.make("mpe/simple_spread", continuous=False, agents=8)
    line = "the actions of 8 agents = 390,625, more than the limit of 100,000: use hasac"
    with pytest.raises(RequestError, match=line):
        check(had3qn(), env, steps=1000)
    check(had3qn(), envs.make("mpe/simple_spread", continuous=False, agents=7), steps=1000)


def test_other_actions_than_choices_are_refused_with_what_to_use():
    with pytest.raises(RequestError, match=r"agent_0 acts in a Box space, .* Discrete only: .*use .*hatd3"):
        check(had3qn(), envs.make("mpe/simple_spread", continuous=True), steps=1000)
    with pytest.raises(RequestError, match="use hatd3 for a Box"):
        had3qn().critic.roster(Roster((Group(("a",), Box(0, 1, (2,)), Box(0, 1, (2,))),)), (2,))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"exploration": 1.0}, "--exploration must be in"),
        ({"duelling_hidden": 0}, "--duelling-hidden must be at least 1"),
        ({"buffer_size": 10}, "--buffer-size 10 is smaller than a batch of 1000"),
    ],
)
def test_settings_without_sense_are_refused(settings, said):
    with pytest.raises(RequestError, match=said):
        had3qn(**settings)


# --- learning ------------------------------------------------------------------------------------------------------

# Whoever moves finds 1 and 2 better, whatever the other does; what is not known seems better than what is.
PAYOFFS = np.array([[-5.0, -4.0, -3.0], [-4.0, -2.0, 0.0]])


@pytest.mark.slow
@pytest.mark.parametrize("rest", ["replay", "greedy"])
def test_it_learns_a_game_of_unlike_agents_after_it_played_at_random(rest):
    env = Matrix(common_reward(PAYOFFS))
    algorithm = had3qn(
        num_envs=8,
        rollout_length=4,
        updates_per_rollout=10,
        hidden=(16,),
        duelling_hidden=16,
        batch_size=64,
        buffer_size=512,
        warmup=64,
        learning_rate=0.01,
        critic_learning_rate=0.02,
        exploration=0.2,
        polyak=0.05,
        rest=rest,
    )

    @jax.jit
    def played(training, count):
        return jax.lax.fori_loop(0, count, lambda _, at: iterate(algorithm, env, at)[0], training)

    begin = jax.jit(lambda seed: begin_training(algorithm, env, seed))
    for seed in range(2):
        start = begin(jnp.uint32(seed))
        warm, first, end = (played(start, count).learner for count in (2, 3, 40))
        assert same((warm.team, warm.critic, warm.targets), (start.learner.team, start.learner.critic, warm.targets))
        assert (int(warm.updates), int(first.updates), int(end.updates)) == (0, 10, 380)
        assert joint(end) == (1, 2)


def joint(learner):
    """The greedy joint action where nothing is ever seen but the same."""
    sight = jnp.asarray([[[1.0, 0.0]]])
    modes = [jax.vmap(lambda one: one(sight, None, jnp.zeros((1, 1), bool))[0].mode())(a) for a in learner.team.actors]
    return tuple(np.concatenate([np.ravel(mode) for mode in modes]).tolist())
