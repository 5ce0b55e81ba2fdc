"""Sixty-four bits for the tabular programs, and for nothing else.

JAX computes in 32 bits unless it is told otherwise, and telling it so for the whole process would change the bits of
every training run. Here a program is compiled and run within a context, and what leaves it is NumPy.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def exactly(program: Callable[..., Any], *arguments: Any) -> Any:
    """A compiled program's result from float64 NumPy arrays, in float64 NumPy arrays."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, program(*arguments))
