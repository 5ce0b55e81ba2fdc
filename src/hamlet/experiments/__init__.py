"""The papers' tables and figures as grids of runs: what they hold, what they cost, carried out, and set beside."""
