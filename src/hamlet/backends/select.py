"""Selects the environment backend of an environment."""

from hamlet.backends.backend import Backend
from hamlet.backends.host_backend import HostBackend
from hamlet.backends.jax_backend import JaxBackend
from hamlet.envs.host import AnyEnvironment
from hamlet.rollouts.seats import Seating


def backend_of(env: AnyEnvironment, seating: Seating | None = None) -> Backend:
    """Return the environment's backend; with ``seating``, other teams act in some of the seats."""
    # Look at the class: on an instance, hasattr computes properties, and some properties start the environment.
    return HostBackend(env, seating) if hasattr(type(env), "open") else JaxBackend(env, seating)  # type: ignore[arg-type]
