"""Checks before training starts: whether this algorithm can train on this environment."""

from collections.abc import Sequence
from typing import Any

from hamlet import learners
from hamlet.algorithms import ALGORITHMS
from hamlet.backends.iteration import roster_of
from hamlet.backends.select import backend_of
from hamlet.envs.host import AnyEnvironment, measures
from hamlet.errors import RequestError, require
from hamlet.learners import Algorithm
from hamlet.roster import Roster
from hamlet.streams import declared_streams

# The iteration counter has 32 bits.
_MOST_ITERATIONS = 2**31 - 1


def check(algorithm: Algorithm, env: AnyEnvironment, *, steps: int) -> None:
    """Check that the algorithm can train on the environment for ``steps`` environment steps.

    Raises:
        RequestError: If it cannot. The error states the problem, the reason, and the nearest valid request.
    """
    require(steps >= 1, f"--steps must be at least 1, got {steps}")
    roster, sampling = roster_of(algorithm, env), algorithm.sampling
    _acts(algorithm, roster, env)
    both = sorted({stream.name for stream in declared_streams(env)} & set(measures(env)))
    require(not both, f"{', '.join(both)} names both a stream and a measure of the environment: rename one of them")
    env_copies = backend_of(env).copies
    require(
        env_copies in (None, sampling.copies),
        f"the algorithm is configured with copies={sampling.copies} and the environment with copies={env_copies}: "
        "give both the same number, or do not set the environment's",
    )
    most = _MOST_ITERATIONS * sampling.batch
    require(
        steps <= most,
        f"--steps {steps} needs more than {_MOST_ITERATIONS:,} rollouts of {sampling.batch:,} steps, which is the "
        f"largest number that Hamlet counts; the nearest is {most}",
    )
    _parts(algorithm, roster)
    learners.check(algorithm, roster, env.state_shape)


def most(algorithm: Algorithm, roster: Roster) -> int:
    """Return the largest number of parts of a batch: the number of its sequences, replayed steps or episodes."""
    agents = min(roster.agents_per_unit(group) for group in range(len(roster.groups)))
    return algorithm.sampling.most_parts(agents, memory=algorithm.body.memory)


def _parts(algorithm: Algorithm, roster: Roster) -> None:
    parts, largest = algorithm.accumulation, most(algorithm, roster)
    if parts is None:
        return
    require(
        parts >= 1,
        f"--gradient-accumulation must be at least 1, got {parts}; without it, Hamlet uses the fewest parts that fit",
    )
    unit = algorithm.sampling.counted_in
    require(
        parts <= largest,
        f"--gradient-accumulation {parts} is more than the {largest} {unit} of a batch: use at most {largest}",
    )


def _acts(algorithm: Algorithm, roster: Roster, env: Any) -> None:
    """Refuse a team with an action space that the algorithm does not support; name the algorithms that support it."""
    kinds: dict[str, str] = {}
    for group in roster.groups:
        kinds.setdefault(type(group.action).__name__, group.names[0])
    if set(kinds) <= set(algorithm.actions):
        return
    able = [name for name, make in ALGORITHMS.usable().items() if set(kinds) <= set(make().actions)]
    (first, agent), *others = kinds.items()
    acts = " and ".join([f"{agent} acts in a {first} space", *(f"{name} in a {kind} space" for kind, name in others)])
    advice = (
        f"use {_one_of(able)}"
        if able
        else "no algorithm supports these spaces in one team: use one kind of action space for all agents"
    )
    if getattr(env, "continuous", None) is True and "Discrete" in algorithm.actions:
        advice = f"choose discrete actions with --env.no-continuous (continuous=False), or {advice}"
    raise RequestError(f"{acts}, but the algorithm supports {_one_of(algorithm.actions)} only: {advice}")


def _one_of(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
