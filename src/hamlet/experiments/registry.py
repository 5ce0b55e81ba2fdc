"""The registry of all grids by name, and of the tables and figures that Hamlet cannot run."""

from collections.abc import Mapping

from hamlet.errors import RequestError, unknown
from hamlet.experiments import harl
from hamlet.experiments.grid import ExperimentGrid

GRIDS: dict[str, ExperimentGrid] = {**harl.GRIDS}
ELSEWHERE: Mapping[str, str] = harl.ELSEWHERE


def find(name: str) -> ExperimentGrid:
    """Return the grid with this name.

    Raises:
        RequestError: If no grid has this name. If Hamlet cannot run the table or figure, the message states why.
    """
    if name in ELSEWHERE:
        raise RequestError(
            f"{name} cannot be run: {ELSEWHERE[name]} (hamlet reproduce lists the available experiments)"
        )
    if name not in GRIDS:
        raise unknown("table or figure", name, GRIDS)
    return GRIDS[name]
