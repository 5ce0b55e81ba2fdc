"""Search hyperparameters with Optuna. The search can be stopped and continued; bad trials are stopped early (pruned).

A trial is a run of ``hamlet train`` with command-line arguments for the sampled values. A journal file stores the
trials, and run directories store the training. A search that was stopped continues within the unfinished trial. The
sampler is seeded again for each trial, from the trial's number, so that stopping does not change the sampled values.

Trials use training seeds from `FIRST_SEED` on and separate evaluation episodes. No other command uses these seeds by
default. So the seeds of a final comparison have no influence on the choice of the hyperparameters.
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
# The number of first trials that are never pruned.
STARTUP = 5
EVALUATED = "evaluation/return"

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Search:
    """The definition of a search.

    Attributes:
        resolve: A function that turns the arguments of a trial's values into a training request.
        ranges: The ranges of the hyperparameters.
        steps: Environment steps of each run.
        seeds: The number of runs of each trial.
        seed: The random seed of the sampled values.
        out: The directory of the journal and of the runs.
    """

    resolve: Callable[[list[str]], Request]
    ranges: Sequence[Range]
    steps: int
    seeds: int
    seed: int
    out: Path

    def place(self, number: int) -> Path:
        """Return the directory of a trial."""
        return self.out / f"trial-{number:04d}"

    def words(self, values: Mapping[str, Any]) -> list[str]:
        """Return a trial's values as command-line arguments."""
        return [word for search_range in self.ranges for word in search_range.words(values[search_range.name])]


@dataclass(frozen=True)
class TrialResult:
    """The result of one trial.

    Attributes:
        number: The trial's number, from 0.
        state: "complete", "pruned", "failed", or "unfinished".
        score: The mean return of the final policies. For a pruned trial, the return of its last evaluation. None if
            there is no evaluation.
        steps: Environment steps of the trial's first run.
        words: The trial's values, as command-line arguments.
        why: The reason of a failure; empty if the trial did not fail.
    """

    number: int
    state: str
    score: float | None
    steps: int
    words: list[str]
    why: str = ""


def require_optuna() -> Any:
    """Import and return Optuna.

    Raises:
        RequestError: If it cannot be imported.
    """
    optuna = bring("optuna", "hamlet sweep")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def carry(search: Search, trials: int, *, say: Say) -> list[TrialResult]:
    """Run a search until it has ``trials`` trials, and return the results of all of them.

    Raises:
        Interrupted: If the user or a signal requested a stop.
        RequestError: If Optuna is not installed, or another process uses a run.
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
        say(f"trial {number} (of 0 … {trials - 1}): {' '.join(search.words(values))}")
        _try(optuna, study, trial, search, search.words(values), say)
        jax.clear_caches()
    return outcomes(search)


def outcomes(search: Search) -> list[TrialResult]:
    """Return the results of all started trials, from the journal."""
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
    """Return the complete trial with the greatest score, or None if no trial is complete."""
    completed = [trial for trial in trials if trial.state == "complete" and trial.score is not None]
    return max(completed, key=lambda trial: trial.score or -math.inf, default=None)


def spoken(score: float) -> str:
    """Return a score with four significant digits, which is about the precision of 100 episodes.

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
    """Run one trial, and record its score, or that it was pruned or failed."""
    try:
        study.tell(trial, score := _score(trial, search, words))
        say(f"trial {trial.number} scores {spoken(score)}; the best so far is trial {_leader(study)}")
    except optuna.TrialPruned:
        say(f"trial {trial.number} is pruned: its return is below the median of the other trials at this step")
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
    """Train a trial's runs, and return the mean return of their final policies."""
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
    """Return the mean return of a finished run's policy, on the search's evaluation episodes."""
    for point in final_evaluation.points(run.directory):
        if (point.get("seed"), point.get("mode")) == (EVALUATION_SEED, "deterministic"):
            return float(point["mean"])
    judgement = final_evaluation.judge(run, episodes=EPISODES, seed=EVALUATION_SEED)
    final_evaluation.record(run.directory, judgement)
    return judgement.evaluation.mean


@dataclass
class SweepWatch:
    """A metrics sink that prunes a trial if its first run's return is below the other trials' median at that step.

    Attributes:
        trial: The Optuna trial.
        path: The directory of the run.
    """

    trial: Any
    path: Path

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Report the evaluation return of one step to Optuna.

        Raises:
            optuna.TrialPruned: If the return is below the median of the other trials at this step.
        """
        # An evaluation whose episodes failed has no return.
        if math.isnan(values.get(EVALUATED, math.nan)) or self.path.name != "seed-0":
            return
        # A resumed run repeats evaluations that came after its last checkpoint, with the same results.
        if step not in self.trial.storage.get_trial(self.trial._trial_id).intermediate_values:
            self.trial.report(values[EVALUATED], step)
        if self.trial.should_prune():
            raise importlib.import_module("optuna").TrialPruned

    def close(self) -> None:
        """Do nothing: there is nothing to close."""
