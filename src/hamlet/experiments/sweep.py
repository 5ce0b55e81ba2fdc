"""A search over hyperparameters with Optuna: trials that can be stopped anywhere, the hopeless ones cut short.

A trial is a run of ``hamlet train``, with words for its values. What was tried stands in a journal, what was trained in
run directories: stopped and begun again, a search goes on within the trial that it was in. What the sampler draws is
seeded anew by each trial's number, so that where it was stopped changes nothing.

Trials are trained with seeds from `FIRST_SEED` on and judged on episodes of their own, which no other command uses by
default: the seeds that a final comparison reports have had no part in choosing.
"""

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hamlet.commands.request import Request
from hamlet.errors import RequestError, RunError
from hamlet.experiments.ranges import Range
from hamlet.extras import bring
from hamlet.training import final_evaluation
from hamlet.training.loop import Interrupted
from hamlet.training.run import SavedRun
from hamlet.training.run_completion import complete, steps_done

FIRST_SEED = 2_000_000_000
EVALUATION_SEED = 2_000_000
EPISODES = 100
# Trials that are never cut short.
STARTUP = 5
EVALUATED = "evaluation/return"

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched.

    Attributes:
        resolve: The request that words of values make.
        ranges: Where.
        steps: Environment steps of a trial's runs.
        seeds: Runs of a trial.
        seed: From which values are drawn.
        out: Where the journal and the runs stand.
    """

    resolve: Callable[[list[str]], Request]
    ranges: Sequence[Range]
    steps: int
    seeds: int
    seed: int
    out: Path

    def place(self, number: int) -> Path:
        """The directory of a trial."""
        return self.out / f"trial-{number:04d}"

    def words(self, values: Mapping[str, Any]) -> list[str]:
        """Of a trial's values."""
        return [word for search_range in self.ranges for word in search_range.words(values[search_range.name])]


@dataclass(frozen=True)
class TrialResult:
    """A trial.

    Attributes:
        number: From 0.
        state: "complete", "pruned", "failed", or "unfinished".
        score: Mean return of the policies; of a pruned one that of its last evaluation; None where there is neither.
        steps: Environment steps of its first run.
        words: Its values, as words of the command line.
        why: The reason where it failed.
    """

    number: int
    state: str
    score: float | None
    steps: int
    words: list[str]
    why: str = ""


def require_optuna() -> Any:
    """Optuna itself.

    Raises:
        RequestError: If it cannot be imported.
    """
    optuna = bring("optuna", "hamlet sweep")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def carry(search: Search, trials: int, *, say: Say) -> list[TrialResult]:
    """Bring a search to so many trials, and tell of all.

    Raises:
        Interrupted: Where it was asked to stop.
        RequestError: If Optuna is absent, or every trial was refused.
    """
    optuna = require_optuna()
    study = _study(optuna, search.out)
    for number in range(trials):
        standing = study.trials
        if number < len(standing):
            if standing[number].state.is_finished():
                continue
            trial = optuna.trial.Trial(study, standing[number]._trial_id)
        else:
            trial = study.ask()
        study.sampler = optuna.samplers.TPESampler(seed=search.seed + number)
        values = {search_range.name: _suggest(trial, search_range) for search_range in search.ranges}
        say(f"trial {number} of 0 … {trials - 1}: {' '.join(search.words(values))}")
        _try(optuna, study, trial, search, search.words(values), say)
        jax.clear_caches()
    return outcomes(search)


def outcomes(search: Search) -> list[TrialResult]:
    """Every trial that was begun, from the journal."""
    optuna = require_optuna()
    states = optuna.trial.TrialState
    names = {states.COMPLETE: "complete", states.PRUNED: "pruned", states.FAIL: "failed"}
    trial_results = []
    for trial in _study(optuna, search.out).trials:
        steps = steps_done(search.place(trial.number) / "seed-0")
        words = search.words(trial.params) if len(trial.params) == len(search.ranges) else []
        state, why = names.get(trial.state, "unfinished"), trial.user_attrs.get("why", "")
        trial_results.append(TrialResult(trial.number, state, trial.value, steps, words, why))
    return trial_results


def best(trials: Sequence[TrialResult]) -> TrialResult | None:
    """The complete trial of the greatest score; None where none is."""
    completed = [trial for trial in trials if trial.state == "complete" and trial.score is not None]
    return max(completed, key=lambda trial: trial.score or -math.inf, default=None)


def spoken(score: float) -> str:
    """A score as tables show it: as many digits as 100 episodes tell.

    >>> spoken(-31.41592), spoken(1234.56)
    ('-31.42', '1235')
    """
    return f"{score:.4g}"


def _leader(study: Any) -> str:
    return f"{study.best_trial.number} with {spoken(study.best_trial.value)}"


def _study(optuna: Any, out: Path) -> Any:
    journal = importlib.import_module("optuna.storages.journal")
    storage = optuna.storages.JournalStorage(journal.JournalFileBackend(str(out / "journal.log")))
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP)
    return optuna.create_study(
        storage=storage, study_name="sweep", direction="maximize", load_if_exists=True, pruner=pruner
    )


def _suggest(trial: Any, where: Range) -> Any:
    if where.kind == "choice":
        return trial.suggest_categorical(where.name, list(where.choices))
    if where.kind == "int":
        return trial.suggest_int(where.name, int(where.low), int(where.high), log=where.log)
    return trial.suggest_float(where.name, where.low, where.high, log=where.log)


def _try(optuna: Any, study: Any, trial: Any, search: Search, words: list[str], say: Say) -> None:
    """One trial to its end, whichever that is, with its score."""
    try:
        study.tell(trial, score := _score(trial, search, words))
        say(f"trial {trial.number} scores {spoken(score)}; the best so far is trial {_leader(study)}")
    except optuna.TrialPruned:
        say(f"trial {trial.number} is cut short: below the median of the others so far")
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    except Interrupted:
        raise
    except (RunError, RequestError) as error:
        if "is in use by process" in str(error):
            raise
        say(f"trial {trial.number} failed: {error}")
        trial.set_user_attr("why", str(error))
        study.tell(trial, state=optuna.trial.TrialState.FAIL)


def _score(trial: Any, search: Search, words: list[str]) -> float:
    """The mean return of the policies that a trial's values lead to."""
    request, place = search.resolve(words), search.place(trial.number)
    runs = complete(
        request.algorithm,
        request.environment,
        seeds={FIRST_SEED + k: place / f"seed-{k}" for k in range(search.seeds)},
        steps=search.steps,
        labels=request.labels,
        sinks=[lambda path: SweepWatch(trial, path)],
        quiet=True,
    )
    return float(np.mean([_judged(run) for run in runs]))


def _judged(run: SavedRun) -> float:
    """The mean return of a finished run's policy, on episodes of the search's own."""
    for point in final_evaluation.points(run.directory):
        if (point.get("seed"), point.get("mode")) == (EVALUATION_SEED, "deterministic"):
            return float(point["mean"])
    judgement = final_evaluation.judge(run, episodes=EPISODES, seed=EVALUATION_SEED)
    final_evaluation.record(run.directory, judgement)
    return judgement.evaluation.mean


@dataclass
class SweepWatch:
    """Hears the evaluations of a trial's first run, and cuts it short below the median of the others at that step."""

    trial: Any
    path: Path

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Takes the values of one step.

        Raises:
            optuna.TrialPruned: If the trial is hopeless.
        """
        # A point whose episodes failed says nothing.
        if math.isnan(values.get(EVALUATED, math.nan)) or self.path.name != "seed-0":
            return
        # A run that was resumed is evaluated again where it has no checkpoint, with the same result.
        if step not in self.trial.storage.get_trial(self.trial._trial_id).intermediate_values:
            self.trial.report(values[EVALUATED], step)
        if self.trial.should_prune():
            raise importlib.import_module("optuna").TrialPruned

    def close(self) -> None:
        """Takes no more."""
