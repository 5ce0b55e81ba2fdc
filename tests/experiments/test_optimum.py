"""What nobody can exceed on speaker-listener."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from hamlet.bench.learning import optimum
from hamlet.envs.mpe.simple_speaker_listener import SimpleSpeakerListener

RECORDS = Path(__file__).parents[2] / "benchmarks" / "records"

STEPS = 5
WAY = np.random.default_rng(0).uniform(-1, 1, (4, 3, 2))


@pytest.fixture(scope="module")
def every():
    """What each sequence of discrete moves costs, by episode and goal."""
    sequences = optimum.MOVES[list(itertools.product(range(5), repeat=STEPS))]
    away = WAY[:, :, None, None] + np.einsum("tk,skd->std", optimum.reach(STEPS), sequences)
    return np.square(away).sum((-1, -2))


def test_no_sequence_of_moves_is_better_than_the_relaxed_optimum_less_its_gap(every):
    forces, gap = optimum.relaxed("discrete", WAY, steps=STEPS, tries=500)
    assert gap.max() < 1e-4
    assert (optimum.costs(WAY, forces).sum(1) - gap <= every.min(-1).sum(1)).all()


def test_the_moves_that_are_found_are_nearly_the_best_of_all_sequences(every):
    forces, _ = optimum.relaxed("discrete", WAY, steps=STEPS, tries=500)
    found = optimum.costs(WAY, optimum.MOVES[optimum.moves(WAY, forces)])
    assert (found >= every.min(-1) - 1e-9).all()
    assert found.mean() == pytest.approx(every.min(-1).mean(), rel=1e-3)


def test_two_axes_at_once_reach_further_than_one_and_who_is_told_later_pays_for_it():
    def cost(kind, **rest):
        return optimum.costs(WAY, optimum.relaxed(kind, WAY, steps=STEPS, tries=300, **rest)[0]).sum()

    assert cost("continuous") < cost("discrete") < cost("discrete", blind=1) < cost("discrete", blind=2)


def test_forces_that_are_shared_by_the_goals_are_the_same_and_their_gap_closes():
    forces, gap = optimum.relaxed("continuous", WAY, steps=STEPS, blind=2, tries=500)
    assert (forces[:, :, :2] == forces[:, :1, :2]).all() and not (forces[:, :, 2] == forces[:, :1, 2]).all()
    assert gap.min() > -1e-9 and gap.max() < 1e-4


def test_what_is_planned_is_what_mpe2_pays():
    told = optimum.measure(episodes=2, tries=500)["discrete"]
    assert np.mean(told["optima"]) == pytest.approx(told["optimum"])
    # Below the optimum, which no moves reach, and near it.
    assert told["optimum"] - 0.1 < told["played_in_mpe2"] <= told["optimum"] + told["largest_gap"]


@pytest.mark.parametrize("continuous", [True, False])
def test_what_speaker_listener_declares_is_the_bound_in_the_mean_over_first_states(continuous):
    bound, gap = optimum.expected("continuous" if continuous else "discrete")
    known = SimpleSpeakerListener(continuous=continuous).known_returns
    assert known is not None and known.optimum == pytest.approx(bound, abs=0.01)
    assert gap < 0.003
    # The episodes on which policies are judged are drawn from the same first states.
    record = json.loads((RECORDS / "optimum-speaker-listener.json").read_text(encoding="utf-8"))
    optima = record["result"]["continuous" if continuous else "discrete"]["optima"]
    assert abs(np.mean(optima) - bound) < 3 * np.std(optima) / len(optima) ** 0.5
    assert SimpleSpeakerListener(max_steps=24).known_returns is None
