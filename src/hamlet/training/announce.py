"""What a person is told of a run before minutes are spent on it."""

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
# Beyond which it is said that compiling takes its time: a program grows with its groups, not with its agents.
_MANY_GROUPS = 8
# Seconds of a core before the first iteration: with one group, and for each further one (record `crowds`).
_FIRST, _FURTHER = 18.0, 7.0


def preparation(groups: int) -> float:
    """Seconds of a core that are spent before the first iteration, about: as measured with HAPPO's defaults."""
    return _FIRST + _FURTHER * (groups - 1)


def describe(algorithm: Algorithm, env: AnyEnvironment, used: Sequence[Device], say: Say) -> None:
    """Where it computes, how large its networks are, what its environment says, and whether it leaves the theory."""
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
            f"{len(env.groups)} groups of agents with unlike spaces: the program has a part for each, and compiling it "
            f"takes about {_spoken(preparation(len(env.groups)))} of a core; agents with equal spaces are one group"
        )
    for stream in declared_streams(env):
        learnt = "; agents learn from it in place of the reward" if stream.critic == "reward" else ""
        say(f"every step also pays {stream.describe()}{learnt}")
    if algorithm.critic.credits == "team":
        say("every agent is trained on the team's reward: the sum over agents")
    if reason := algorithm.leaves_theory:
        say(f"this leaves the theory: {reason}")


def _spoken(seconds: float) -> str:
    """About how long, in words.

    >>> _spoken(95.0), _spoken(412.0)
    ('95 seconds', '7 minutes')
    """
    return f"{seconds:.0f} seconds" if seconds < 120 else f"{seconds / 60:.0f} minutes"
