"""MATRL's table 1 as ``hamlet games table1`` prints it, and its rows on so many games that chance is small."""

import time
from typing import Any

from hamlet.experiments import gradient_play

MANY = 20_000
# Without the large steps, which no other source has.
_SECTIONS = dict(list(gradient_play.SECTIONS.items())[:3])


def measure() -> dict[str, Any]:
    """Both tables, with the seconds that the first took, compilation and all."""
    began = time.perf_counter()
    table = gradient_play.measure()
    seconds = time.perf_counter() - began
    return {"seconds_of_the_table": seconds, "table": table, "many": gradient_play.measure(MANY, 1, _SECTIONS)}
