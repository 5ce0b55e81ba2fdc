"""The one place that knows the kinds of environments apart."""

from hamlet.envs.host import AnyEnvironment
from hamlet.training.compiled import Compiled
from hamlet.training.host import Hosted
from hamlet.training.program import Venue


def venue(env: AnyEnvironment) -> Venue:
    """Where the games of an environment are played."""
    # By the class: an instance would be asked for properties, for which some must begin to play.
    return Hosted(env) if hasattr(type(env), "open") else Compiled(env)  # type: ignore[arg-type]
