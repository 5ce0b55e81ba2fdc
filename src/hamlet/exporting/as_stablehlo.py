"""Export of a policy as StableHLO, with `jax.export`."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
from jax import export

from hamlet.exporting.decision import Port

# One file contains the program for all these platforms.
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")


def serialised(function: Callable[..., Any], inputs: Sequence[Port]) -> bytes:
    """Serialise the policy of one agent; `jax.export.deserialize` reads the result.

    Args:
        function: The policy, a function from the inputs in their order to the outputs.
        inputs: The inputs of the policy. In this format all inputs are required.
    """
    shapes = [jax.ShapeDtypeStruct(port.shape, port.dtype) for port in inputs]
    return bytes(export.export(jax.jit(function), platforms=_PLATFORMS)(*shapes).serialize())
