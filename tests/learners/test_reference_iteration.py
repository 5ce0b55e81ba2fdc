"""Two iterations, number for number, beside those of the reference implementation (PKU-MARL/HARL at d539bad).

``tests/reference.npz`` holds numbers alone. They were made once: the reference's own runners, with the tuned files of
its simple spread, were given the same rollout of mpe2's spread in both kinds of actions, with log-probabilities and
values by the networks as they stood, and asked for returns, for the sweep in a given order, and for the critic's fit;
then once more, with Adam's moments and the normaliser as they were by then. Hidden layers are of 8, and 4 copies play
16 steps. All weights are moved away from where they begin, but those of HATRPO's actors, whose conjugate gradients then
lose too many digits in single precision. Copy 0's episode ends for good within the second rollout, the others' are cut
there. The off-policy numbers are two updates from given batches with given noise.

Layouts: an actor is its layers' scale, shift, weight and bias one after another, then the deviations' parameter.

What is the reference's own way, and is therefore asked of ours here by a part of these tests:

* a cut step has advantage 0 there and returns its own value (`CutToValue`); ours bootstraps it from its final view;
* a normaliser without data has deviation 0.1 there, ours 1: here it begins with a weight of nearly nothing;
* the entropy's weight on continuous actions is the files' 0.01, where ``paper/mpe`` has what it acted as, 40;
* for HATRPO on choices the reference sums exp(d) − 1 − d over the actions rather than the divergence: the numbers are
  those with the divergence in its place.
"""

import dataclasses
from functools import lru_cache
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from hamlet import algorithms, envs, presets
from hamlet.backends.iteration import roster_of
from hamlet.buffers.replay import Sample
from hamlet.envs.base import Group, View
from hamlet.estimation.advantage import Gae, ends
from hamlet.estimation.trajectory import Trajectory
from hamlet.haml.scheme import Sequential
from hamlet.learners import policy, replay
from hamlet.roster import Roster
from hamlet.spaces import Box
from pieces import always

NUMBERS = Path(__file__).parents[1] / "reference.npz"
STEPS, COPIES = 16, 4
ORDERS = ((2, 0, 1), (1, 2, 0))
CASES = [f"{name} {kind}" for kind in ("discrete", "continuous") for name in ("happo", "hatrpo", "mappo", "haa2c")]


@lru_cache
def numbers():
    with np.load(NUMBERS) as held:
        return dict(held)


@dataclasses.dataclass(frozen=True, kw_only=True)
class CutToValue(Gae):
    """The reference's time limits: a cut step has advantage 0, and nothing is taken from what it arrived at."""

    def __call__(self, trajectory, estimate, critic):
        shape = estimate.value.shape
        value, reward = rows(estimate.value), rows(critic.paid(trajectory, 1))
        ended = rows(jnp.broadcast_to(ends(trajectory, own=False)[1], shape))
        kept = ~rows(jnp.broadcast_to(trajectory.truncated[..., None], shape))
        following = jnp.concatenate([value[1:], rows(estimate.next_value)[-1:]])
        error = reward + jnp.where(ended, 0.0, self.discount) * following - value
        decay = jnp.where(ended, 0.0, self.discount * self.lambda_)

        def back(later, now):
            error, decay, kept = now
            advantage = jnp.where(kept, error + decay * later, 0.0)
            return advantage, advantage

        advantage = jax.lax.scan(back, jnp.zeros_like(error[0]), (error, decay, kept), reverse=True)[1].reshape(shape)
        return advantage, advantage + estimate.value


@dataclasses.dataclass(frozen=True)
class Watched(Sequential):
    """A sweep that also tells the factor M that every agent met."""

    def sweep(self, visit, team, carry, units, key):
        def watched(unit, team, carry, key):
            team, after, info = visit(unit, team, carry, key)
            return team, after, info | {"factor": carry}

        return super().sweep(watched, team, carry, units, key)


def rows(array):
    return array.reshape(-1, *array.shape[2:])


def key_of(order):
    """A key by which a learner's sweep goes in this order."""
    for seed in range(1000):
        key = jax.random.key(seed)
        order_key = jax.random.split(jax.random.split(key)[0])[0]
        if tuple(jax.random.permutation(order_key, 3).tolist()) == order:
            return key
    raise AssertionError(order)


def declared(name, kind, advantage=CutToValue):
    env = envs.make("mpe/simple_spread", continuous=kind == "continuous")
    changes = {"hidden": (8, 8), "num_envs": COPIES, "rollout_length": STEPS}
    changes |= {} if name == "hatrpo" else {"entropy": 0.01}
    made = presets.find("paper/mpe", name, env)(**changes)
    made = dataclasses.replace(made, advantage=advantage(discount=0.99, lambda_=0.95))
    return env, made if name == "mappo" else dataclasses.replace(made, scheme=Watched())


def rollout(kind, start):
    """The given rollout's steps from ``start`` on."""
    held, now = numbers(), slice(start, start + STEPS)
    observation, done, cut = (held[f"{kind}/{name}"] for name in ("obs", "done", "bad"))
    arrived = observation[1:].copy()
    arrived[done] = held[f"{kind}/final"]

    def view(seen):
        seen = jnp.asarray(seen)[:, None]
        return View((seen,), seen.reshape(*seen.shape[:3], -1), (None,), None)

    def chunks(array):
        return jnp.asarray(array)[:, None]

    fresh = np.concatenate([np.ones((1, COPIES), bool), done[:-1]])
    action = held[f"{kind}/action"].astype(np.int32 if kind == "discrete" else np.float32)
    return Trajectory(
        view(observation[:-1][now]),
        chunks(fresh[now]),
        (chunks(action[now]),),
        # The reference gives every agent the sum of their rewards: so does our critic.
        chunks(np.repeat(held[f"{kind}/reward"][now][..., None] / 3, 3, -1)),
        chunks((done & ~cut)[now]),
        chunks((done & cut)[now]),
        view(arrived[now]),
        (None,),
    )


def flat(stack):
    """Networks stacked by unit as rows of numbers."""
    units = jax.tree.leaves(stack)[0].shape[0]
    return np.stack([ravel_pytree(jax.tree.map(lambda leaf, u=u: leaf[u], stack))[0] for u in range(units)])


def filled(stack, given):
    """Networks of the same form with the given rows of numbers."""
    unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], stack))[1]
    return jax.vmap(unravel)(jnp.asarray(given))


def begun(name, kind, env, algorithm, roster):
    """Our learner with the reference's first weights."""
    held = numbers()
    learner = jax.eval_shape(lambda: policy.init(algorithm, roster, env.state_shape, jax.random.key(0)))
    learner = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), learner)
    networks = (learner.team.actors[0], learner.critic.networks[0])
    given = (held[f"{kind}/{name}/actors"][0], held[f"{kind}/{name}/critic"][:1])
    networks = tuple(filled(stack, numbers) for stack, numbers in zip(networks, given, strict=True))
    where = lambda tree: (tree.team.actors[0], tree.critic.networks[0], tree.critic.moments[0].weight)  # noqa: E731
    return eqx.tree_at(where, learner, (*networks, jnp.full(1, 1e-30)))


def near(found, expected, tolerance=1e-4):
    """Within a share of the largest number."""
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=0, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("case", always("happo discrete", "hatrpo continuous", of=CASES))
def test_two_iterations_are_the_references(case):
    name, kind = case.split()
    env, algorithm = declared(name, kind)
    roster = roster_of(algorithm, env)
    learner = begun(name, kind, env, algorithm, roster)

    @jax.jit
    def iterate(learner, trajectory, key):
        seen_by = algorithm.critic.roster(roster, env.state_shape)
        estimate = algorithm.critic.estimate(learner.critic, seen_by, trajectory, learner.memory)
        credit = algorithm.advantage(trajectory, estimate, algorithm.critic)
        return estimate.value, credit, policy.step(algorithm, roster, env.state_shape, learner, trajectory, key)

    for number, order in enumerate(ORDERS):
        held = {part: array for part, array in numbers().items() if part.startswith(f"{kind}/{name}/")}
        given = lambda part, at=number, held=held: held[f"{kind}/{name}/{part}"][at]  # noqa: E731
        value, (advantage, returns), (after, info, _) = iterate(learner, rollout(kind, number * STEPS), key_of(order))
        near(value[:, 0, :, 0], given("values")[:-1])
        near(advantage[:, 0, :, 0], given("advantages"))
        near(returns[:, 0, :, 0], given("returns"))
        if "factor" in info:
            near(info["factor"].reshape(3, COPIES, STEPS).swapaxes(1, 2), given("factors"), 5e-4)
        pairs = (
            (flat(after.team.actors[0]), flat(learner.team.actors[0]), held[f"{kind}/{name}/actors"]),
            (flat(after.critic.networks[0])[0], flat(learner.critic.networks[0])[0], held[f"{kind}/{name}/critic"]),
        )
        for found, before, expected in pairs:
            near(found, expected[number + 1])
            # The moves themselves, of which single precision leaves fewer digits than of the weights.
            near(found - before, expected[number + 1] - expected[number], 5e-3)
        moments, (first, second, weight) = after.critic.moments[0], given("normaliser")
        near(moments.mean, [[first / weight]])
        near(moments.std, [[np.sqrt(second / weight - (first / weight) ** 2)]])
        learner = after


def test_all_that_ours_does_otherwise_at_a_time_limit_is_to_bootstrap_from_the_final_view():
    held, kind, learnt = numbers(), "discrete", {}
    trajectory = rollout(kind, STEPS)
    env, theirs = declared("happo", kind)
    ours = dataclasses.replace(theirs, advantage=Gae(discount=0.99, lambda_=0.95))
    roster = roster_of(ours, env)
    learner = begun("happo", kind, env, theirs, roster)
    seen_by = theirs.critic.roster(roster, env.state_shape)
    estimate = theirs.critic.estimate(learner.critic, seen_by, trajectory, learner.memory)
    for name, algorithm in (("ours", ours), ("theirs", theirs)):
        learnt[name] = np.asarray(algorithm.advantage(trajectory, estimate, theirs.critic)[0])[:, 0, :, 0]
    (cut,) = set(np.flatnonzero(held[f"{kind}/bad"][STEPS:].any(1)).tolist())
    apart = learnt["ours"] - learnt["theirs"]
    value, after = (np.asarray(x)[:, 0, :, 0] for x in (estimate.value, estimate.next_value))
    error = held[f"{kind}/reward"][STEPS + cut] + 0.99 * after[cut] - value[cut]
    expected = np.zeros_like(apart)
    expected[: cut + 1, 1:] = (0.99 * 0.95) ** (cut - np.arange(cut + 1))[:, None] * error[None, 1:]
    np.testing.assert_allclose(apart, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize("name", always("hatd3", of=("haddpg", "hatd3")))
def test_two_replayed_updates_are_the_references(name, monkeypatch):
    held = {part.rsplit("/", 1)[1]: array for part, array in numbers().items() if part.startswith(f"replayed/{name}/")}
    algorithm = algorithms.make(
        name, hidden=(8, 8), learning_rate=5e-4, critic_learning_rate=1e-3, batch_size=24, buffer_size=1000, warmup=0
    )
    names = ("a", "b", "c")
    roster = Roster((Group(names, Box(-float("inf"), float("inf"), (6,)), Box(-1.0, 1.0, (2,))),))
    learner = replay.init(algorithm, roster, (9,), jax.random.key(0))
    critics = tuple(
        jax.tree.map(lambda leaf: leaf[0], filled(jax.tree.map(lambda leaf: leaf[None], network), row[None]))
        for network, row in zip(learner.critic.networks, held["critics"][0], strict=True)
    )
    actors = (filled(learner.team.actors[0], held["actors"][0]),)
    where = lambda tree: (tree.team.actors, tree.targets, tree.critic.networks, tree.critic.targets)  # noqa: E731
    learner = eqx.tree_at(where, learner, (actors, actors, critics, critics))
    given = {}
    monkeypatch.setattr(replay.ring, "sample", lambda *_, **__: given["sample"])
    monkeypatch.setattr(replay, "noise", lambda *_: given["noise"])

    @jax.jit
    def update(learner, sample, noise, key):
        given.update(sample=sample, noise=noise[:, None])
        nothing = jnp.zeros((), bool)
        steps = replay.ring.Steps(sample.view, sample.action, sample.reward, nothing, nothing, sample.arrival)
        held = replay.ring.Replay(steps, jnp.int32(0), jnp.int32(0))
        return replay._update(algorithm, roster, held, learner, key, remaining=1.0)[0]

    for number, order in enumerate(ORDERS):
        at = {part: array[number] for part, array in held.items()}
        over = lambda seen, state: View((jnp.moveaxis(jnp.asarray(seen), 0, 1),), jnp.asarray(state), (None,), None)  # noqa: E731
        sample = Sample(
            over(at["obs"], at["state"]),
            (jnp.moveaxis(jnp.asarray(at["action"]), 0, 1),),
            jnp.asarray(np.repeat(at["reward"] / 3, 3, -1)),
            jnp.asarray(0.99 * (1.0 - at["term"][:, 0].astype(np.float32))),
            over(at["next_obs"], at["next_state"]),
        )
        learner = update(learner, sample, jnp.asarray(at["noise"]), replayed_key(order))
        pairs = (
            ("actors", flat(learner.team.actors[0])),
            ("target_actors", flat(learner.targets[0])),
            ("critics", np.stack([ravel_pytree(network)[0] for network in learner.critic.networks])),
            ("target_critics", np.stack([ravel_pytree(network)[0] for network in learner.critic.targets])),
        )
        for part, found in pairs:
            near(found, held[part][number + 1])
            if number == 1 and not part.startswith("target"):
                near(found - held[part][0], held[part][2] - held[part][0], 5e-3)


def replayed_key(order):
    """A key by which an update's sweep goes in this order."""
    for seed in range(1000):
        key = jax.random.key(seed)
        actor_key = jax.random.split(key, 3)[2]
        order_key = jax.random.split(jax.random.split(actor_key, 3)[2])[0]
        if tuple(jax.random.permutation(order_key, 3).tolist()) == order:
            return key
    raise AssertionError(order)
