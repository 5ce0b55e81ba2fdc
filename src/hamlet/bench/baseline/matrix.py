"""Measure the machine's matrix rate: operations per second of matrix products with the shapes of a training update."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np


@dataclass(frozen=True)
class MatrixRate:
    """Operations per second of a ``rows × width`` by ``width × width`` product in float32, the fastest repeat."""

    numpy: float
    jax: float

    @property
    def best(self) -> float:
        """The greater of the two rates."""
        return max(self.numpy, self.jax)


def matrix_rate(rows: int = 4000, width: int = 128, *, repeats: int = 300) -> MatrixRate:
    """Measure the matrix rate with NumPy and with JAX."""
    generator = np.random.default_rng(0)
    a, b = (generator.random(shape, np.float32) for shape in ((rows, width), (width, width)))
    product, on_device = jax.jit(jnp.matmul), (jnp.asarray(a), jnp.asarray(b))
    operations = 2.0 * rows * width * width
    return MatrixRate(
        operations / _fastest(lambda: a @ b, repeats),
        operations / _fastest(lambda: product(*on_device).block_until_ready(), repeats),
    )


def _fastest(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times[2:])
