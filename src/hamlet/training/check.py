"""What is refused before work begins: pairings of an algorithm, an environment and a budget that cannot be run."""

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

# Iterations are counted in 32 bits.
_MOST_ITERATIONS = 2**31 - 1


def check(algorithm: Algorithm, env: AnyEnvironment, *, steps: int) -> None:
    """Refuse what cannot be run.

    Raises:
        RequestError: With what, why, and the nearest that can.
    """
    require(steps >= 1, f"--steps must be at least 1, not {steps}")
    roster, sampling = roster_of(algorithm, env), algorithm.sampling
    _acts(algorithm, roster, env)
    both = sorted({stream.name for stream in declared_streams(env)} & set(measures(env)))
    require(not both, f"{', '.join(both)} is a stream and a measure of the environment: give one another name")
    env_copies = backend_of(env).copies
    require(
        env_copies in (None, sampling.copies),
        f"the algorithm is declared with copies={sampling.copies} and the environment with copies={env_copies}: "
        "give both the same, or leave the environment's out",
    )
    most = _MOST_ITERATIONS * sampling.batch
    require(
        steps <= most,
        f"--steps {steps} are more than {_MOST_ITERATIONS:,} rollouts of {sampling.batch:,} steps, which is as far as "
        f"they are counted; the nearest is {most}",
    )
    _parts(algorithm, roster)
    learners.check(algorithm, roster, env.state_shape)


def most(algorithm: Algorithm, roster: Roster) -> int:
    """The most parts that a batch can be learnt from in: its sequences, replayed steps or episodes."""
    agents = min(roster.agents_per_unit(group) for group in range(len(roster.groups)))
    return algorithm.sampling.most_parts(agents, memory=algorithm.body.memory)


def _parts(algorithm: Algorithm, roster: Roster) -> None:
    parts, largest = algorithm.accumulation, most(algorithm, roster)
    if parts is None:
        return
    require(parts >= 1, f"--gradient-accumulation must be at least 1, not {parts}; leave it out for as few as fit")
    unit = algorithm.sampling.counted_in
    require(
        parts <= largest,
        f"--gradient-accumulation {parts} is more than the {largest} {unit} of a batch: the most is {largest}",
    )


def _acts(algorithm: Algorithm, roster: Roster, env: Any) -> None:
    """Refuse a team that acts in a space of which the algorithm knows nothing; advise those that take all of it."""
    kinds: dict[str, str] = {}
    for group in roster.groups:
        kinds.setdefault(type(group.action).__name__, group.names[0])
    if set(kinds) <= set(algorithm.actions):
        return
    able = [name for name, make in ALGORITHMS.usable().items() if set(kinds) <= set(make().actions)]
    (first, agent), *others = kinds.items()
    acts = " and ".join([f"{agent} acts in a {first} space", *(f"{name} in a {kind} space" for kind, name in others)])
    advice = f"use {_one_of(able)}" if able else "none takes them in one team: give all agents one kind of actions"
    if getattr(env, "continuous", None) is True and "Discrete" in algorithm.actions:
        advice = f"give it choices by --env.no-continuous (continuous=False), or {advice}"
    raise RequestError(f"{acts}, and the algorithm in {_one_of(algorithm.actions)} only: {advice}")


def _one_of(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} or {last}" if others else last
