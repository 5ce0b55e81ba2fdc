"""A grid of seconds, and a process that carries it out: ``python tests/tiny.py --out DIR …``."""

import dataclasses
import sys

from hamlet.experiments import registry
from hamlet.experiments.grid import ExperimentCell, ExperimentGrid

_SMALL = {
    "hidden": (16,),
    "num_envs": 4,
    "rollout_length": 10,
    "epochs": 1,
    "critic_epochs": 1,
}


def cell(algorithm, **rest):
    own = {"task": "Product", "environment": "game/product", "steps": 120, "changes": _SMALL, "each": True}
    return ExperimentCell(algorithm=algorithm, **(own | rest))


GRID = ExperimentGrid(
    name="tiny/product",
    says="a game of two numbers",
    cells=(cell("happo", published=11.0),),
    seeds=2,
    notes=("A note.",),
)
WIDE = dataclasses.replace(GRID, name="tiny/wide", cells=(*GRID.cells, cell("mappo", published=5.0)))


def main(argv):
    """``hamlet reproduce`` with the wide one."""
    from hamlet.cli import main as hamlet

    registry.GRIDS[WIDE.name] = WIDE
    return hamlet(["reproduce", WIDE.name, *argv])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
