"""Algorithms that learn from replayed steps, as small as tests want them."""

import inspect

import jax
import numpy as np

import hamlet
from games import Pot
from hamlet.algorithms import ALGORITHMS
from hamlet.backends import device_replay
from hamlet.backends.iteration import with_replay
from hamlet.backends.jax_backend import begin_training
from hamlet.backends.select import backend_of
from hamlet.checkpoints import run_state
from hostgames import Ride

COPIES, STEPS, UPDATES = 4, 12, 4
BATCH = COPIES * STEPS
# A ring of three rollouts, which begins to overwrite itself in the fourth; the first is played to warm up.
SMALL = {
    "hidden": (16,),
    "num_envs": COPIES,
    "rollout_length": STEPS,
    "updates_per_rollout": UPDATES,
    "batch_size": 32,
    "buffer_size": 3 * BATCH,
    "warmup": BATCH,
}
# Of those that replay whole episodes: five at once, of at most so many steps.
EPISODES = {"batch_size": 5, "buffer_size": 40, "episode_length": 10, "rnn_size": 8}
# Those that replay, and the others.
NAMES = [name for name, factory in ALGORITHMS.items() if "buffer_size" in inspect.signature(factory).parameters]
ON_POLICY = [name for name in ALGORITHMS if name not in NAMES]
# Those of the others that act in every kind of space and see whatever there is to see.
EVERYWHERE = [name for name in ON_POLICY if "Box" in ALGORITHMS[name]().actions]


def remembering(name="hatd3", **settings):
    """One of them."""
    known = inspect.signature(ALGORITHMS[name]).parameters
    small = SMALL | EPISODES if "episode_length" in known else SMALL
    return hamlet.algorithms.make(name, **({key: value for key, value in small.items() if key in known} | settings))


def tried(name, **settings):
    """One of them, as often saved as updated, and a game that it can play."""
    often = {"rollout_length": 8}
    if "warmup" in inspect.signature(ALGORITHMS[name]).parameters:
        often |= {"warmup": 5 * 32, "buffer_size": 25 * 32}
    algorithm = remembering(name, **(often | settings))
    return algorithm, Ride() if "Box" in algorithm.actions else Pot()


def remembered(run):
    """What a run's newest good checkpoint remembers, as numpy arrays."""
    env = getattr(run.environment, "env", run.environment)  # the game itself, where it is played on the host
    like = jax.eval_shape(lambda: begin_training(run.algorithm, env, 0)).replay
    found = run_state.restore(run.directory, backend_of(run.environment).outline(run.algorithm))
    where = jax.tree.map(lambda _: jax.sharding.SingleDeviceSharding(jax.devices()[0]), like)
    training = with_replay(found.training, device_replay.placed(None, like, where))
    played = int(found.training.iteration) * run.algorithm.sampling.steps
    return jax.tree.map(np.asarray, run_state.recalled(run.directory, training, played, found.segments).replay)
