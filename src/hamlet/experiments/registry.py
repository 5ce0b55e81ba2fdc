"""Every grid by name, and the tables and figures that cannot be run here."""

from collections.abc import Mapping

from hamlet.errors import RequestError, unknown
from hamlet.experiments import harl
from hamlet.experiments.grid import ExperimentGrid

GRIDS: dict[str, ExperimentGrid] = {**harl.GRIDS}
ELSEWHERE: Mapping[str, str] = harl.ELSEWHERE


def find(name: str) -> ExperimentGrid:
    """The grid of a name.

    Raises:
        RequestError: If there is none; with the reason where it cannot be run here.
    """
    if name in ELSEWHERE:
        raise RequestError(f"{name} cannot be run here: {ELSEWHERE[name]} (hamlet reproduce lists what can)")
    if name not in GRIDS:
        raise unknown("table or figure", name, GRIDS)
    return GRIDS[name]
