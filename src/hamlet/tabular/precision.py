"""64-bit arithmetic for the tabular programs only.

JAX computes in 32 bits by default. Enabling 64 bits for the whole process would change the results of every training
run. Here a program is compiled and run within a context, and its results are NumPy arrays.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def exactly(program: Callable[..., Any], *arguments: Any) -> Any:
    """Run a compiled program in 64 bits: float64 NumPy arrays in, float64 NumPy arrays out."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, program(*arguments))
