"""Aggregates, profiles, comparisons and curves over runs and tasks: against rliable, definitions and slow loops."""

import json

import numpy as np
import pytest
from scipy import stats

import rliable_agrees as rliable
from hamlet.errors import RequestError
from hamlet.reports.data import statistics as s

RAGGED = s.matrix({"a": [0.1, 0.9, 0.4, 0.4, 0.7], "b": [0.5, 0.6], "c": [0.0, 2.0, 0.2]})


def recorded():
    return json.loads(rliable.RECORD.read_text(encoding="utf-8"))


def agree(said):
    """Everything of ours beside what rliable said, from the same resamples; how many numbers were compared."""
    count = 0
    for name, scores in rliable.matrices().items():
        row = said["aggregates"][name]
        for key, statistic in s.AGGREGATES.items():
            ours = s.estimate(statistic, scores, np.array(row["picks"]))
            np.testing.assert_allclose([ours.value, ours.low, ours.high], row[key], atol=1e-6, err_msg=f"{name} {key}")
            count += 3
        for of in ("runs", "means"):
            row = said["profiles"][f"{name}/{of}"]
            ours = s.profile(scores, rliable.THRESHOLDS, of=of, picks=np.array(row["picks"]))
            np.testing.assert_allclose([ours.value, ours.low, ours.high], row["rows"], atol=1e-6, err_msg=name)
            count += 3 * len(rliable.THRESHOLDS)
    teams = rliable.opponents()
    for x, y in rliable.PAIRS:
        row = said["improvements"][f"{x}/{y}"]
        ours = s.improvement(teams[x], teams[y], picks=tuple(map(np.array, row["picks"])))
        np.testing.assert_allclose([ours.value, ours.low, ours.high], row["row"], atol=1e-6, err_msg=f"{x} {y}")
        count += 3
    return count


def test_all_statistics_are_those_of_rliable_on_the_same_resamples():
    assert agree(recorded()) == 285


@pytest.mark.slow
def test_the_installed_rliable_still_says_what_is_recorded():
    pytest.importorskip(
        "rliable", reason="rliable is not installed: pip install rliable 'pandas<3'", exc_type=Exception
    )
    assert agree(rliable.ask()) == 285


def test_the_interquartile_mean_leaves_out_a_quarter_at_either_end():
    assert s.iqm(np.array([[-1e9, 1.0], [2.0, 3.0], [4.0, 1e9], [2.0, 3.0]])) == pytest.approx((2 + 2 + 3 + 3) / 4)
    assert s.iqm(np.array([[5.0], [7.0], [9.0]])) == 7.0  # of three, none is a whole quarter
    for scores in rliable.matrices().values():
        assert s.iqm(scores) == pytest.approx(stats.trim_mean(scores, 0.25, axis=None), abs=1e-12)


def test_a_task_with_more_runs_counts_no_more_than_another():
    """Beside the trimmed mean of the runs repeated until every task has as many."""
    repeated = np.array([np.resize(column[~np.isnan(column)], 30) for column in RAGGED.T])
    assert s.iqm(RAGGED) == pytest.approx(_trimmed(repeated.ravel(), share=2 / 10), abs=1e-12)
    assert s.mean(RAGGED) == pytest.approx(np.mean([0.5, 0.55, 2.2 / 3]))
    assert s.median(RAGGED) == pytest.approx(0.55)
    assert s.optimality_gap(RAGGED) == pytest.approx(1 - np.mean([0.5, 0.55, 1.2 / 3]))


def _trimmed(values, share):
    """The mean without so great a share at either end, where that is a whole number of values."""
    cut = round(share * len(values))
    return np.sort(values)[cut : len(values) - cut].mean()


def test_weighted_and_plain_interquartile_means_are_the_same_on_equal_numbers_of_runs():
    scores = rliable.matrices()["ties"]
    padded = np.vstack([scores, np.full((1, scores.shape[1]), np.nan)])
    assert s.iqm(padded) == pytest.approx(float(s.iqm(scores)), abs=1e-12)


def test_a_resample_stays_within_its_task_and_keeps_its_number_of_runs():
    drawn = s.take(RAGGED, s.draw(RAGGED, draws=500))
    for task in range(3):
        own = RAGGED[:, task][~np.isnan(RAGGED[:, task])]
        assert ((~np.isnan(drawn[..., task])).sum(1) == len(own)).all()
        found = drawn[..., task][~np.isnan(drawn[..., task])]
        assert set(found) == set(own)
        assert np.mean(found) == pytest.approx(own.mean(), abs=0.1)
    shuffled = RAGGED[[4, 2, 0, 3, 1]]  # where the absent runs stand says nothing
    assert s.aggregates(shuffled)["iqm"].value == pytest.approx(s.aggregates(RAGGED)["iqm"].value)


def test_the_interval_is_that_of_scipys_own_bootstrap():
    """Independent samples, one for each task; as many draws as bring both to two digits."""
    scores = rliable.matrices()["plain"]
    theirs = stats.bootstrap(
        tuple(scores.T),
        lambda *tasks, axis: np.mean([task.mean(axis) for task in tasks], 0),
        n_resamples=10_000,
        method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval
    ours = s.aggregates(scores)["mean"]
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.01)


@pytest.mark.parametrize(("runs", "tasks", "least"), [(10, 5, 0.92), (5, 5, 0.87)])
def test_ninety_five_per_cent_intervals_cover_as_they_should(runs, tasks, least):
    """Of 400 experiments on skewed scores whose interquartile mean is known; with few runs they are narrow."""
    random = np.random.default_rng(11)
    truth = float(s.iqm(random.exponential(size=(400_000, 1))))
    covered = 0
    for _ in range(400):
        scores = random.exponential(size=(runs, tasks))
        ends = s.interval(s.iqm(s.take(scores, random.integers(0, runs, (300, runs, tasks)))))
        covered += ends[0] <= truth <= ends[1]
    assert least <= covered / 400 <= 0.975


def test_the_probability_of_improvement_counts_pairs_and_halves_of_ties():
    ours, theirs = s.matrix({"a": [1.0, 2.0, 3.0], "b": [5.0]}), s.matrix({"a": [2.0, 2.0], "b": [4.0, 5.0]})
    pairs_a = (0 + 0) + (0.5 + 0.5) + (1 + 1)
    expected = np.mean([pairs_a / 6, (1 + 0.5) / 2])
    found = s.improvement(ours, theirs)
    assert found.value == pytest.approx(expected)
    assert not found.known  # a task with a single run
    assert s.improvement(theirs, ours).value == pytest.approx(1 - expected)


def test_runs_that_are_compared_are_resampled_apart():
    alike = s.improvement(RAGGED, RAGGED)
    assert alike.value == 0.5 and alike.low < 0.5 < alike.high


def test_the_profile_of_runs_weighs_tasks_alike_and_that_of_means_counts_tasks():
    at = np.array([0.45, 0.55, 1.0])
    runs, means = s.profile(RAGGED, at), s.profile(RAGGED, at, of="means")
    assert runs.value == pytest.approx(
        [np.mean([2 / 5, 1, 1 / 3]), np.mean([2 / 5, 1 / 2, 1 / 3]), np.mean([0, 0, 1 / 3])]
    )
    assert means.value == pytest.approx([1, 1 / 3, 0])
    assert (runs.low <= runs.value).all() and (runs.value <= runs.high).all()


def test_one_run_has_no_interval_rather_than_one_of_width_zero():
    lone = s.matrix({"a": [1.0, 2.0], "b": [3.0]})
    assert not any(found.known for found in s.aggregates(lone).values())
    assert np.isnan(s.profile(lone, np.array([0.0])).low).all()
    assert np.isnan(s.curve(np.array([1.0]), lone[:, :, None]).high).all()
    assert s.IntervalEstimate(1.0, np.nan, np.nan).overlaps(s.IntervalEstimate(9.0, 8.0, 10.0))


def test_curves_with_the_same_points_stay_as_they_are():
    grid = s.common_grid([(np.array([10, 20]), np.array([1.0, 2.0])), (np.array([10, 20]), np.array([3.0, 5.0]))])
    assert grid.points.tolist() == [10, 20] and grid.values.tolist() == [[1, 2], [3, 5]]
    assert grid.how == "at the runs' own points"


def test_unequal_points_are_interpolated_where_all_runs_are_and_never_beyond():
    first = (np.array([0, 10, 20, 30]), np.array([0.0, 1.0, 2.0, 3.0]))
    second = (np.array([5, 25]), np.array([1.0, 5.0]))
    grid = s.common_grid([first, second])
    assert grid.points.tolist() == [5, 25] and grid.values == pytest.approx(np.array([[0.5, 2.5], [1.0, 5.0]]))
    assert "from 5 to 25" in grid.how and "linearly" in grid.how


def test_a_curve_is_the_statistic_at_every_point():
    values = np.random.default_rng(2).normal(size=(6, 2, 4)) + np.arange(4)
    picks = s.draw(values, draws=200)
    found = s.curve(np.arange(4.0), values, picks=picks)
    for point in range(4):
        alone = s.estimate(s.iqm, values[:, :, point], picks)
        here = (found.value[point], found.low[point], found.high[point])
        assert here == pytest.approx((alone.value, alone.low, alone.high))


def test_scores_are_normalised_task_by_task_and_not_clipped():
    found = s.normalise(np.array([[-100.0, 5.0], [0.0, 20.0]]), np.array([-100.0, 0.0]), np.array([-50.0, 10.0]))
    assert found.tolist() == [[0.0, 0.5], [2.0, 2.0]]


def test_what_cannot_be_counted_is_refused_in_one_line():
    for bad, why in [
        (lambda: s.matrix({}), "there are no scores"),
        (lambda: s.matrix({"a": []}), "no run of a"),
        (lambda: s.matrix({"a": [1.0, np.nan]}), "a score of a is not finite"),
        (lambda: s.aggregates(np.array([[1.0, np.nan]])), "a task without a run"),
        (lambda: s.normalise(np.ones((1, 1)), np.array([2.0]), np.array([1.0])), "from 2.0 to 1.0"),
        (lambda: s.common_grid([(np.array([1]), np.ones(1)), (np.array([2, 3]), np.ones(2))]), "no range in common"),
        (lambda: s.common_grid([]), "a run without a point"),
    ]:
        with pytest.raises(RequestError, match=why) as refusal:
            bad()
        assert "\n" not in str(refusal.value)
