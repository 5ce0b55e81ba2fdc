"""``hamlet sweep``: search an algorithm's hyperparameters on an environment."""

import json
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hamlet.algorithms import ALGORITHMS
from hamlet.commands import request
from hamlet.errors import RequestError, RunError, unknown
from hamlet.experiments import ranges, sweep
from hamlet.experiments.claim import claim
from hamlet.experiments.sweep import Search, TrialResult
from hamlet.files import atomic_write
from hamlet.options.parsing import HELP, Command, OptionGroup
from hamlet.options.values import Steps, format_steps
from hamlet.runs.seeds import check_seed
from hamlet.training.loop import Interrupted

MANIFEST = "sweep.json"
# Options of `hamlet train` that the sweep sets itself, or that make no sense for many runs.
_OF_TRAINING = ("from", "init-from", "checkpoint-every", "tensorboard", "wandb", "device")


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Options of ``hamlet sweep``.

    Attributes:
        trials: The total number of trials. A trial is one set of values. Earlier trials in the directory count.
        search: The hyperparameters to search and their ranges, for example learning-rate=1e-4:1e-2:log clip=0.1:0.3
            order=random,fixed. Without it, the usual hyperparameters in their usual ranges.
        steps: The number of environment steps of each run.
        seeds: The number of runs of each trial. The score of a trial is their mean.
        seed: The seed of the search.
        out: The directory of the trials. Without it, runs/sweep-ALGORITHM-ENV.
        quiet: Print only errors and the result.
    """

    trials: int
    search: tuple[str, ...] = ()
    steps: Steps = 1_000_000
    seeds: int = 1
    seed: int = 0
    out: Path | None = None
    quiet: bool = False


COMMAND = Command(
    "hamlet sweep",
    ("ALGORITHM", "ENV"),
    (OptionGroup("sweep", SweepOptions, pairs=False),),
    "Search for the best hyperparameters of an algorithm in an environment. Optuna chooses the values of\n"
    "each trial, and stops a trial early if it is worse than the median of the earlier trials. You may\n"
    "stop the command at any time: the same command continues the search. At the end it prints the table\n"
    "of trials and the hamlet train command of the best trial. Hyperparameters on the command line,\n"
    "--env options and --preset apply to every trial (see hamlet train ALGORITHM ENV --help).\n\n"
    "examples:\n"
    "  hamlet sweep happo mpe/simple_spread --trials 30 --steps 500k\n"
    "  hamlet sweep happo mpe/simple_spread --trials 30 \\\n"
    "      --search learning-rate=1e-4:1e-2:log clip=0.1:0.3",
)


@dataclass(frozen=True)
class SweepRequest:
    """A sweep as the command line describes it."""

    names: list[str]
    fixed: list[str]
    options: SweepOptions

    @property
    def out(self) -> Path:
        """The directory of the trials."""
        return self.options.out or Path("runs") / "-".join(["sweep", *self.names]).replace("/", "-").replace(":", "-")


def main(argv: Sequence[str]) -> int:
    """Run the search, and print the table of trials."""
    asked = read(argv)
    sweep.require_optuna()
    options = asked.options
    where = ranges.read(ALGORITHMS[asked.names[0]], options.search, [word for word in asked.fixed if word[:2] == "--"])
    search = Search(
        resolve=lambda words: request.read([*asked.names, *asked.fixed, *words]),
        ranges=where,
        steps=options.steps,
        seeds=options.seeds,
        seed=options.seed,
        out=asked.out,
    )
    search.resolve([])  # an error that every trial would have stops the command before the first trial
    wanted = {"words": [*asked.names, *asked.fixed], "search": list(options.search)}
    wanted |= {"steps": options.steps, "seeds": options.seeds, "seed": options.seed}
    claim(asked.out, MANIFEST, wanted, "sweep")  # the number of trials may differ: a later command may add trials
    say = (lambda line: None) if options.quiet else (lambda line: print(line, file=sys.stderr, flush=True))
    try:
        trials = sweep.carry(search, options.trials, say=say)
    except (Interrupted, KeyboardInterrupt):
        raise RunError(f"stopped as requested; to continue: {shlex.join(['hamlet', 'sweep', *argv])}") from None
    text = table(asked, trials)
    atomic_write.write(asked.out / "trials.md", text)
    atomic_write.write(asked.out / "trials.json", json.dumps([vars(trial) for trial in trials], indent=1) + "\n")
    print(f"{text}\nthe trials are in {asked.out}")
    if sweep.best(trials) is None:
        raise RunError(f"no trial was completed: {trials[-1].why or 'see the table for the reasons'}")
    return 0


def read(argv: Sequence[str]) -> SweepRequest:
    """Parse a command line. Options that are not options of the sweep apply to every trial.

    Raises:
        RequestError: An argument is missing, or an option of `hamlet train` makes no sense in a sweep.
    """
    if any(word in HELP for word in argv):
        COMMAND.show_help()
    sweep_words, fixed = [], []
    words, given = COMMAND.split(argv)
    searched = [word for arg in given if arg.option is not None and arg.option.name == "search" for word in arg.words]
    for arg in given:
        if arg.option is None:
            if arg.flag.removeprefix("--").replace("_", "-").split("=")[0] in _OF_TRAINING:
                raise RequestError(f"{arg.flag} is an option of hamlet train only: leave it out of a sweep")
            fixed += [arg.flag, *arg.words]
        elif arg.option.name != "search":
            sweep_words += [arg.flag, *arg.words]
    names = [word.text for word in words]
    if names[:1] and names[0] not in ALGORITHMS:
        raise unknown("algorithm", names[0], ALGORITHMS)
    parsed = COMMAND.parse([*names, *sweep_words, *(["--search", *searched] if searched else [])])
    options = SweepOptions(**parsed[1].values["sweep"])
    for flag, value in (("trials", options.trials), ("steps", options.steps), ("seeds", options.seeds)):
        if value < 1:
            raise RequestError(f"--{flag} must be at least 1, got {value}")
    check_seed(options.seed)
    return SweepRequest(parsed[0], fixed, options)


def table(asked: SweepRequest, trials: list[TrialResult]) -> str:
    """Return the table of trials, the best first, and the command that trains with the best values again."""
    options = asked.options
    lines = [f"# {' on '.join(asked.names)}: {len(trials)} trials of {format_steps(options.steps)} steps", ""]
    lines += ["| trial | score | state | steps | values |", "|---|---|---|---|---|"]
    ranked = sorted(trials, key=lambda trial: (trial.state != "complete", -(trial.score or 0.0), trial.number))
    for trial in ranked:
        score = "" if trial.score is None else sweep.spoken(trial.score)
        state = trial.state + (f": {trial.why}" if trial.why else "")
        lines.append(
            f"| {trial.number} | {score} | {state} | {format_steps(trial.steps)} | `{' '.join(trial.words)}` |"
        )
    lines += [
        "",
        f"Score: the mean return of the deterministic policy in {sweep.EPISODES} episodes, {options.seeds} seed(s).",
    ]
    lines += ["The best score is too optimistic, because it is the best of many. To measure it with new seeds:", ""]
    top = sweep.best(trials)
    if top is not None:
        words = ["hamlet", "train", *asked.names, *asked.fixed, *top.words, "--steps", format_steps(options.steps)]
        lines.append("    " + shlex.join([*words, "--seeds", "5"]))
    return "\n".join(lines) + "\n"
