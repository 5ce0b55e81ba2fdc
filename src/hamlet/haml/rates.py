"""Learning rates: one for all agents, or one for each, where every unit has an optimiser of its own.

    rates = 5e-4                                 of everybody
    rates = {"speaker_0": 1e-4, "": 5e-4}        of one agent, and of everybody else

Adam's and RMSprop's steps are proportional to their rate, so that a unit with another rate takes the common step times
the ratio of the two: a declaration with one rate is computed as if there were no others, to the bit.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import numpy as np

from hamlet.errors import require
from hamlet.nearest import suggestion
from hamlet.roster import Roster

# Of everybody; or of agents by name, and of the rest by the name "".
Rates: TypeAlias = float | tuple[tuple[str, float], ...]
# However they are given.
AnyRates: TypeAlias = float | Mapping[str, float] | tuple[tuple[str, float], ...]


def as_rates(given: AnyRates) -> Rates:
    """Rates as a declaration holds them, whichever way they were given.

    >>> as_rates(3e-4), as_rates({"a": 0.1, "": 0.2})
    (0.0003, (('a', 0.1), ('', 0.2)))
    """
    return tuple(given.items()) if isinstance(given, Mapping) else given


def check_rates(rates: Rates, flag: str) -> None:
    """Refuse what is no rate.

    Raises:
        RequestError: One is negative, an agent has two, or there are none.
    """
    pairs = list(_pairs(rates))
    require(bool(pairs), f"{flag} has no rate: give a number, or AGENT=NUMBER for every agent")
    names = [name for name, _ in pairs]
    for name, rate in pairs:
        require(rate >= 0, f"{flag} must not be negative: {rate}")
        require(names.count(name) == 1, f"{flag} has {name!r} twice" if name else f"{flag} has two rates for the rest")


def greatest(rates: Rates) -> float:
    """That of the optimiser, of which others are shares.

    >>> greatest(0.1), greatest((("a", 0.1), ("", 0.3)))
    (0.1, 0.3)
    """
    return max(rate for _, rate in _pairs(rates))


def shares(rates: Rates, roster: Roster) -> np.ndarray | None:
    """Every unit's rate as a share of the greatest, float32 ``[units]``; None where all have the same by declaration.

    Raises:
        RequestError: An agent is unknown or has no rate, or agents that share parameters have unlike ones.
    """
    if not isinstance(rates, tuple):
        return None
    known = dict(rates)
    for name in filter(None, known):
        near = suggestion(name, roster.names)
        agents = ", ".join(roster.names)
        require(name in roster.names, f"--learning-rate has no agent {name!r}{near} (of {agents})")
    missing = [name for name in roster.names if name not in known and "" not in known]
    require(not missing, f"--learning-rate has none for {', '.join(missing)}: give a number for the rest, such as 5e-4")
    top, unit_shares = greatest(rates), []
    for group in range(len(roster.groups)):
        names, agents = roster.groups[group].names, roster.agents_per_unit(group)
        for first in range(0, len(names), agents):
            unit = [known.get(name, known.get("", 0.0)) for name in names[first : first + agents]]
            require(
                len(set(unit)) == 1,
                f"{', '.join(names[first : first + agents])} share their parameters and have unlike rates in "
                "--learning-rate: give them one, or leave out --sharing",
            )
            unit_shares.append(unit[0] / top if top else 0.0)
    return np.array(unit_shares, np.float32)


def _pairs(rates: Rates) -> Iterator[tuple[str, float]]:
    yield from rates if isinstance(rates, tuple) else (("", rates),)
