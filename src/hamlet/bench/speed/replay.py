"""Measure the time of a sample from the replay buffer, and of an iteration of HATD3, by the number of stored steps."""

import statistics
import time
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from hamlet import presets
from hamlet.backends import devices
from hamlet.backends.jax_backend import JaxBackend, begin_training
from hamlet.buffers import replay as ring
from hamlet.envs.mpe.simple_spread import SimpleSpread
from hamlet.haml.template import Haml

_DRAWS = 200


def measure(rounds: int = 10) -> dict[str, Any]:
    """Measure the seconds of a sample of 1,000 steps of continuous spread, and the seconds of an iteration of HATD3.

    Both are measured with two buffers: the first contains one rollout, and the second (``full``) contains a million
    steps. The buffers are timed alternately, so that changes of the machine's speed affect both. The time of a
    sample is the mean of 200 samples in one compiled call. An iteration of HATD3 has the paper's settings: a rollout
    and 50 updates.
    """
    algorithm = presets.find("paper/mpe", "hatd3")(warmup=0)
    buffer = begin_training(algorithm, SimpleSpread(), 0).replay
    assert buffer is not None
    rows, copies = buffer.steps.episode.shape
    fills = {"begun": algorithm.sampling.steps, "full": rows}

    @jax.jit
    def draw(replay: ring.Replay, key: Any) -> Any:
        def one(number: Any, total: Any) -> Any:
            batch = ring.sample(replay, 1000, jax.random.fold_in(key, number), discount=0.99, window=1)
            return total + sum(leaf.sum() for leaf in jax.tree.leaves((batch.view, batch.arrival, batch.reward)))

        return jax.lax.fori_loop(0, _DRAWS, one, jnp.zeros(()))

    spent: dict[str, list[float]] = {name: [] for name in fills}
    for number in range(rounds + 1):
        for name, filled in fills.items():
            replay = ring.Replay(buffer.steps, jnp.int32(filled % rows), jnp.int32(filled))
            began = time.perf_counter()
            jax.block_until_ready(draw(replay, jax.random.key(number)))
            if number:  # the first compiles
                spent[name].append((time.perf_counter() - began) / _DRAWS)
    iterations = _iterations(algorithm, fills, rounds)
    ratios = [full / begun for begun, full in zip(spent["begun"], spent["full"], strict=True)]
    return {
        "steps_held": {name: filled * copies for name, filled in fills.items()},
        "bytes": sum(np.dtype(leaf.dtype).itemsize * leaf.size for leaf in jax.tree.leaves(buffer)),
        "seconds_per_sample": spent,
        "ratio": statistics.median(ratios),
        "seconds_per_iteration": iterations,
        "iteration_ratio": statistics.median(
            full / begun for begun, full in zip(iterations["begun"], iterations["full"], strict=True)
        ),
    }


def _iterations(algorithm: Haml, fills: dict[str, int], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of iterations that start with each of the two buffers."""
    place = JaxBackend(SimpleSpread())
    program = place.compile(algorithm, devices.select(None), 0)
    training = program.place(place.begin(algorithm)(0))
    spent: dict[str, list[float]] = {name: [] for name in fills}
    for number in range(rounds + 1):
        for name, filled in fills.items():
            held = training.replay
            assert held is not None
            counts = (jnp.int32(filled % held.steps.episode.shape[0]), jnp.int32(filled))
            training = eqx.tree_at(lambda tree: (tree.replay.head, tree.replay.filled), training, counts)
            began = time.perf_counter()
            training, _ = program.call(training, jnp.int32(1), jnp.int32(1_000_000))
            jax.block_until_ready(training)
            if number:
                spent[name].append(time.perf_counter() - began)
    return spent
