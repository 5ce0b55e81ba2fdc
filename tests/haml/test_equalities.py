"""What algorithms have in common, as equalities; and the known ones, written down plainly."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import hamlet
from hamlet.algorithms import haa2c, happo, hatrpo, ippo, maa2c, mappo
from hamlet.envs.base import Group
from hamlet.estimation.critic import StateValue
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.scheme import Simultaneous
from hamlet.haml.template import create, prepare, update
from hamlet.roster import Roster
from hamlet.spaces import Box, Discrete
from pieces import OBSERVATION, always, moved, same, trajectory, views

SPACES = {"discrete": Discrete(3), "continuous": Box(-1.0, 1.0, (2,))}


def run(algorithm, roster, played, advantage, seed=0):
    """Actors before and after one update."""

    @jax.jit
    def go(played, advantage, key):
        team = create(algorithm, roster, key)
        team = type(team)(moved(team.actors, 7, 0.2), team.states)
        return team.actors, *update(algorithm, roster, team, *prepare(algorithm, roster, played, advantage), key)

    before, after, info = go(played, advantage, jax.random.key(seed))
    return before, after.actors, info


def solo(kind):
    """One agent, its data flattened, and the actor's own log-probabilities of it."""
    group = Group(("solo",), OBSERVATION, SPACES[kind])
    played, advantage = trajectory(1, (group,), (3,))
    observation = jnp.moveaxis(played.view.observation[0], 2, 0).reshape(-1, 1, 4)
    action = jnp.moveaxis(played.action[0], 2, 0).reshape(-1, 1, *group.action.shape)
    credit = np.moveaxis(np.asarray(advantage), 2, 0).reshape(-1)
    credit = jnp.asarray((credit - credit.mean()) / (credit.std() + 1e-5))[:, None]

    def policy(actor):
        return actor(observation, None, jnp.zeros(observation.shape[:2], bool))[0]

    return Roster((group,)), played, advantage, policy, action, credit


def one(actors):
    return jax.tree.map(lambda leaf: leaf[0], actors[0])


def close(found, expected, tolerance):
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_declarations_differ_by_what_sets_the_algorithms_apart():
    assert hamlet.replace(happo(), scheme=Simultaneous()) == mappo() != happo()
    assert hamlet.replace(haa2c(), scheme=Simultaneous()) == maa2c() != haa2c()
    assert hamlet.replace(mappo(), critic=StateValue(sees="observation", credits="own")) == ippo() != mappo()


def test_mappo_is_happo_at_once_and_happo_second_agent_knows_of_the_first():
    group = Group(("first", "second"), OBSERVATION, Discrete(3))
    roster = Roster((group,))
    played, advantage = trajectory(0, roster.groups, (3,))
    settings = {"hidden": (16,), "learning_rate": 0.03, "epochs": 4}
    _, at_once, _ = run(mappo(**settings), roster, played, advantage)
    _, replaced, _ = run(hamlet.replace(happo(**settings), scheme=Simultaneous()), roster, played, advantage)
    _, in_turn, _ = run(happo(**settings, order="fixed"), roster, played, advantage)
    assert same(at_once, replaced)
    unit = lambda actors, k: jax.tree.map(lambda leaf: leaf[k], actors)  # noqa: E731
    close(unit(at_once, 0), unit(in_turn, 0), 1e-6)
    assert not np.allclose(unit(at_once, 1)[0].head.weight, unit(in_turn, 1)[0].head.weight, atol=1e-4)


@pytest.mark.parametrize("kind", always("discrete", of=SPACES))
def test_happo_with_one_agent_is_ppo(kind):
    roster, played, advantage, policy, action, credit = solo(kind)
    algorithm = happo(hidden=(16,), learning_rate=0.01, epochs=4, clip=0.1, entropy=0.02)
    before, after, _ = run(algorithm, roster, played, advantage)

    @jax.jit
    def ppo(actor):
        old = policy(actor).log_prob(action)
        optimiser = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(0.01, eps=1e-5))
        state = optimiser.init(actor)
        for _ in range(4):

            def loss(actor):
                new = policy(actor)
                ratio = jnp.exp(new.log_prob(action) - old)
                clipped = jnp.minimum(ratio * credit, jnp.clip(ratio, 0.9, 1.1) * credit)
                return -clipped.mean() - 0.02 * new.entropy().mean()

            updates, state = optimiser.update(jax.grad(loss)(actor), state)
            actor = optax.apply_updates(actor, updates)
        return actor

    close(one(after), ppo(one(before)), 2e-6)


@pytest.mark.slow
@pytest.mark.parametrize("kind", always("continuous", of=SPACES))
def test_hatrpo_with_one_agent_is_trpo(kind):
    roster, played, advantage, policy, action, credit = solo(kind)
    algorithm = hatrpo(hidden=(4,), radius=0.02, damping=0.1, iterations=60, tries=10, shrink=0.5)
    before, after, info = run(algorithm, roster, played, advantage)
    flat, unravel = ravel_pytree(one(before))
    old = policy(one(before))
    gain = jax.jit(lambda x: (jnp.exp(policy(unravel(x)).log_prob(action) - old.log_prob(action)) * credit).mean())
    divergence = jax.jit(lambda x: old.kl(policy(unravel(x))).mean())
    gradient = np.asarray(jax.grad(gain)(flat), np.float64)
    fisher = np.asarray(jax.jit(jax.hessian(divergence))(flat), np.float64) + 0.1 * np.eye(flat.size)
    direction = np.linalg.solve(fisher, gradient)
    step = np.sqrt(2 * 0.02 / (direction @ fisher @ direction))
    tried, found = 0, False
    while not found:
        candidate, tried = flat + jnp.asarray(step * direction, jnp.float32), tried + 1
        gained = gain(candidate) - gain(flat)
        found = divergence(candidate) <= 0.02 and gained > 0 and gained >= 0.5 * step * (gradient @ direction)
        step *= 0.5
    assert info["line_search_steps"][0] == tried and info["line_search_failed"][0] == 0
    np.testing.assert_allclose(ravel_pytree(one(after))[0], candidate, rtol=2e-3, atol=2e-4)
    np.testing.assert_allclose(info["kl"][0], divergence(candidate), rtol=2e-2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", always("discrete", of=SPACES))
def test_haa2c_with_one_agent_and_one_pass_is_a_step_up_the_policy_gradient(kind):
    roster, played, advantage, policy, action, credit = solo(kind)
    before, after, info = run(haa2c(hidden=(16,), learning_rate=0.01, epochs=1, entropy=0.0), roster, played, advantage)
    gradient = jax.jit(jax.grad(lambda actor: (policy(actor).log_prob(action) * credit).mean()))(one(before))
    np.testing.assert_allclose(info["gradient_norm"][0], optax.global_norm(gradient), rtol=1e-4)
    # Adam's first step: the gradient over its own size and 10⁻⁵.
    expected = jax.tree.map(lambda p, g: p + 0.01 * g / (jnp.abs(g) + 1e-5), one(before), gradient)
    close(one(after), expected, 2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("factory", [mappo, hatrpo], ids=["mappo", "hatrpo"])
def test_sharing_is_one_agent_update_over_everyone_data(factory):
    names, (steps, copies, agents) = ("a", "b", "c"), (6, 4, 3)
    group = Group(names, OBSERVATION, Discrete(3))
    played, advantage = trajectory(2, (group,), (3,), steps=steps, copies=copies)
    algorithm = factory(hidden=(16,), sharing="group", **({"learning_rate": 0.01} if factory is mappo else {}))
    before, together, _ = run(algorithm, Roster((group,), "group"), played, advantage)

    def fold(x):
        """Agents as further copies: ``[C, L, E, N, …]`` to ``[C, L, E·N, 1, …]``."""
        return x.reshape(*x.shape[:2], copies * agents, 1, *x.shape[4:])

    wide = lambda flags: jnp.repeat(flags, agents, axis=2)  # noqa: E731
    view = views(tuple(fold(o) for o in played.view.observation), wide(played.view.state))
    alone = Trajectory(
        view,
        wide(played.start),
        (fold(played.action[0]),),
        fold(played.reward),
        wide(played.terminated),
        wide(played.truncated),
        view,
        (None,),
    )
    roster = Roster((Group(("all",), OBSERVATION, Discrete(3)),))
    started, single, _ = run(algorithm, roster, alone, fold(advantage))
    assert same(before, started)
    close(together, single, 1e-4)
    assert not same(before, together)


def test_the_factor_multiplies_what_a_later_unit_ascends():
    """The second of two agents, alone, on the advantage times the first's ratio: HAPPO's own second move."""
    groups = (Group(("first",), OBSERVATION, Discrete(3)), Group(("second",), OBSERVATION, Box(-1.0, 1.0, (2,))))
    played, advantage = trajectory(3, groups, (3,))
    algorithm = haa2c(hidden=(16,), learning_rate=0.02, epochs=2, entropy=0.0, order="fixed")
    before, after, _ = run(algorithm, Roster(groups), played, advantage)
    flat = lambda x: jnp.moveaxis(x[..., 0, :] if x.ndim == 5 else x[..., 0], 2, 0).reshape(-1, 1, *x.shape[4:])  # noqa: E731

    def log_prob(actors, g):
        actor, seen = jax.tree.map(lambda leaf: leaf[0], actors[g]), flat(played.view.observation[g])
        return actor(seen, None, jnp.zeros(seen.shape[:2], bool))[0].log_prob(flat(played.action[g]))

    factor = jnp.exp(log_prob(after, 0) - log_prob(before, 0))
    credit = np.asarray(flat(advantage[..., 1:]))
    corrected = factor * jnp.asarray((credit - credit.mean()) / (credit.std() + 1e-5))
    optimiser = optax.chain(optax.clip_by_global_norm(10.0), optax.adam(0.02, eps=1e-5))

    @partial(jax.jit, static_argnums=0)
    def ascend(weighted):
        actors, state = before, optimiser.init(before[1])
        old = log_prob(before, 1)
        for _ in range(2):

            def loss(mine):
                ratio = jnp.exp(log_prob((before[0], mine), 1) - old)
                return -(ratio * (corrected if weighted else corrected / factor)).mean()

            updates, state = optimiser.update(jax.grad(loss)(actors[1]), state)
            actors = (before[0], optax.apply_updates(actors[1], updates))
        return actors[1]

    close(after[1], ascend(True), 1e-5)
    with pytest.raises(AssertionError):
        close(after[1], ascend(False), 1e-5)
