"""Learning rates: one for all agents, or different ones, because every unit has its own optimiser.

    rates = 5e-4                                 for all agents
    rates = {"speaker_0": 1e-4, "": 5e-4}        for one agent, and the default for all other agents

A unit is one set of policy parameters. The steps of Adam and RMSprop are proportional to the learning rate. A unit with
a smaller rate therefore takes the step of the greatest rate times the ratio of the two rates. With a single rate the
results are bitwise identical to those of an optimiser without this option.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from hamlet.errors import require
from hamlet.nearest import suggestion
from hamlet.roster import Roster

# One rate for all agents; or rates by agent name, where the name "" is the default.
Rates: TypeAlias = float | tuple[tuple[str, float], ...]
# All forms in which a user can give rates.
AnyRates: TypeAlias = float | Mapping[str, float] | tuple[tuple[str, float], ...]


def as_rates(given: AnyRates) -> Rates:
    """Convert rates into the form of a declaration.

    >>> as_rates(3e-4), as_rates({"a": 0.1, "": 0.2})
    (0.0003, (('a', 0.1), ('', 0.2)))
    """
    return tuple(given.items()) if isinstance(given, Mapping) else given


def check_rates(rates: Rates, flag: str) -> None:
    """Check that the rates are valid.

    Raises:
        RequestError: If a rate is negative, an agent has two rates, or there is no rate.
    """
    pairs = list(_pairs(rates))
    require(bool(pairs), f"{flag} has no rate: write a number, or AGENT=NUMBER for every agent")
    names = [name for name, _ in pairs]
    for name, rate in pairs:
        require(rate >= 0, f"{flag} must not be negative: {rate}")
        require(names.count(name) == 1, f"{flag} has {name!r} twice" if name else f"{flag} has two default rates")


def greatest(rates: Rates) -> float:
    """Return the greatest rate, which is the rate of the optimiser.

    >>> greatest(0.1), greatest((("a", 0.1), ("", 0.3)))
    (0.1, 0.3)
    """
    return max(rate for _, rate in _pairs(rates))


def shares(rates: Rates, roster: Roster) -> np.ndarray | None:
    """Return every unit's rate divided by the greatest rate, float32 ``[units]``; None if one rate is declared for all.

    Raises:
        RequestError: If an agent is unknown or has no rate, or agents that share parameters have different rates.
    """
    if not isinstance(rates, tuple):
        return None
    known = dict(rates)
    for name in filter(None, known):
        near = suggestion(name, roster.names)
        agents = ", ".join(roster.names)
        require(name in roster.names, f"--learning-rate names an unknown agent {name!r}{near} (of {agents})")
    missing = [name for name in roster.names if name not in known and "" not in known]
    require(not missing, f"--learning-rate has no rate for {', '.join(missing)}: append a default, such as 5e-4")
    top, unit_shares = greatest(rates), []
    for group in range(len(roster.groups)):
        names, agents = roster.groups[group].names, roster.agents_per_unit(group)
        for first in range(0, len(names), agents):
            unit = [known.get(name, known.get("", 0.0)) for name in names[first : first + agents]]
            require(
                len(set(unit)) == 1,
                f"{', '.join(names[first : first + agents])} share their parameters and have different rates in "
                "--learning-rate: give them the same rate, or leave out --sharing",
            )
            unit_shares.append(unit[0] / top if top else 0.0)
    return np.array(unit_shares, np.float32)


def _pairs(rates: Rates) -> Iterator[tuple[str, float]]:
    yield from rates if isinstance(rates, tuple) else (("", rates),)
