"""The lines that a run prints before it trains: device, network sizes, remarks on the environment, warnings."""

from collections.abc import Callable, Sequence

from hamlet import machine
from hamlet.backends import devices
from hamlet.backends.select import backend_of
from hamlet.envs.host import AnyEnvironment
from hamlet.learners import Algorithm
from hamlet.networks.heads import parameter_count
from hamlet.streams import declared_streams
from hamlet.types import Device

Say = Callable[[str], None]
# With more groups, a line warns that compilation is slow: a program grows with its groups, not with its agents.
_MANY_GROUPS = 8
# CPU seconds on one core before the first iteration: for one group, and for each further group (record `crowds`).
_FIRST, _FURTHER = 18.0, 7.0


def preparation(groups: int) -> float:
    """Return the approximate CPU seconds on one core before the first iteration, measured with HAPPO's defaults."""
    return _FIRST + _FURTHER * (groups - 1)


def describe(algorithm: Algorithm, env: AnyEnvironment, used: Sequence[Device], say: Say) -> None:
    """Print the device, the network sizes, the environment's remarks, and why the theory does not cover the run."""
    outline = backend_of(env).outline(algorithm)
    actors, critics = (parameter_count(n) for n in (outline.learner.team.actors, outline.learner.critic.networks))
    kind = f"{len(used)} × {used[0].device_kind}" if len(used) > 1 else used[0].device_kind
    say(f"device {kind} ({used[0].platform}), {machine.cores()} threads")
    if line := devices.overlooked_gpu():
        say(line)
    say(f"{actors:,} parameters in actors, {critics:,} in critics")
    for line in backend_of(env).remarks:
        say(line)
    if len(env.groups) > _MANY_GROUPS:
        say(
            f"{len(env.groups)} groups of agents with different observation or action spaces: each group is compiled "
            f"separately, which takes about {_spoken(preparation(len(env.groups)))} on one core in total; agents with "
            "equal spaces form one group"
        )
    for stream in declared_streams(env):
        learnt = "; agents are trained on it instead of the reward" if stream.critic == "reward" else ""
        say(f"every step also returns the stream {stream.describe()}{learnt}")
    if algorithm.critic.credits == "team":
        say("every agent is trained on the team's reward, which is the sum of all agents' rewards")
    if reason := algorithm.leaves_theory:
        say(f"the theory does not cover this configuration: {reason}")


def _spoken(seconds: float) -> str:
    """Return an approximate duration as text.

    >>> _spoken(95.0), _spoken(412.0)
    ('95 seconds', '7 minutes')
    """
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
