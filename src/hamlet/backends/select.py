"""The one place that knows the kinds of environments apart."""

from hamlet.backends.backend import Backend
from hamlet.backends.host_backend import HostBackend
from hamlet.backends.jax_backend import JaxBackend
from hamlet.envs.host import AnyEnvironment


def backend_of(env: AnyEnvironment) -> Backend:
    """Where the games of an environment are played."""
    # By the class: an instance would be asked for properties, for which some must begin to play.
    return HostBackend(env) if hasattr(type(env), "open") else JaxBackend(env)  # type: ignore[arg-type]
