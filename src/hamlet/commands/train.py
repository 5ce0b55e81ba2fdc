"""``hamlet train``: train a team, once or once for each of several seeds, then judge it."""

import contextlib
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hamlet import presets
from hamlet.algorithms import ALGORITHMS
from hamlet.commands import sinks
from hamlet.commands.catalogue import environments
from hamlet.commands.evaluate import check_seed, comparison, keep
from hamlet.commands.options import HELP, Command, Group, Parsed
from hamlet.commands.values import Steps, format_steps
from hamlet.envs.base import Environment
from hamlet.errors import RequestError, RunError, unknown
from hamlet.haml.template import Haml
from hamlet.training import checkpoint, configuration, judge
from hamlet.training.directory import CONFIGURATION
from hamlet.training.durable import one_line
from hamlet.training.loop import Interrupted
from hamlet.training.run import Run, train_seeds


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """Options of ``hamlet train`` that are neither the environment's nor hyperparameters.

    Attributes:
        steps: Environment steps of all copies together, rounded up to whole rollouts.
        seed: From which everything is drawn: the same seed gives the same bits.
        seeds: Train this many runs, with the seeds SEED, SEED + 1, …, into OUT/seed-0, OUT/seed-1, …
        out: The directory of the run. Without it, runs/ALGORITHM-ENV-seed-SEED, or the next free one.
        preset: A table of hyperparameters, or "none" for the algorithm's own defaults; `hamlet list presets`.
        from_: Repeat the run that has this config.json, instead of ALGORITHM and ENV.
        checkpoint_every: Environment steps between checkpoints. Without it, 5 % of the run or two minutes.
        init_from: A run whose networks, of the same shapes, to begin with.
        device: Where to compute. Without it, where JAX prefers.
        tensorboard: Write event files for TensorBoard into the run's directory.
        wandb: Send the metrics to Weights & Biases.
        quiet: Print nothing but errors.
    """

    steps: Steps = 10_000_000
    seed: int = 0
    seeds: int | None = None
    out: Path | None = None
    preset: str | None = None
    from_: Path | None = None
    checkpoint_every: Steps | None = None
    init_from: Path | None = None
    device: Literal["cpu", "gpu", "tpu"] | None = None
    tensorboard: bool = False
    wandb: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Request:
    """What is to be trained, resolved."""

    algorithm: Haml
    environment: Environment
    labels: dict[str, Any]
    options: TrainOptions


USAGE = "hamlet train"
BARE = Command(
    USAGE,
    ("ALGORITHM", "ENV"),
    (Group("run", TrainOptions, pairs=False),),
    "Train a team, then print what it earns beside random play.\n\n"
    "examples:\n"
    "  hamlet train happo mpe/simple_spread --steps 2M --out runs/a\n"
    "  hamlet train happo mpe/simple_spread --help    its hyperparameters and env options\n"
    "  hamlet train --from runs/a/config.json         the same run once more",
)


def main(argv: Sequence[str]) -> int:
    """Train, then judge."""
    request = read(argv)
    options = request.options
    _check(options)
    heard = sinks.wanted(tensorboard=options.tensorboard, wandb=options.wandb)
    directories = _directories(request)
    with stoppable(list(directories.values())):
        runs = train_seeds(
            request.algorithm,
            request.environment,
            seeds=directories,
            steps=options.steps,
            labels=request.labels,
            checkpoint_every=options.checkpoint_every,
            init_from=options.init_from,
            device=options.device,
            sinks=heard,
            quiet=options.quiet,
        )
    finish(runs, options.quiet)
    return 0


def read(argv: Sequence[str]) -> Request:
    """What the words ask for.

    Raises:
        RequestError: If they ask for something that is not there.
        SystemExit: With status 0, after help was printed.
    """
    words, given = BARE.split(argv)
    chosen = {one.option.name: " ".join(one.words) for one in given if one.option is not None}
    if "from_" in chosen:
        return _repeat(argv)
    asks_help = any(word in HELP for word in argv)
    names = [word.text for word in words[:2]]
    if not names:
        if asks_help:
            BARE.show_help()
        raise RequestError(f"ALGORITHM and ENV are missing: put them first, as in {USAGE} happo mpe/simple_spread")
    if names[0] not in ALGORITHMS:
        if names[0] in environments() and names[1:] and names[1] in ALGORITHMS:
            raise RequestError(f"the algorithm comes before the environment: {USAGE} {names[1]} {names[0]}")
        raise unknown("algorithm", names[0], ALGORITHMS)
    if len(names) < 2 and not asks_help:
        raise RequestError(f"ENV is missing: put it after the algorithm, as in {USAGE} {names[0]} mpe/simple_spread")
    return _declare(names[0], names[1] if names[1:] else None, chosen.get("preset"), argv)


def _declare(name: str, environment: str | None, preset: str | None, argv: Sequence[str]) -> Request:
    """The request for an algorithm and an environment by name; the environment is absent only where help is asked."""
    known = environments()
    if environment is not None and environment not in known:
        raise unknown("environment", environment, known)
    preset = preset or (presets.default(environment, name) if environment is not None else None)
    table = None if preset in (None, "none") else presets.find(preset, name)
    factory: Callable[..., Haml] = ALGORITHMS[name] if table is None else table.func
    run = Group("run", TrainOptions, {"preset": preset or "none"}, pairs=False)
    hyperparameters = Group("hyperparameter", factory, {} if table is None else table.keywords)
    usage = f"{USAGE} {name} {environment or 'ENV'}"
    if environment is None:
        Command(usage, (), (run, hyperparameters), _about(factory, None)).show_help()
    make = known[environment]()
    command = Command(usage, (), (run, Group("env", make, prefixed=True), hyperparameters), _about(factory, make))
    _refuse_strange(command, name, argv)
    _, parsed = command.parse(_without_names(command, argv))
    with _refused():
        env = make(**parsed.values["env"])
        algorithm = factory(**_fixed(table, hyperparameters), **parsed.values["hyperparameter"])
    labels = {"algorithm_name": name, "environment_name": environment, "preset": None if table is None else preset}
    return Request(algorithm, env, labels, TrainOptions(**parsed.values["run"]))


def _fixed(table: Any, group: Group) -> dict[str, Any]:
    """A preset's values for parameters that have no option."""
    shown = {option.name for option in group.options}
    return {} if table is None else {name: value for name, value in table.keywords.items() if name not in shown}


def _repeat(argv: Sequence[str]) -> Request:
    """The request that a config.json holds, with another seed, budget or directory where asked."""
    command = Command(f"{USAGE} --from CONFIG", (), BARE.groups, "Repeat the run that has this config.json.")
    for one in command.split(argv)[1]:
        if one.option is None and one.flag not in HELP:
            near = "it repeats a run with its own hyperparameters and env options"
            raise RequestError(f"{one.flag} cannot be given with --from: {near} (see {USAGE} --help)")
    _, parsed = command.parse(argv)
    if "preset" in _names(command, parsed):
        raise RequestError("--preset cannot be given with --from: it repeats a run with its own hyperparameters")
    path = parsed.values["run"]["from_"]
    path = path / CONFIGURATION if path.is_dir() else path
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
        algorithm, env = configuration.decode(config["algorithm"]), configuration.decode(config["environment"])
        own = {name: config[name] for name in ("steps", "seed", "checkpoint_every", "init_from")}
        labels = {name: config.get(name) for name in ("algorithm_name", "environment_name", "preset")}
    except OSError as error:
        raise RequestError(f"--from {path} cannot be read: {one_line(error)}; give a run's config.json") from error
    except RequestError as error:
        raise RequestError(f"--from {path}: {error}") from error
    except (ValueError, LookupError, TypeError) as error:
        raise RequestError(f"--from {path} is no config.json of a run: {one_line(error)}") from error
    asked = {name: parsed.values["run"][name] for name in _names(command, parsed)}
    own["init_from"] = None if own["init_from"] is None else Path(own["init_from"])
    return Request(algorithm, env, labels, TrainOptions(**(parsed.values["run"] | own | asked)))


def _names(command: Command, parsed: Parsed) -> set[str]:
    return {command.flags[flag].name for flag in parsed.given}


def _refuse_strange(command: Command, name: str, argv: Sequence[str]) -> None:
    """Name the algorithms that an option belongs to where this one has it not."""
    for one in command.split(argv)[1]:
        if one.option is not None or one.flag in HELP:
            continue
        wanted = one.flag.replace("_", "-")
        factories = {other: Group("", factory).options for other, factory in ALGORITHMS.items()}
        owners = [other for other, found in factories.items() if wanted in [option.flag for option in found]]
        error = command.unknown(one.flag)
        if owners:
            raise RequestError(
                f"{name} has no {one.flag}, which is of {', '.join(owners)}; {str(error).split('; ')[1]}"
            )
        raise error


def _without_names(command: Command, argv: Sequence[str]) -> list[str]:
    """The arguments without the two names, wherever they stand."""
    words, rest = [word.text for word in command.split(argv)[0][:2]], list(argv)
    if any(word in HELP for word in argv):
        return ["--help"]
    for word in words:
        rest.remove(word)
    return rest


def _about(factory: Callable[..., Any], env: Callable[..., Any] | None) -> str:
    lines = [(target.__doc__ or "").strip().split("\n")[0] for target in (factory, env) if target is not None]
    return "\n\n".join(lines)


@contextlib.contextmanager
def _refused() -> Iterator[None]:
    """What a third party's factory refuses is a wrong request."""
    try:
        yield
    except (ValueError, TypeError) as error:
        raise error if isinstance(error, RequestError) else RequestError(one_line(error)) from error


def _check(options: TrainOptions) -> None:
    if options.seeds is not None and options.seeds < 1:
        raise RequestError(f"--seeds must be at least 1, not {options.seeds}")
    check_seed(options.seed, options.seeds or 1)
    if options.steps < 1:
        raise RequestError(f"--steps must be at least 1, not {options.steps}")


def _directories(request: Request) -> dict[int, Path]:
    """Where each seed's run goes."""
    options, labels = request.options, request.labels
    name = f"{labels['algorithm_name']}-{str(labels['environment_name']).replace('/', '-')}"
    many = options.seeds is not None
    out = options.out or _free(Path("runs") / (name if many else f"{name}-seed-{options.seed}"))
    if not many:
        return {options.seed: out}
    if (out / CONFIGURATION).exists():
        raise RequestError(f"{out} already holds a run, not runs of several seeds: choose --out {_free(out)}")
    return {seed: out / f"seed-{seed}" for seed in range(options.seed, options.seed + (options.seeds or 1))}


def _free(path: Path) -> Path:
    """The path, or the first of ``path-2``, ``path-3``, … at which nothing stands."""
    candidates = itertools.chain([path], (path.with_name(f"{path.name}-{number}") for number in itertools.count(2)))
    return next(candidate for candidate in candidates if not candidate.exists())


@contextlib.contextmanager
def stoppable(paths: Sequence[Path]) -> Iterator[None]:
    """Tell whoever stops a run how to go on with it."""
    try:
        yield
    except (Interrupted, KeyboardInterrupt) as error:
        begun = [path for path in paths if (path / CONFIGURATION).exists()]
        if not begun:
            raise
        unfinished = [path for path in begun if not _finished(path)] or begun
        said = str(error) if isinstance(error, Interrupted) else "stopped as asked, with no further checkpoint"
        more = f" (and {len(unfinished) - 1} more)" if unfinished[1:] else ""
        raise RunError(f"{said}; go on with: hamlet resume {unfinished[0]}{more}") from None


def _finished(path: Path) -> bool:
    steps = checkpoint.steps(path / "checkpoints")
    return bool(steps) and steps[-1] >= Run(path).directory.config()["steps"]


def finish(runs: Sequence[Run], quiet: bool) -> None:
    """Judge each run, and say where it is and how to go on."""
    means = []
    for run in runs:
        judgement = judge.judge(run)
        keep(run, judgement)
        means.append(judgement.evaluation.mean)
        if not quiet:
            print((f"\n{run.path}\n" if runs[1:] else "") + comparison(judgement))
    if quiet:
        return
    if runs[1:]:
        spread = math.sqrt(sum((mean - sum(means) / len(means)) ** 2 for mean in means) / (len(means) - 1))
        print(f"\n{sum(means) / len(means):.2f} ± {spread / math.sqrt(len(means)):.2f}  over {len(means)} seeds")
    path, steps = runs[0].path, runs[0].directory.config()["steps"]
    print(f"\nthe run is in {path}" if not runs[1:] else f"\nthe runs are in {path.parent}; with the first, go on with")
    print(f"  hamlet evaluate {path} --episodes 1000\n  hamlet resume {path} --steps {format_steps(2 * steps)}")
    sys.stdout.flush()
