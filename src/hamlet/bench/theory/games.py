"""Compute MATRL's table 1 as ``hamlet games table1`` prints it, and again on 20,000 games to reduce sampling error."""

import time
from typing import Any

from hamlet.experiments import gradient_play

MANY = 20_000
# The sections without the large step sizes, for which there are no other published numbers.
_SECTIONS = dict(list(gradient_play.SECTIONS.items())[:3])


def measure() -> dict[str, Any]:
    """Compute both tables, and the seconds for the first one, including compilation."""
    began = time.perf_counter()
    table = gradient_play.measure()
    seconds = time.perf_counter() - began
    return {"seconds_of_the_table": seconds, "table": table, "many": gradient_play.measure(MANY, 1, _SECTIONS)}
