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
# Options of a training that a trial has from the sweep, or that make no sense for many.
_OF_TRAINING = ("from", "init-from", "checkpoint-every", "tensorboard", "wandb", "device")


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """Options of ``hamlet sweep``.

    Attributes:
        trials: How many sets of values to try, those behind it included.
        search: Where to search, as in learning-rate=1e-4:1e-2:log clip=0.1:0.3 order=random,fixed. Without it, the
            usual hyperparameters in their usual ranges.
        steps: Environment steps of each run.
        seeds: Runs of each trial; its score is their mean.
        seed: From which values are drawn.
        out: The directory of the trials. Without it, runs/sweep-ALGORITHM-ENV.
        quiet: Print nothing but errors and the result.
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
    "Search the hyperparameters of an algorithm: trials chosen by Optuna, those that fall behind\n"
    "cut short. Stopped at any point and asked again, it goes on. Ends with the table of trials\n"
    "and the best as a line of hamlet train. Hyperparameters that are given, --env options and\n"
    "--preset hold for every trial (see hamlet train ALGORITHM ENV --help).\n\n"
    "examples:\n"
    "  hamlet sweep happo mpe/simple_spread --trials 30 --steps 500k\n"
    "  hamlet sweep happo mpe/simple_spread --trials 30 \\\n"
    "      --search learning-rate=1e-4:1e-2:log clip=0.1:0.3",
)


@dataclass(frozen=True)
class SweepRequest:
    """What the words ask for."""

    names: list[str]
    fixed: list[str]
    options: SweepOptions

    @property
    def out(self) -> Path:
        """Where the trials go."""
        return self.options.out or Path("runs") / "-".join(["sweep", *self.names]).replace("/", "-").replace(":", "-")


def main(argv: Sequence[str]) -> int:
    """Search, and say what was found."""
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
    search.resolve([])  # what is wrong with every trial is refused before the first
    wanted = {"words": [*asked.names, *asked.fixed], "search": list(options.search)}
    wanted |= {"steps": options.steps, "seeds": options.seeds, "seed": options.seed}
    claim(asked.out, MANIFEST, wanted, "sweep")  # trials may be added
    say = (lambda line: None) if options.quiet else (lambda line: print(line, file=sys.stderr, flush=True))
    try:
        trials = sweep.carry(search, options.trials, say=say)
    except (Interrupted, KeyboardInterrupt):
        raise RunError(f"stopped as asked; go on with: {shlex.join(['hamlet', 'sweep', *argv])}") from None
    text = table(asked, trials)
    atomic_write.write(asked.out / "trials.md", text)
    atomic_write.write(asked.out / "trials.json", json.dumps([vars(trial) for trial in trials], indent=1) + "\n")
    print(f"{text}\nthe trials are in {asked.out}")
    if sweep.best(trials) is None:
        raise RunError(f"no trial was completed: {trials[-1].why or 'see the table'}")
    return 0


def read(argv: Sequence[str]) -> SweepRequest:
    """What the words ask for; what is no option of a sweep is one of every trial.

    Raises:
        RequestError: If something is missing, or has no place in a sweep.
    """
    if any(word in HELP for word in argv):
        COMMAND.show_help()
    sweep_words, fixed = [], []
    words, given = COMMAND.split(argv)
    searched = [word for arg in given if arg.option is not None and arg.option.name == "search" for word in arg.words]
    for arg in given:
        if arg.option is None:
            if arg.flag.removeprefix("--").replace("_", "-").split("=")[0] in _OF_TRAINING:
                raise RequestError(f"{arg.flag} belongs to hamlet train: leave it out of a sweep")
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
            raise RequestError(f"--{flag} must be at least 1, not {value}")
    check_seed(options.seed)
    return SweepRequest(parsed[0], fixed, options)


def table(asked: SweepRequest, trials: list[TrialResult]) -> str:
    """Every trial, the best first, and the line that trains it once more."""
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
        f"Scores: mean return of the deterministic policy, {sweep.EPISODES} episodes, {options.seeds} seed(s).",
    ]
    lines += ["That of the best is flattered by being the best of many: judge it with seeds of its own:", ""]
    top = sweep.best(trials)
    if top is not None:
        words = ["hamlet", "train", *asked.names, *asked.fixed, *top.words, "--steps", format_steps(options.steps)]
        lines.append("    " + shlex.join([*words, "--seeds", "5"]))
    return "\n".join(lines) + "\n"
