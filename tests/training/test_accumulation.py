"""Batches that memory does not hold: learnt from in as few parts as fit, to the same networks, and resumed so."""

import dataclasses
import json
import re
import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import hamlet
from games import Lamps
from hamlet.algorithms import had3qn, happo
from hamlet.backends.jax_backend import JaxBackend
from hamlet.estimation import accumulation
from hamlet.estimation.accumulation import in_parts, sequences_at_once, shares, slope
from hamlet.estimation.returns import mean
from hamlet.training import budget
from pieces import same

pytestmark = pytest.mark.usefixtures("programs_once")

BATCH, GB = 4 * 24, 10**9
SMALL = {"hidden": (8,), "num_envs": 4, "rollout_length": 24, "epochs": 1, "critic_epochs": 1}


def train(path, *, iterations=1, algorithm=None, **options):
    own = {"quiet": True, "evaluate_episodes": 0}
    return hamlet.train(algorithm or happo(**SMALL), Lamps(), steps=iterations * BATCH, out=path, **(own | options))


def declared(run):
    return json.loads((run.path / "config.json").read_text())["algorithm"]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run whose batches are learnt from as they are."""
    return train(tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def needed():
    """The bytes that the whole batch needs."""
    whole = dataclasses.replace(happo(**SMALL), accumulation=1)
    return JaxBackend(Lamps()).compile(whole, jax.devices()[:1], 0).bytes_needed


@pytest.fixture
def tight(monkeypatch, needed):
    """A machine that does not hold the whole batch, and holds its rollout easily."""
    there = needed // 2
    monkeypatch.setattr(budget, "present", lambda used: there)
    return there


@pytest.mark.slow
def test_pictures_that_fit_are_learnt_from_as_a_whole_without_a_word(whole, capsys):
    assert declared(whole)["accumulation"] == 1 and "accumulated" not in capsys.readouterr().err


def test_a_batch_that_memory_does_not_hold_is_accumulated_in_parts_to_the_same_networks(tmp_path, whole, tight, capsys):
    run = train(tmp_path / "a", quiet=False)
    parts = declared(run)["accumulation"]
    said = capsys.readouterr().err
    assert parts > 1 and BATCH % parts == 0
    assert re.search(
        rf"^the batch is split into {parts} parts whose gradients are summed: training needs \d+ MB instead of \d+ MB$",
        said,
        re.M,
    )
    networks = [(one.training().learner.team.actors, one.training().learner.critic.networks) for one in (run, whole)]
    for ours, theirs in zip(*map(jax.tree.leaves, networks), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * max(1e-3, float(jnp.abs(theirs).max())))
    assert not same(*networks)  # summed in another order: it was not the whole batch once more


@pytest.mark.slow
def test_a_resumed_run_has_as_many_parts_wherever_it_goes_on(tmp_path, tight, monkeypatch):
    end = train(tmp_path / "a", iterations=2)
    part = train(tmp_path / "b")
    monkeypatch.setattr(budget, "present", lambda used: 10**12)
    longer = hamlet.resume(part.path, steps=2 * BATCH, quiet=True)
    assert declared(longer)["accumulation"] == declared(end)["accumulation"] > 1
    assert same(longer.training(), end.training())


@pytest.mark.slow
def test_parts_asked_for_are_taken_and_said(tmp_path, capsys):
    run = train(tmp_path / "a", gradient_accumulation=5, quiet=False)
    assert declared(run)["accumulation"] == 5
    assert re.search(
        r"the batch is split into 5 parts whose gradients are summed: training needs \d+ MB\n", capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("parts", "line"),
    [
        (0, "--gradient-accumulation must be at least 1, got 0; without it, Hamlet uses the fewest parts that fit"),
        (97, "--gradient-accumulation 97 is more than the 96 sequences of a batch: use at most 96"),
    ],
)
def test_parts_that_are_none_are_refused(tmp_path, parts, line):
    with pytest.raises(hamlet.RequestError) as refused:
        train(tmp_path / "a", gradient_accumulation=parts)
    assert str(refused.value) == line and not (tmp_path / "a").exists()
    with pytest.raises(hamlet.RequestError, match=r"more than the 20 samples of a batch: use at most 20$"):
        remembering = had3qn(hidden=(8,), batch_size=20, buffer_size=80)
        train(tmp_path / "a", algorithm=remembering, gradient_accumulation=21)


def test_too_few_parts_are_refused_with_a_number_that_fits_as_is_a_resume(tmp_path, whole, needed, monkeypatch):
    monkeypatch.setattr(budget, "present", lambda used: needed // 2)
    with pytest.raises(hamlet.RequestError, match=r"; try --gradient-accumulation \d+$") as refused:
        train(tmp_path / "a", gradient_accumulation=1)
    assert not (tmp_path / "a").exists()
    parts = int(str(refused.value).split()[-1])
    shutil.copytree(whole.path, tmp_path / "b")
    with pytest.raises(hamlet.RequestError, match=rf"; try --gradient-accumulation {parts}$"):
        hamlet.resume(tmp_path / "b", steps=2 * BATCH, quiet=True)
    assert declared(whole) == json.loads((tmp_path / "b" / "config.json").read_text())["algorithm"]
    resumed = hamlet.resume(tmp_path / "b", steps=2 * BATCH, quiet=True, gradient_accumulation=parts)
    assert declared(resumed)["accumulation"] == parts and int(resumed.training().iteration) == 2
    monkeypatch.setattr(budget, "present", lambda used: 1000)
    with pytest.raises(
        hamlet.RequestError,
        match=r"; a resumed run cannot change its number .*: resume it on a machine with more memory",
    ):
        hamlet.resume(tmp_path / "b", steps=3 * BATCH, quiet=True)


def test_a_rollout_that_does_not_fit_is_refused_with_the_most_copies_that_do():
    """80 GB of a rollout and 2 of a part; of a machine of 60 GB a rollout may take 45, which 11 of 20 copies do."""

    def refusal(rollout, rest, minibatches=1):
        algorithm = happo(minibatches=minibatches, hidden=(8,))
        algorithm = dataclasses.replace(algorithm, accumulation=algorithm.sampling.batch)
        made = dict.fromkeys(("place", "call", "remarks", "close"), print)  # none of which is asked for
        made |= {"algorithm": algorithm, "env": Lamps(), "ring": None, "compile_seconds": 1.0}
        program = SimpleNamespace(bytes_needed=rollout + rest, rollout_bytes=rollout, **made)
        return str(budget.refusal(program, jax.devices()[:1], 60 * GB))

    assert (
        refusal(80 * GB, 2 * GB)
        == "training needs 82.0 GB of memory, but the machine has only 60.0 GB; try --num-envs 11"
    )
    # The advice is itself valid: 2,200 sequences cannot be cut into 16 minibatches, and 2,000 can.
    assert refusal(80 * GB, 2 * GB, minibatches=16).endswith("; try --num-envs 10")
    # A part takes 30 GB more than is left beside 45.
    assert refusal(80 * GB, 30 * GB).endswith("; try --num-envs 6")
    assert refusal(4000 * GB, 2 * GB).endswith("; try --num-envs 1 --rollout-length 45")
    assert "use smaller observations" in refusal(80 * GB, 60 * GB)


@pytest.mark.slow
def test_nothing_is_left_of_what_fits_in_no_number_of_parts(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "present", lambda used: 1000)
    with pytest.raises(
        hamlet.RequestError, match="; use smaller observations: not even one step of one environment copy fits"
    ):
        train(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_mean_over_parts_is_that_of_the_whole_whatever_counts_in_each():
    """Steps that count lie in the first part for the most: a mean of means would be another number."""

    class Batch:
        def __init__(self, values, alive, at_once, weight=None):
            self.values, self.alive, self.at_once, self.weight = values, alive, at_once, weight
            self.size = values.shape[0]

        def take(self, index):
            weight = None if self.weight is None else self.weight[index]
            return Batch(self.values[index], self.alive[index], self.at_once, weight)

        def weighed(self):
            return Batch(self.values, self.alive, 0, shares(self.values.shape, self.alive))

    values, alive = jnp.arange(7.0) ** 2, jnp.array([True, True, True, False, False, False, True])
    loss = lambda scale, part: (mean(scale * part.values, part.alive, part.weight), ())  # noqa: E731
    for parts in (1, 2, 3, 7):
        (found, _), gradient = slope(loss, 3.0, Batch(values, alive, sequences_at_once(7, parts)))
        np.testing.assert_allclose([found, gradient], [3 * 41 / 4, 41 / 4], rtol=1e-6)


def test_rows_that_are_looked_at_in_parts_come_back_in_their_order():
    rows = jnp.arange(14.0).reshape(7, 2)
    for at_once in (0, 2, 3, 7, 9):
        np.testing.assert_array_equal(in_parts(lambda x: x * 2, at_once, rows), rows * 2)
    assert accumulation.sequences_at_once(7, 3) == 3
