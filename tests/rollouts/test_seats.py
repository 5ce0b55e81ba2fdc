"""Seats: who acts where, what players remember, and from whose steps a team learns."""

from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jaxtyping import Array

import hamlet
from hamlet import learners
from hamlet.backends.iteration import roster_of
from hamlet.backends.select import backend_of
from hamlet.envs.base import View
from hamlet.errors import RequestError
from hamlet.estimation.trajectory import Trajectory
from hamlet.networks.heads import Actor
from hamlet.networks.joint import Chance, act
from hamlet.networks.torso import NetworkConfig
from hamlet.rollouts.seats import Player, Seating, SeatTable, learnt, seated
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete
from hostgames import OnHost, Slide
from pieces import same

SIGHT, CHOICE = Box(-1.0, 1.0, (2,)), Discrete(4)
ROSTER = Roster((Group(("ann", "ben"), SIGHT, CHOICE), Group(("cat",), SIGHT, CHOICE)))


@dataclass(frozen=True)
class Counted:
    """Agents who choose together, and all the number of those who are there, ten times further for each step."""

    def act(self, roster, actors, seen, chance, alive):
        count = alive.sum(-1, dtype=jnp.int32)
        actions = [10 * actor.number[None] + count[:, None] for actor in actors]
        return tuple(actions), tuple(None if m is None else m + 1.0 for m in seen.memory)


class Company(eqx.Module):
    """The actors of one group of them."""

    joint: ClassVar[Counted] = Counted()
    number: Array


def player(number, memory=0):
    actors = tuple(Company(jnp.full(len(group.names), number)) for group in ROSTER.groups)
    return Player(ROSTER, actors, memory)


def played(table, alive=None):
    """The joint actions of two players, ``[E, n]``, and their memories after it."""
    copies = 3
    seen = tuple(jnp.zeros((copies, len(group.names), 2)) for group in ROSTER.groups)
    memory = tuple(jnp.zeros((copies, len(group.names), 5)) for group in ROSTER.groups)
    actors = seated((player(1, 2), player(2, 3)), table)
    acted = (seen, (None, None), jnp.ones(copies, bool), memory, None)
    actions, after = act(ROSTER, actors, *acted, alive=alive)
    return np.concatenate(actions, axis=1), after


def test_every_copy_has_its_own_row_and_a_player_chooses_together_with_its_own_seats_alone():
    actions, after = played(SeatTable.create([[0, 0, 0], [0, 1, 1], [1, 0, 1]]))
    assert actions.tolist() == [[13, 13, 13], [11, 22, 22], [22, 11, 22]]
    assert [part.shape for part in after] == [(3, 2, 5), (3, 1, 5)] and all((part == 1.0).all() for part in after)


def test_one_row_stands_for_all_copies_and_who_is_absent_is_absent_to_the_player_of_the_seat():
    alive = jnp.array([[True, True, True], [False, True, True], [True, True, False]])
    actions, _ = played(SeatTable.create([0, 1, 1]), alive)
    assert actions[:, 1:].tolist() == [[22, 22], [22, 22], [21, 21]] and actions[[0, 2], 0].tolist() == [11, 11]


@pytest.mark.parametrize("widths", [(5, 3), pytest.param((5, 0), marks=pytest.mark.slow)])
def test_players_of_unlike_networks_act_as_they_do_alone_and_keep_their_memories_apart(widths):
    roster, rows = Roster((Group(("ann", "ben"), SIGHT, CHOICE),), "group"), 6
    random, teams = np.random.default_rng(0), []
    for number, width in enumerate(widths):
        actor = Actor.create(jax.random.key(number), SIGHT, CHOICE, NetworkConfig(hidden=(8,), memory=width))
        actor = eqx.tree_at(lambda one: one.head.weight, actor, 100 * actor.head.weight)
        teams.append(Player(roster, (jax.tree.map(lambda leaf: leaf[None], actor),), width))
    observation, memory, noise = (
        jnp.asarray(random.normal(size=(rows, 2, wide)), jnp.float32) for wide in (2, sum(widths), 4)
    )
    parts = [memory[..., : widths[0]], memory[..., widths[0] :] if widths[1] else None]
    numbers = random.integers(0, 2, (rows, 2))

    @eqx.filter_jit
    def asked(teams, table):
        chance, start = Chance((noise,), jnp.zeros((rows, 2))), jnp.arange(rows) == 2
        go = partial(act, roster, observation=(observation,), available=(None,), start=start, alive=None, chance=chance)
        alone = [go(team.actors, memory=(part,)) for team, part in zip(teams, parts, strict=True)]
        return alone, go(seated(tuple(teams), table), memory=(memory,))

    alone, ((actions,), (after,)) = asked(teams, SeatTable.create(numbers))
    each = [np.asarray(chosen) for (chosen,), _ in alone]
    np.testing.assert_array_equal(actions, np.where(numbers == 0, *each))
    assert (each[0] != each[1]).any()
    kept = [later for _, (later,) in alone if later is not None]
    np.testing.assert_allclose(after, np.concatenate(kept, axis=-1), atol=1e-6)


def test_nothing_that_happens_in_a_seat_that_does_not_learn_changes_a_bit_of_what_is_learnt():
    """Two agents share all parameters; in every copy one of them learns, and the other sees, does and earns junk."""
    algorithm = hamlet.algorithms.ippo(sharing="group", hidden=(8,), num_envs=4, rollout_length=6, epochs=1)
    body = hamlet.replace(algorithm.body, normalise=True)
    algorithm = hamlet.replace(algorithm, body=body, normalise_rewards=True)
    roster, table = Roster(ROSTER.groups[:1], "group"), SeatTable.create([[0, 1], [1, 0], [0, 1], [1, 0]])
    learner = jax.jit(lambda key: learners.init(algorithm, roster, (2,), key))(jax.random.key(0))
    seating = Seating((player(1),), table)
    go = jax.jit(
        lambda steps: learners.step(
            algorithm, roster, (2,), learner, None, learnt(seating, steps, algorithm.body), jax.random.key(1), 1.0
        )[0]
    )

    def steps(junk):
        random = np.random.default_rng(0)
        other = table.player.astype(bool)

        def normal(*shape):
            values = random.standard_normal((6, 1, 4, 2, *shape)).astype(np.float32)
            return np.where(other.reshape(4, 2, *(1,) * len(shape)), values * junk, values)

        views = [View((normal(2),), np.zeros((6, 1, 4, 2), np.float32), (None,), None) for _ in range(2)]
        action = np.where(other, int(junk) % 4, random.integers(0, 4, (6, 1, 4, 2))).astype(np.int32)
        flags = [np.zeros((6, 1, 4), bool) for _ in range(3)]
        return Trajectory(views[0], flags[0], (action,), normal(), flags[1], flags[2], views[1], (None,))

    first, second = go(steps(1.0)), go(steps(7.0))
    parts = [(found.team, found.critic, found.rewards.spread) for found in (first, second, learner)]
    assert same(*parts[:2]) and not any(same(ours, begun) for ours, begun in zip(parts[0], parts[2], strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0, 4])
def test_with_a_frozen_partner_one_agent_learns_the_same_compiled_and_on_the_host(memory):
    """Rows of the table are unlike, so that halves of the copies on the host have their own."""
    algorithm = hamlet.algorithms.ippo(hidden=(8,), num_envs=4, rollout_length=8, rnn_size=memory, sequence_length=4)
    env, algorithm_of_partner = Slide(), hamlet.algorithms.ippo(hidden=(5,), num_envs=4, rnn_size=3)
    partner = backend_of(env).begin(algorithm_of_partner)(9).learner.team.actors
    roster = roster_of(algorithm_of_partner, env)
    numbers = np.ones((4, len(roster.names)), int)
    numbers[:2, 0] = 0
    seating = Seating((Player(roster, partner, 3),), SeatTable.create(numbers))
    ends = []
    for game in (env, OnHost(env)):
        backend = backend_of(game, seating)
        program = backend.compile(algorithm, jax.devices()[:1], 3)
        try:
            begun = backend.begin(algorithm)(3)
            training, _ = program.call(program.place(begun), 2, 2)
            ends.append(jax.tree.map(np.array, training.learner))
        finally:
            program.close()
    for ours, theirs in zip(*map(jax.tree.leaves, ends), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    firsts = [[jax.tree.leaves(actor)[0] for actor in team.actors] for team in (begun.learner.team, ends[0].team)]
    moved = [(before != after).any() for before, after in zip(*map(units, firsts), strict=True)]
    assert moved == [True, *[False] * (len(roster.names) - 1)]


def units(leaves):
    """One array of every unit."""
    return [unit for leaf in leaves for unit in np.asarray(leaf)]


def test_what_a_table_cannot_mean_is_refused_in_one_line():
    for make, said in [
        (lambda: SeatTable.create([0, -1, 0]), "must be 0, 1, …, got -1"),
        (lambda: SeatTable.create([0, 1, 0], [True, True, False]), "learns may be True only in seats of player 0"),
        (
            lambda: Seating((player(1),), SeatTable.create([0, 2, 1])),
            "contains player 2, but there are only players 0 to 1",
        ),
        (lambda: seated((player(0),), SeatTable.create([0, 0])), "one column per agent: 3 columns, got 2"),
        (lambda: begun("hasac", SeatTable.create([0] * 2)), "uses a replay buffer; the nearest is happo"),
        (lambda: begun("ippo", SeatTable.create(np.zeros((3, 2)))), "3 rows for 4 copies"),
    ]:
        with pytest.raises(RequestError, match=said):
            make()


def begun(name, table):
    algorithm = hamlet.algorithms.make(name, num_envs=4)
    return backend_of(Slide(), Seating((), table)).begin(algorithm)(0)
