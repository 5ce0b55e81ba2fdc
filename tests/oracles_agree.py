"""What nashpy and OpenSpiel say of some games, kept in ``oracles.json``.

    pip install nashpy open_spiel cvxpy ecos && python tests/oracles_agree.py

writes the file anew. OpenSpiel is 52 MB, and its linear and convex programs bring cvxpy: the tests read the file, and
a slow one asks the packages themselves where they are installed.
"""

import json
import warnings
from pathlib import Path

import numpy as np

RECORD = Path(__file__).with_name("oracles.json")
ROCK = [[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]


def bimatrices():
    """Games of two players by name: the known ones, and random ones of up to five actions."""
    random = np.random.default_rng(7)
    known = {
        "pennies": [[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]],
        "stag hunt": [[[4, 0], [3, 2]], [[4, 3], [0, 2]]],
        "chicken": [[[6, 2], [7, 0]], [[6, 7], [2, 0]]],
        "dilemma": [[[3, 0], [5, 1]], [[3, 5], [0, 1]]],
        "rock": [ROCK, [[-x for x in row] for row in ROCK]],
    }
    drawn = {
        f"drawn {rows}x{columns}/{number}": random.random((2, rows, columns)).round(3).tolist()
        for rows, columns in ((2, 2), (2, 3), (3, 3), (4, 3), (4, 4), (5, 5))
        for number in range(4)
    }
    return {name: np.array(game, float) for name, game in (known | drawn).items()}


def matrices():
    """What the column player pays the row player."""
    random = np.random.default_rng(8)
    return {
        f"{rows}x{columns}": random.normal(size=(rows, columns)).round(3) for rows, columns in ((2, 2), (3, 5), (6, 4))
    }


def populations():
    """Games that alpha-rank is asked about: matrices of one population, arrays of several."""
    random = np.random.default_rng(9)
    dominated = np.full((4, 4), -1.5)
    dominated[:3, :3], dominated[:3, 3], dominated[3, 3] = ROCK, 1.5, 0.0
    return {
        "rock": np.array(ROCK),
        "dominated": dominated,
        "one": random.random((5, 5)).round(2),
        "two": bimatrices()["stag hunt"],
        "unlike": random.random((2, 3, 4)).round(2),
        "three": random.random((3, 2, 3, 2)).round(2),
    }


PARAMETERS = ({"alpha": 0.1}, {"alpha": 5.0, "population": 5}, {"alpha": float("inf"), "epsilon": 0.01})


def wins():
    """Antisymmetric matrices."""
    random = np.random.default_rng(10)
    clones = np.array(ROCK)[np.ix_([0, 0, 1, 2], [0, 0, 1, 2])]
    drawn = [random.normal(size=(size, size)).round(2) for size in (4, 6, 9)]
    return {"rock": np.array(ROCK), "clones": clones} | {f"drawn {len(one)}": one - one.T for one in drawn}


def ask_nashpy():
    """Every equilibrium by supports, and the minimax strategies."""
    import nashpy

    said = {"supports": {}, "minimax": {}}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, game in bimatrices().items():
            found = nashpy.Game(*game).support_enumeration()
            said["supports"][name] = [[own.tolist() for own in pair] for pair in found]
        for name, matrix in matrices().items():
            said["minimax"][name] = [np.asarray(own).tolist() for own in nashpy.Game(matrix).linear_program()]
    return said


def ask_openspiel():
    """α-rank minimax by linear programming and Nash averages; None where it fails."""
    import cvxpy
    import pyspiel
    from open_spiel.python.algorithms import lp_solver, nash_averaging
    from open_spiel.python.egt import alpharank

    said = {"alpha rank": {}, "minimax": {}, "nash average": {}}
    with np.errstate(over="ignore"):
        for name, game in populations().items():
            tables = [game] if game.ndim == 2 else list(game)
            for number, own in enumerate(PARAMETERS):
                infinite = own["alpha"] == float("inf")
                keywords = (
                    {"use_inf_alpha": True, "inf_alpha_eps": own["epsilon"]} if infinite else {"alpha": own["alpha"]}
                )
                try:
                    found = alpharank.compute(tables, m=own.get("population", 50), **keywords)[2].tolist()
                except ValueError:  # some rates are 0 in 64 bits, and the chain falls apart
                    found = None
                said["alpha rank"][f"{name}/{number}"] = found
    for name, matrix in matrices().items():
        game = pyspiel.create_matrix_game(matrix.tolist(), (-matrix).tolist())
        row, column, value, _ = lp_solver.solve_zero_sum_matrix_game(game)
        said["minimax"][name] = [np.ravel(row).tolist(), np.ravel(column).tolist(), float(value)]
    for name, matrix in wins().items():
        try:
            found = np.ravel(nash_averaging._max_entropy_symmetric_nash(matrix)).tolist()
        except cvxpy.SolverError:
            found = None
        said["nash average"][name] = found
    return said


if __name__ == "__main__":
    said = {"nashpy": ask_nashpy(), "openspiel": ask_openspiel()}
    RECORD.write_text(json.dumps(said, separators=(",", ":"), default=float) + "\n", encoding="utf-8")
    print(f"wrote {RECORD}, {RECORD.stat().st_size} bytes")
