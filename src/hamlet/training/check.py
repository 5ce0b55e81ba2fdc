"""What is refused before work begins: pairings of an algorithm, an environment and a budget that cannot be run."""

from hamlet.algorithms import ALGORITHMS
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, require
from hamlet.estimation.counterfactual import CounterfactualValue
from hamlet.estimation.critic import StateValue
from hamlet.haml.meta_game import MetaGame, MetaStep
from hamlet.haml.neighbourhood import Whole
from hamlet.haml.sampling import OnPolicy
from hamlet.haml.template import Haml
from hamlet.learners import Algorithm
from hamlet.roster import Roster
from hamlet.training.learning import roster_of
from hamlet.training.venue import venue


def check(algorithm: Algorithm, env: AnyEnvironment, *, steps: int) -> None:
    """Refuse what cannot be run.

    Raises:
        RequestError: With what, why, and the nearest that can.
    """
    require(steps >= 1, f"--steps must be at least 1, not {steps}")
    roster, sampling = roster_of(algorithm, env), algorithm.sampling
    for group in roster.groups:
        kind = type(group.action).__name__
        able = [name for name, make in ALGORITHMS.items() if kind in make().actions]
        require(
            kind in algorithm.actions,
            f"{group.names[0]} acts in a {kind} space, and the algorithm in {' or '.join(algorithm.actions)} only: "
            f"use {', '.join(able[:-1])} or {able[-1]}",
        )
    own = venue(env).copies
    require(
        own in (None, sampling.copies),
        f"the algorithm is declared with copies={sampling.copies} and the environment with copies={own}: "
        "give both the same",
    )
    length = sampling.length(memory=algorithm.body.memory)
    sequences = sampling.batch // length
    if isinstance(algorithm, Haml) and isinstance(algorithm.neighbourhood, Whole):
        _divides("--minibatches", algorithm.neighbourhood.minibatches, sequences, roster)
    if isinstance(algorithm, Haml) and isinstance(algorithm.scheme, MetaGame | MetaStep):
        algorithm.scheme.check(len(roster.group_of), algorithm.neighbourhood)
    _parts(algorithm, roster)
    critics = algorithm.critic.roster(roster, env.state_shape)
    if isinstance(algorithm.critic, StateValue | CounterfactualValue):
        _divides("--critic-minibatches", algorithm.critic.minibatches, sequences, critics)


def most(algorithm: Algorithm, roster: Roster) -> int:
    """The most parts that a batch can be learnt from in: its sequences, replayed steps or episodes."""
    sampling = algorithm.sampling
    if not isinstance(sampling, OnPolicy):
        return sampling.samples
    agents = min(roster.agents_per_unit(group) for group in range(len(roster.groups)))
    return sampling.batch // sampling.length(memory=algorithm.body.memory) * agents


def _parts(algorithm: Algorithm, roster: Roster) -> None:
    parts, largest = algorithm.accumulation, most(algorithm, roster)
    if parts is None:
        return
    require(parts >= 1, f"--gradient-accumulation must be at least 1, not {parts}; leave it out for as few as fit")
    what = "sequences" if isinstance(algorithm.sampling, OnPolicy) else "samples"
    require(
        parts <= largest,
        f"--gradient-accumulation {parts} is more than the {largest} {what} of a batch: the most is {largest}",
    )


def _divides(flag: str, parts: int, sequences: int, roster: Roster) -> None:
    for group in range(len(roster.groups)):
        count = sequences * roster.agents_per_unit(group)
        if count % parts:
            near = min((d for d in range(1, count + 1) if count % d == 0), key=lambda d: abs(d - parts))
            raise RequestError(f"{flag} {parts} does not divide a batch of {count} sequences; the nearest is {near}")
