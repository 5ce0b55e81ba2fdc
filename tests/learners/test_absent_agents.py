"""Who is absent changes nothing: whatever an absent agent seems to see, do or be allowed, no bit of what is learnt."""

import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hamlet import learners
from hamlet.algorithms import ALGORITHMS, make
from hamlet.envs.base import View
from hamlet.estimation.trajectory import Trajectory
from hamlet.roster import Group, Roster
from hamlet.spaces import Box, Discrete
from pieces import same

T, E, STATE = 10, 4, 5
INF = float("inf")
SMALL = {
    "epochs": 1,
    "critic_epochs": 1,
    "iterations": 2,
    "tries": 2,
    "hidden": (8,),
    "num_envs": E,
    "sequence_length": 5,
}
SMALL |= {"updates_per_rollout": 2, "batch_size": 20, "buffer_size": 80, "warmup": 0, "duelling_hidden": 8}
EPISODES = {"batch_size": 5, "buffer_size": 20, "episode_length": 4, "rnn_size": 0}
# One of each learner and of each way of putting agents together; the others share these.
DEFAULT = ("coma", "qplex", "q_dpp")


def groups(kind):
    """Two agents alike, of whom the second is absent now and then, and one unlike them."""
    actions = (Box(-1.0, 1.0, (2,)), Box(-2.0, 1.0, (1,))) if kind is Box else (Discrete(3), Discrete(2))
    return (
        Group(("a", "b"), Box(-INF, INF, (4,)), actions[0]),
        Group(("c",), Box(-INF, INF, (3,)), actions[1]),
    )


def played(kind, junk=None):
    """Steps in which everything is random; ``junk`` is put wherever the second agent is absent."""
    rng, made = np.random.default_rng(0), groups(kind)
    normal = lambda *shape: rng.standard_normal((T, 1, E, *shape)).astype(np.float32)  # noqa: E731
    ended = rng.random((T, 1, E)) < 0.3
    final = rng.random((T, 1, E)) < 0.5
    start = np.concatenate([np.ones((1, 1, E), bool), ended[:-1]])
    here = rng.random((T + 1, 1, E)) < 0.6

    def view(present):
        mask = (rng.random((T, 1, E, 2, 3)) < 0.6) | (np.arange(3) == 1)
        seen, masks = [normal(2, 4), normal(1, 3)], [mask if kind is Discrete else None, None]
        if junk is not None:
            seen[0][..., 1, :] = np.where(present[..., None], seen[0][..., 1, :], junk)
            if masks[0] is not None:
                masks[0][..., 1, :] = np.where(present[..., None], masks[0][..., 1, :], junk > 0)
        alive = np.stack([np.ones_like(present), present, np.ones_like(present)], -1)
        return View(tuple(seen), normal(STATE), tuple(masks), alive)

    def act(group):
        if kind is Box:
            return rng.uniform(*group.action.bounds, (T, 1, E, len(group.names), *group.action.shape)).astype(
                np.float32
            )
        return np.minimum(rng.integers(1, 3, (T, 1, E, len(group.names))), group.action.n - 1).astype(np.int32)

    first, arrival, actions = view(here[:-1]), view(here[1:]), [act(group) for group in made]
    if junk is not None:
        present = here[:-1] if kind is Discrete else here[:-1, ..., None]
        worst = np.sign(junk) if kind is Box else 2 * (junk > 0)
        actions[0][:, :, :, 1] = np.where(present, actions[0][:, :, :, 1], worst)
    reward = normal(3)
    reward[..., 1] = np.where(here[:-1], reward[..., 1], 0.0)
    memory = (None, None)
    steps = Trajectory(
        first,
        start,
        tuple(actions),
        reward,
        ended & final,
        ended & ~final,
        arrival,
        memory,
        np.zeros((T, 1, E, 3), bool),
    )
    return jax.tree.map(jnp.asarray, steps)


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in DEFAULT else pytest.mark.slow) for n in ALGORITHMS])
def test_whatever_an_absent_agent_seems_to_see_or_do_no_bit_of_what_is_learnt_changes(name):
    known = inspect.signature(ALGORITHMS[name]).parameters
    own = SMALL | (EPISODES if "episode_length" in known else {})
    algorithm = make(name, **{key: value for key, value in own.items() if key in known}, rollout_length=T)
    kind = Discrete if "Discrete" in algorithm.actions else Box
    roster = Roster(groups(kind), algorithm.sharing)

    @jax.jit
    def begin():
        learner = learners.init(algorithm, roster, (STATE,), jax.random.key(0))
        return learner, learners.empty(algorithm, lambda: played(kind))

    step = jax.jit(partial(learners.step, algorithm, roster, (STATE,)))
    start = begin()
    learner, _, *infos = step(*start, played(kind), jax.random.key(1))
    assert not same(learner.team.actors, start[0].team.actors)
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves((learner, infos)))
    for junk in (30.0, -3.0):
        other, _, *others = step(*start, played(kind, junk), jax.random.key(1))
        changed = [
            jax.tree_util.keystr(path)
            for (path, one), two in zip(
                jax.tree_util.tree_leaves_with_path((learner, infos)), jax.tree.leaves((other, others)), strict=True
            )
            if not same(one, two)
        ]
        assert not changed, changed
