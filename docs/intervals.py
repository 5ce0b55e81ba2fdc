"""Measure how reliable 95 % intervals are with few runs, and write the table into docs/results-how.md.

python docs/intervals.py
"""

from pathlib import Path

import numpy as np

from hamlet.reports.data.statistics import interval, iqm, take

PAGE = Path(__file__).with_name("results-how.md")
MARK = "<!-- intervals -->"
PAIRS, DRAWS = 1_000, 300


def row(tasks: int, runs: int) -> str:
    """Return one row: shares of 1,000 pairs of equal algorithms whose scores are exponentially distributed."""
    random = np.random.default_rng([tasks, runs])
    truth = float(iqm(random.exponential(size=(1_000_000, 1))))
    covered = apart = differ = 0
    for _ in range(PAIRS):
        drawn = [
            iqm(take(random.exponential(size=(runs, tasks)), random.integers(0, runs, (DRAWS, runs, tasks))))
            for _ in range(2)
        ]
        (low, high), (other_low, other_high) = map(interval, drawn)
        below, above = interval(drawn[0] - drawn[1])
        covered += low <= truth <= high
        apart += low > other_high or high < other_low
        differ += below > 0 or above < 0
    shares = (f"{100 * count / PAIRS:.1f} %" for count in (covered, apart, differ))
    return f"| {tasks} | {runs} | {' | '.join(shares)} |"


if __name__ == "__main__":
    head = [
        "| tasks | runs | the interval contains the true value | the intervals of two equal algorithms are disjoint "
        "| the interval of their difference excludes 0 |",
        "|---|---|---|---|---|",
    ]
    table = [row(tasks, runs) for tasks in (1, 3, 10) for runs in (2, 3, 4, 5, 10)]
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARK)
    after = rest[rest.index("\n## ") :]
    PAGE.write_text("\n".join([before + MARK, "", *head, *table, after]), encoding="utf-8")
