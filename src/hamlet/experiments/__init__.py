"""The tables and figures of papers as grids of runs: define a grid, estimate its cost, run it, compare the results."""
