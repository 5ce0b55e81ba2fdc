"""An order is given only where intervals do not overlap."""

import numpy as np
import pytest

from hamlet.errors import RequestError
from hamlet.reports.data.ranking import rank


def around(centre, seed=0, runs=5):
    return list(centre + np.random.default_rng(seed).normal(size=runs))


def test_algorithms_whose_intervals_are_apart_are_ordered():
    found = rank({"mappo": {"a": around(0)}, "happo": {"a": around(9)}, "ippo": {"a": around(-9)}})
    assert found.order == ("happo", "mappo", "ippo")
    assert found.words == "happo above mappo above ippo: no two intervals of the interquartile mean overlap."
    assert found.comparisons[0].improvement.value == 1.0


def test_no_order_is_given_where_two_intervals_overlap_and_it_is_said():
    found = rank({"mappo": {"a": around(0)}, "happo": {"a": around(0.3, 1)}, "ippo": {"a": around(-9, 2)}})
    assert found.order is None
    assert "No order between happo and mappo: their intervals overlap." in found.words
    assert "above ippo" in found.words and "happo above mappo" not in found.words


def test_two_or_three_runs_are_too_few_for_an_order_however_far_apart():
    found = rank({"happo": {"a": around(100, runs=3)}, "mappo": {"a": around(0, runs=4)}})
    assert found.order is None
    assert found.words == "No order between happo and mappo: 3 runs of a task are too few (at least 4)."
    assert rank({"happo": {"a": around(100, runs=4)}, "mappo": {"a": around(0, runs=4)}}).order is not None


def test_equal_algorithms_are_rarely_ordered():
    """At most one time in twenty; of 100 pairs of the same distribution. The full table is in docs/results-how.md."""
    random = np.random.default_rng(5)
    ordered = 0
    for _ in range(100):
        x, y = ({"a": list(random.exponential(size=4))} for _ in range(2))
        ordered += rank({"x": x, "y": y}, draws=200).order is not None
    assert ordered <= 5


def test_different_environments_are_never_ranked_together():
    with pytest.raises(
        RequestError, match="no ranking across different environments: happo was run on mpe/a, mappo on"
    ):
        rank({"happo": {"mpe/a": around(1)}, "mappo": {"mamujoco/b": around(0)}})


def test_returns_of_several_tasks_are_not_added_up_unless_they_are_normalised():
    scores = {"happo": {"a": around(9), "b": around(9)}, "mappo": {"b": around(0), "a": around(0)}}
    with pytest.raises(RequestError, match="no common unit"):
        rank(scores)
    assert rank(scores, normalised=True).order == ("happo", "mappo")


def test_one_algorithm_alone_is_not_ranked():
    found = rank({"happo": {"a": around(1)}})
    assert found.order is None and "nothing to compare" in found.words
