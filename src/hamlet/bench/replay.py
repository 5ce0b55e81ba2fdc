"""What a sample from the replay buffer costs, whatever it holds."""

import statistics
import time
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hamlet import presets
from hamlet.buffers import replay as ring
from hamlet.envs.simple_spread import SimpleSpread
from hamlet.training.compiled import begin_training

_DRAWS = 200


def measure(rounds: int = 10) -> dict[str, Any]:
    """Seconds of a sample of 1,000 steps of continuous spread: from a buffer just begun and from a full million.

    Turn by turn, each the mean of 200 samples in one compiled call, so that a drift of the machine meets both.
    """
    algorithm = presets.find("paper/mpe", "hatd3")()
    whole = begin_training(algorithm, SimpleSpread(), 0).replay
    assert whole is not None
    rows, copies = whole.steps.ended.shape
    fills = {"begun": algorithm.sampling.steps, "full": rows}

    @jax.jit
    def draw(replay: ring.Replay, key: Any) -> Any:
        def one(number: Any, total: Any) -> Any:
            found = ring.sample(replay, 1000, jax.random.fold_in(key, number), discount=0.99, window=1)
            return total + sum(leaf.sum() for leaf in jax.tree.leaves((found.view, found.arrival, found.reward)))

        return jax.lax.fori_loop(0, _DRAWS, one, jnp.zeros(()))

    spent: dict[str, list[float]] = {name: [] for name in fills}
    for number in range(rounds + 1):
        for name, filled in fills.items():
            replay = ring.Replay(whole.steps, jnp.int32(filled % rows), jnp.int32(filled))
            began = time.perf_counter()
            jax.block_until_ready(draw(replay, jax.random.key(number)))
            if number:  # the first compiles
                spent[name].append((time.perf_counter() - began) / _DRAWS)
    ratios = [full / begun for begun, full in zip(spent["begun"], spent["full"], strict=True)]
    return {
        "steps_held": {name: filled * copies for name, filled in fills.items()},
        "bytes": sum(np.dtype(leaf.dtype).itemsize * leaf.size for leaf in jax.tree.leaves(whole)),
        "seconds_per_sample": spent,
        "ratio": statistics.median(ratios),
    }
