"""The one place that knows the kinds of environments apart."""

from hamlet.backends.backend import Backend
from hamlet.backends.host_backend import HostBackend
from hamlet.backends.jax_backend import JaxBackend
from hamlet.envs.host import AnyEnvironment
from hamlet.rollouts.seats import Seating


def backend_of(env: AnyEnvironment, seating: Seating | None = None) -> Backend:
    """Where the games of an environment are played; with ``seating`` other teams act in some of their seats."""
    # By the class: an instance would be asked for properties, for which some must begin to play.
    return HostBackend(env, seating) if hasattr(type(env), "open") else JaxBackend(env, seating)  # type: ignore[arg-type]
