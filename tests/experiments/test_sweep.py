"""A search over hyperparameters: resumable, with the hopeless cut short, and ranges that are checked first."""

import dataclasses
import json
import shlex
import signal
import sys
from pathlib import Path

import pytest

from hamlet import algorithms, extras
from hamlet.cli import main
from hamlet.commands import request
from hamlet.errors import RunError
from hamlet.experiments import ranges, sweep
from hamlet.training.loop import Loop

pytest.importorskip("optuna")

pytestmark = pytest.mark.usefixtures("programs_once")

SMALL = ["--hidden", "16", "--num-envs", "4", "--rollout-length", "10", "--epochs", "1", "--critic-epochs", "1"]
WORDS = ["happo", "game/product", *SMALL, "--steps", "120", "--search", "learning-rate=1e-4:1e-2:log", "clip=0.1,0.2"]


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep.jax, "clear_caches", lambda: None)


def search(out, *more, trials=1):
    return main(["sweep", *WORDS, "--trials", str(trials), "--out", str(out), "--quiet", *more])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One trial, undisturbed."""
    out = tmp_path_factory.mktemp("sweep") / "whole"
    assert search(out) == 0
    return out


def trials(out):
    return json.loads((out / "trials.json").read_text())


@pytest.mark.slow
def test_the_best_of_the_trials_is_a_line_that_trains_it_once_more(whole):
    found = trials(whole)
    assert [one["state"] for one in found] == ["complete"]
    line = next(line for line in (whole / "trials.md").read_text().splitlines() if line.startswith("    hamlet train"))
    read = request.read(shlex.split(line)[2:])
    (top,) = found
    rate = float(top["words"][top["words"].index("--learning-rate") + 1])
    assert read.algorithm.neighbourhood.learning_rate == rate and 1e-4 <= rate <= 1e-2
    assert read.algorithm.body.hidden == (16,) and read.options.steps == 120


def test_trials_are_trained_with_seeds_that_no_final_evaluation_uses(whole):
    config = json.loads((whole / "trial-0000/seed-0/config.json").read_text())
    assert config["seed"] == sweep.FIRST_SEED > 1_000_000_000
    seeds = {point["seed"] for point in json.loads((whole / "trial-0000/seed-0/evaluation.json").read_text())}
    assert sweep.EVALUATION_SEED in seeds and not seeds & set(range(100))


@pytest.mark.slow
def test_a_search_that_was_stopped_goes_on_within_its_trial_and_ends_the_same(whole, tmp_path, monkeypatch, capsys):
    record, count = Loop._record, [0]

    def stop(self, *arguments):
        record(self, *arguments)
        count[0] += 1
        if count[0] == 2:
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Loop, "_record", stop)
    assert search(tmp_path / "a") == 1
    assert "to continue: hamlet sweep happo game/product" in capsys.readouterr().err
    monkeypatch.setattr(Loop, "_record", record)
    assert search(tmp_path / "a") == 0
    assert trials(tmp_path / "a") == trials(whole)


class Scripted:
    """Trials whose scores are known, in place of trainings."""

    def __init__(self, monkeypatch, outcomes):
        self.outcomes = iter(outcomes)
        monkeypatch.setattr(sweep, "_score", self.score)

    def score(self, trial, search, words):
        outcome = next(self.outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        path = Path("trial/seed-0")
        path.mkdir(parents=True, exist_ok=True)
        watch = sweep.SweepWatch(trial, path)
        for step, value in enumerate(outcome):
            watch.write(step, {"return": 0.0})
            watch.write(step, {sweep.EVALUATED: value})
        return outcome[-1]


def test_a_trial_below_the_median_of_the_others_is_cut_short_after_the_first_five(monkeypatch):
    good, bad = [1.0, 2.0, 3.0], [0.0, 0.5, 0.6]
    Scripted(monkeypatch, [good] * 3 + [bad, bad, bad, good])
    assert search("a", trials=7) == 0
    found = trials(Path("a"))
    assert [one["state"] for one in found] == ["complete"] * 5 + ["pruned", "complete"]
    assert "| 5 | 0 | pruned |" in Path("a/trials.md").read_text()


def test_a_trial_that_fails_is_told_and_the_search_goes_on(monkeypatch, capsys):
    Scripted(monkeypatch, [RunError("loss is not finite"), [1.0]])
    assert search("a", trials=2) == 0
    assert "failed: loss is not finite" in Path("a/trials.md").read_text()
    Scripted(monkeypatch, [RunError("loss is not finite")] * 2)
    assert search("b", trials=2) == 1
    assert "no trial was completed: loss is not finite" in capsys.readouterr().err


def test_trials_are_counted_from_one_number_with_a_score_each_and_no_more_digits_than_mean_something(
    monkeypatch, capsys
):
    Scripted(monkeypatch, [[1.0], [2.0]])
    words = ["--search", "learning-rate=1e-4:1e-2:log", "clip=0.1:0.3", "epochs=2:9"]
    fixed = [word for word in SMALL if word not in ("--epochs",)]
    assert main(["sweep", "happo", "game/product", *fixed[:-3], *words, "--trials", "2", "--out", "a"]) == 0
    said = capsys.readouterr().err.splitlines()
    assert [line.split(":")[0].split(";")[0] for line in said] == [
        "trial 0 (of 0 … 1)",
        "trial 0 scores 1",
        "trial 1 (of 0 … 1)",
        "trial 1 scores 2",
    ]
    assert said[-1].endswith("the best so far is trial 1 with 2")
    for one in trials(Path("a")):
        rate, clip, epochs = one["words"][1::2]
        assert all(len(f"{float(number):e}".split("e")[0].rstrip("0")) <= 5 for number in (rate, clip))
        assert epochs.isdigit()


def test_trials_are_added_and_what_is_done_is_not_done_again(monkeypatch):
    Scripted(monkeypatch, [[1.0]] * 3)
    assert search("a", trials=2) == 0 and search("a", trials=3) == 0
    first, again = Path("a/trials.json").read_text(), search("a", trials=3)
    assert again == 0 and Path("a/trials.json").read_text() == first and len(json.loads(first)) == 3


def test_no_two_trials_have_the_same_values(monkeypatch):
    Scripted(monkeypatch, [[1.0]] * 4)
    assert search("a", trials=4) == 0
    tried = [tuple(one["words"]) for one in json.loads(Path("a/trials.json").read_text())]
    assert len(set(tried)) == 4


def test_without_ranges_the_usual_hyperparameters_are_searched_but_for_those_that_are_given():
    names = [one.name for one in ranges.read(algorithms.happo, [], ["--clip"])]
    assert "learning-rate" in names and "discount" in names and "clip" not in names and "radius" not in names
    for name in algorithms.ALGORITHMS:
        for one in ranges.read(algorithms.ALGORITHMS[name], [], []):
            assert one.kind == "choice" or one.low < one.high


def test_values_become_words_of_the_command_line():
    squash, hidden, rate = ranges.read(
        algorithms.happo, ["squash=true,false", "hidden=64,64 64", "learning_rate=1e-4:1e-3"], []
    )
    assert squash.words("true") == ["--squash"] and squash.words("false") == ["--no-squash"]
    assert hidden.words("64 64") == ["--hidden", "64", "64"]
    assert rate.words(0.0005) == ["--learning-rate", "0.0005"]


WRONG = [
    (["happo", "matrix/climbing"], "--trials is missing"),
    (["hapo", "matrix/climbing", "--trials", "2"], "nearest is 'happo'"),
    (["happo", "matrix/climbin", "--trials", "2"], "'matrix/climbing'"),
    (["happo", "--trials", "2"], "ENV is missing"),
    (["happo", "matrix/climbing", "--trials", "0"], "--trials must be at least 1, got 0"),
    (["happo", "matrix/climbing", "--trials", "2", "--clp", "0.1"], "nearest is --clip"),
    (["happo", "matrix/climbing", "--trials", "2", "--wandb"], "--wandb is an option of hamlet train only"),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "clp=0.1:0.2"], "nearest is 'clip'"),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "clip"], "--search takes NAME=LOW:HIGH"),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "clip=0.2:0.1"], "LOW must be less than HIGH"),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "clip=0:0.1:log"], "LOW must be above 0 with :log"),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "clip=0.1"], "is not a range"),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "clip=a:b"], "must be two numbers, got a:b"),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "epochs=1.5:3"], "is a whole number"),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "order=a:b"], "order is not a number"),
    (
        ["happo", "matrix/climbing", "--trials", "2", "--clip", "0.1", "--search", "clip=0.1:0.2"],
        "has both a fixed value and a range",
    ),
    (["happo", "matrix/climbing", "--trials", "2", "--search", "clip=1:2", "--search", "clip=1:2"], "clip twice"),
    (["happo", "matrix/climbing", "--trials", "2", "--out", "full"], "full is not empty and contains no sweep"),
    ([*WORDS, "--trials", "2", "--seed", "1", "--out", "whole"], "contains a sweep with a different value of seed"),
]


@pytest.mark.parametrize(("argv", "said"), WRONG)
def test_what_cannot_be_searched_is_refused_in_one_line(argv, said, whole, tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").touch()
    assert main(["sweep", *(str(whole) if word == "whole" else word for word in argv)]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


def test_optuna_is_named_in_one_line_where_it_is_absent(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "optuna", None)
    assert search("a") == 2
    error = capsys.readouterr().err
    assert f"run {extras.install_line('sweep', 'optuna')}" in error and error.count("\n") == 1
    assert not Path("a").exists()


def test_the_ranges_of_all_algorithms_can_be_declared():
    wide = ranges.read(algorithms.hasac, [], [])
    assert dataclasses.is_dataclass(wide[0]) and {one.kind for one in wide} == {"float", "choice"}
