"""Array aliases, with the axis letters used throughout the library.

    T  time                 E  environment copies        N  agents of one group
    n  all agents           K  agents of one unit        B  flattened batch
    L  steps of a sequence  O  observation               S  state of the critic
    A  discrete actions     D  continuous dimensions     H  memory of a network

Storage order is ``T E N …``, group by group. Agents are numbered group by group.
"""

from typing import Any, TypeAlias

import jax
from jaxtyping import Array, Float, PRNGKeyArray

Key: TypeAlias = PRNGKeyArray
Scalar: TypeAlias = Float[Array, ""]
# A type checker treats `jax.Device` as a variable, not as a type.
Device: TypeAlias = Any
Info: TypeAlias = dict[str, jax.Array]
