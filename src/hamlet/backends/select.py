"""The one place that knows the kinds of environments apart."""

from hamlet.backends.backend import Backend
from hamlet.backends.host_backend import HostBackend
from hamlet.backends.jax_backend import JaxBackend
from hamlet.envs.host import AnyEnvironment
from hamlet.rollouts.seats import Seats


def backend_of(env: AnyEnvironment, seats: Seats | None = None) -> Backend:
    """Where the games of an environment are played; with ``seats`` other teams act in some of them while one learns."""
    # By the class: an instance would be asked for properties, for which some must begin to play.
    return HostBackend(env, seats) if hasattr(type(env), "open") else JaxBackend(env, seats)  # type: ignore[arg-type]
