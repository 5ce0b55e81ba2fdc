"""Factories of environments as people write them, for options on the command line; imported by workers alone."""

from typing import Any, Literal

from doubles import Walk


class Weather:
    """Something that no command line can write."""


def described(
    agents: int = 2,
    *,
    pace: float = 1.0,
    ground: Literal["grass", "sand"] = "grass",
    sizes: tuple[int, ...] = (3, 4),
    label: str | None = None,
    fast: bool = False,
    weather: Weather | None = None,
    anything: Any = None,
    steps=5,
    ratio=0.5,
) -> Walk:
    """Walkers with every kind of option.

    Args:
        agents: How many walk.
        pace: Of a step.
        ground: What they walk on.
    """
    assert (type(pace), type(fast), type(sizes)) == (float, bool, tuple)
    made = Walk(agents, int(steps))
    made.told = (agents, pace, ground, sizes, label, fast, anything, steps, ratio)
    return made


def needs(agents: int, weather: "Weather | None" = None):
    """Walkers that must be counted."""
    return Walk(agents)


def demands(weather: Weather):
    """Walkers that need the weather."""
    return Walk()


def raw_env(agents: int = 2, steps=5, halt=False):
    assert halt in (True, False)
    return Walk(agents, 2 if halt else steps)


def parallel_env(**kwargs):
    return raw_env(**kwargs)
