"""A policy as StableHLO, through `jax.export`."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import export

from hamlet.exporting.decision import Port

# One file for all of them.
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def serialised(function: Callable[..., Any], inputs: Sequence[Port]) -> bytes:
    """The function of one agent, for `jax.export.deserialize`.

    Args:
        function: From the inputs, in their order, to the outputs.
        inputs: What it takes; here none may be left out.
    """
    shapes = [jax.ShapeDtypeStruct(port.shape, port.dtype) for port in inputs]
    return bytes(export.export(jax.jit(function), platforms=_PLATFORMS)(*shapes).serialize())
