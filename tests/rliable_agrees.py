"""What the rliable package says of some score matrices, kept in ``rliable.json``.

    pip install rliable "pandas<3" && python tests/rliable_agrees.py

writes the file anew. rliable brings pandas, statsmodels, seaborn and arch, so that the tests read the file; a slow one
asks the package itself where it is installed.
"""

import json
from pathlib import Path

import numpy as np

RECORD = Path(__file__).with_name("rliable.json")
THRESHOLDS = np.array([-0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 4.0])
DRAWS = 40


def matrices():
    """Score matrices [runs, tasks] by name: ties, outliers, a single task, more runs than tasks and fewer."""
    random = np.random.default_rng(20221)
    plain = random.normal(0.6, 0.3, (5, 3)).round(3)
    ties = random.integers(0, 4, (6, 4)) / 4
    outliers = random.normal(0.5, 0.1, (10, 2)).round(3)
    outliers[0, 0], outliers[3, 1] = -250.0, 1e4
    return {
        "plain": plain,
        "ties": ties,
        "outliers": outliers,
        "one task": random.exponential(1.0, (7, 1)).round(3),
        "two runs": random.uniform(0, 2, (2, 6)).round(2),
    }


PAIRS = (("plain", "plain"), ("ties", "ties"), ("outliers", "outliers"), ("ties", "ties shifted"), ("plain", "fewer"))


def opponents():
    """The matrices, and others with the same tasks."""
    own = matrices()
    return own | {"ties shifted": own["ties"][::-1] + 0.25, "fewer": own["plain"][:3] * 0.9}


def ask():
    """Everything that rliable says, with the resamples that it drew."""
    from rliable import library, metrics

    functions = {
        "iqm": metrics.aggregate_iqm,
        "mean": metrics.aggregate_mean,
        "median": metrics.aggregate_median,
        "optimality_gap": metrics.aggregate_optimality_gap,
    }
    said = {"aggregates": {}, "profiles": {}, "improvements": {}, "curves": {}}
    for name, scores in matrices().items():
        picks, call = _watched(library.StratifiedBootstrap)
        point, ends = call(
            library.get_interval_estimates,
            {"x": scores},
            lambda x: np.array([function(x) for function in functions.values()]),
            reps=DRAWS,
        )
        rows = {key: [point["x"][k], *ends["x"][:, k]] for k, key in enumerate(functions)}
        said["aggregates"][name] = {"picks": [one[0].tolist() for one in picks], **rows}
        for of, custom in (("runs", True), ("means", False)):
            picks, call = _watched(library.StratifiedBootstrap)
            values, bands = call(
                library.create_performance_profile, {"x": scores}, THRESHOLDS, use_score_distribution=custom, reps=DRAWS
            )
            said["profiles"][f"{name}/{of}"] = {
                "picks": [one[0].tolist() for one in picks],
                "rows": [values["x"].tolist(), *bands["x"].tolist()],
            }
    for x, y in PAIRS:
        scores = opponents()
        picks, call = _watched(library.StratifiedIndependentBootstrap)
        point, ends = call(
            library.get_interval_estimates,
            {"x,y": (scores[x], scores[y])},
            metrics.probability_of_improvement,
            reps=DRAWS,
        )
        said["improvements"][f"{x}/{y}"] = {
            "picks": [[one[0][side][0].tolist() for one in picks] for side in (0, 1)],
            "row": [float(np.squeeze(point["x,y"])), *np.squeeze(ends["x,y"]).tolist()],
        }
    return said


def _watched(kind):
    """The indices that a bootstrap draws, and how to call what uses it."""
    drawn, update = [], kind.update_indices

    def watch(self):
        drawn.append(update(self))
        return drawn[-1]

    def call(function, *arguments, **keywords):
        np.random.seed(0)
        kind.update_indices = watch
        try:
            return function(*arguments, **keywords)
        finally:
            kind.update_indices = update

    return drawn, call


if __name__ == "__main__":
    RECORD.write_text(json.dumps(ask(), separators=(",", ":"), default=float) + "\n", encoding="utf-8")
    print(f"wrote {RECORD}, {RECORD.stat().st_size} bytes")
