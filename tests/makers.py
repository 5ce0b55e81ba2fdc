"""Factories of environments as people write them, for options on the command line; imported by workers alone."""

from typing import Any, Literal

import numpy as np

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


class Painted(Walk):
    """Walkers on a picture whose grey says the step."""

    metadata = {"name": "painted", "render_fps": 4}  # noqa: RUF012

    def __init__(self, render_mode=None):
        super().__init__(1, 3)
        self.render_mode = render_mode

    def render(self):
        return np.full((2, 4, 3), 10 * self.time, np.uint8) if self.render_mode == "rgb_array" else None


def painted(render_mode: str | None = None) -> Painted:
    return Painted(render_mode)


def unpainted() -> Painted:
    """It can render, and nobody can tell it to."""
    return Painted()
