"""Q-DPP's agents: a unit vector for every choice, chosen by together while they learn and apart when they play."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from hamlet.errors import RequestError
from hamlet.networks.joint import Chance, TeamInputs, act, distributions
from hamlet.networks.mixers.base import AgentValues, Offer
from hamlet.networks.mixers.q_dpp import Determinant, Determinantal, DiverseUtilities
from hamlet.networks.torso import NetworkConfig
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete

BODY = NetworkConfig(hidden=(8,), plain=True)
SEEN = Box(0.0, 1.0, (3,))


def team(*sizes, **settings):
    """One agent of each group, and what each sees."""
    kind = DiverseUtilities(embedding=4, **settings)
    keys = jax.random.split(jax.random.key(0), len(sizes))
    make = jax.jit(lambda keys: [kind.create(k, SEEN, Discrete(n), BODY) for k, n in zip(keys, sizes, strict=True)])
    actors = tuple(jax.tree.map(lambda leaf: leaf[None], actor) for actor in make(keys))
    roster = Roster(tuple(Group((f"agent_{k}",), SEEN, Discrete(size)) for k, size in enumerate(sizes)))
    return roster, actors


def chosen(roster, actors, count, chance, alive=None):
    seen = tuple(jnp.ones((count, 1, 3)) for _ in roster.groups)
    nothing = (None,) * len(roster.groups)
    go = jax.jit(
        lambda start, chance, alive: act(roster, actors, seen, nothing, start, nothing, chance, alive=alive)[0]
    )
    return go(jnp.ones(count, bool), chance, alive)


def alike():
    """Two agents whose vectors of choices 0 are the same, and whose best choice that is."""
    roster, actors = team(2, 2)
    made = []
    for number, actor in enumerate(actors):
        bare = jax.tree.map(jnp.zeros_like, actor.head), jax.tree.map(jnp.zeros_like, actor.utility.head)
        biases = jnp.eye(4)[jnp.array([0, 1 + number])].reshape(1, 8), jnp.array([[1.0, 0.0]])
        heads = [eqx.tree_at(lambda head: head.bias, head, bias) for head, bias in zip(bare, biases, strict=True)]
        made.append(eqx.tree_at(lambda tree: (tree.head, tree.utility.head), actor, tuple(heads)))
    return roster, tuple(made)


def chance(count, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    noise = tuple(jax.random.gumbel(key, (count, 1, 2)) for key in keys[:2])
    return Chance(noise, jax.random.uniform(keys[2], (count, 2)))


def test_every_choice_has_a_vector_of_unit_length_that_its_agent_alone_makes():
    _, actors = team(3, 2)
    found = jax.jit(jax.vmap(lambda actor, seen: actor.values(seen)))(actors[0], jnp.ones((1, 1, 5, 3)))
    values, vectors = (part[0, 0] for part in found)
    assert values.shape == (5, 3) and vectors.shape == (5, 12)
    assert (vectors.reshape(5, 3, 4) ** 2).sum(-1) == pytest.approx(np.ones((5, 3)), abs=1e-5)


def test_together_agents_avoid_what_is_alike_and_alone_they_take_the_best():
    """Whoever comes second does not take what both want, and in each copy by itself either may be the first."""
    roster, actors = alike()
    first, second = (np.asarray(part)[:, 0] for part in chosen(roster, actors, 2000, chance(2000)))
    assert ((first == 0) & (second == 0)).mean() == 0.0
    # At T = 0.5 whoever is the first takes it with probability 1/(1 + e⁻²) = 0.88.
    for found in (first, second):
        assert abs((found == 0).mean() - 0.5) < 5 * 0.5 / 2000**0.5
    assert [int(part[0, 0]) for part in chosen(roster, actors, 1, None)] == [0, 0]


def test_an_absent_agent_takes_nothing_away_from_the_others():
    """With the other one gone an agent chooses as if it were alone: 0.88 rather than 0.5."""
    roster, actors = alike()
    for here in (0, 1):
        alive = jnp.broadcast_to(jnp.arange(2)[None] == here, (2000, 2))
        taken = np.asarray(chosen(roster, actors, 2000, chance(2000), alive)[here])[:, 0]
        assert abs((taken == 0).mean() - 1 / (1 + np.exp(-2))) < 5 * 0.33 / 2000**0.5


def test_what_a_copy_plays_depends_on_its_own_numbers_alone():
    roster, actors = alike()
    drawn = chance(64)
    whole = chosen(roster, actors, 64, drawn)
    for rows in (slice(0, 32), slice(32, 64), slice(7, 8)):
        count = len(drawn.turns[rows])
        part = chosen(roster, actors, count, jax.tree.map(lambda leaf, rows=rows: leaf[rows], drawn))
        for ours, theirs in zip(part, whole, strict=True):
            np.testing.assert_array_equal(ours, theirs[rows])


def test_its_probabilities_are_how_often_joint_actions_are_drawn_and_sum_to_one():
    """Given the order of turns, of all four joint actions; an absent agent has a logarithm of 0."""
    roster, actors = alike()
    count, drawn = 20_000, chance(20_000)
    turns = jnp.broadcast_to(jnp.array([0.7, 0.2]), (count, 2))  # the second agent chooses first
    found = chosen(roster, actors, count, Chance(drawn.noise, turns))
    seen, nothing = (jnp.ones((1, 1, 3)),) * 2, (None, None)

    @jax.jit
    def logs(first, second, alive):
        policies, _ = distributions(roster, actors, TeamInputs(seen, nothing, jnp.ones(1, bool), nothing))
        actions = (jnp.full((1, 1), first), jnp.full((1, 1), second))
        return actors[0].joint.choice.log_probability(policies, actions, turns[:1], alive)[0]

    pairs = [(first, second) for first in (0, 1) for second in (0, 1)]
    shares = {pair: float(jnp.exp(logs(*pair, jnp.ones((1, 2), bool)).sum())) for pair in pairs}
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-4)
    for (first, second), share in shares.items():
        often = float(((found[0][:, 0] == first) & (found[1][:, 0] == second)).mean())
        assert abs(often - share) <= 4.5 * np.sqrt(max(share * (1 - share), 1e-5) / count) + 1e-4
    alone = logs(0, 0, jnp.array([[True, False]]))
    assert float(alone[1]) == 0.0 and float(alone[0]) == pytest.approx(-np.log1p(np.exp(-2)), abs=1e-4)


def offers(alive=None):
    random = np.random.default_rng(0)
    vectors, values = random.normal(size=(3, 2, 3, 4)), random.normal(size=(3, 2, 3))
    vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
    values, vectors = (jnp.asarray(part, jnp.float32) for part in (values, vectors.reshape(3, 2, -1)))
    return AgentValues((Offer(values, jnp.array([[0, 1], [1, 1], [2, 0]]), None, vectors),), alive)


def test_the_mixer_adds_the_determinants_logarithm_to_the_sum_and_an_absent_agent_adds_nothing():
    given, state = offers(), jnp.zeros((3, 2))
    joint = jax.jit(lambda given: Determinant(1e-6).joint(given, state)[:, 0])
    vectors = np.asarray(given.groups[0].features.reshape(3, 2, 3, 4), np.float64)
    chosen = np.asarray(given.chosen.sum(-1))
    for row, found in enumerate(joint(given)):
        first, second = (vectors[row, k, int(given.groups[0].action[row, k])] for k in range(2))
        wanted = chosen[row] + np.log(1 - (first @ second) ** 2)
        assert float(found) == pytest.approx(wanted, abs=1e-3)
    alone = offers(alive=jnp.array([[True, False]] * 3))
    assert joint(alone) == pytest.approx(np.asarray(alone.chosen.sum(-1)), abs=1e-5)


def test_a_target_is_judged_where_agents_in_turn_add_most_and_not_where_each_is_best():
    vectors = jnp.array([[[[1.0, 0, 0], [0, 1.0, 0]], [[1.0, 0, 0], [0, 0, 1.0]]]])
    values = jnp.array([[[1.0, 0.0], [1.0, 0.0]]])
    given = AgentValues((Offer(values, jnp.zeros((1, 2), jnp.int32), None, vectors.reshape(1, 2, 6)),), None)
    assert [part.tolist() for part in given.greedy] == [[[0, 0]]]
    assert [part.tolist() for part in Determinantal(embedding=3).best(Determinant(1e-8), given)] == [[[0, 1]]]


def test_vectors_shorter_than_the_team_are_refused_with_the_least_that_would_do():
    roster = Roster((Group(("a", "b", "c"), SEEN, Discrete(2)),))
    with pytest.raises(RequestError, match="the least is --embedding 3"):
        Determinantal(embedding=2).create(jax.random.key(0), roster, 2, (8,))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"temperature_end": 0.0}, "must be above 0"),
        ({"exploration": 1.5}, r"--exploration must be in \[0, 1\]"),
        ({"jitter": 0.0}, "--jitter must be in"),
    ],
)
def test_what_cannot_be_sampled_by_is_refused(settings, said):
    with pytest.raises(RequestError, match=said):
        hamlet.algorithms.make("q_dpp", **settings)
