"""What ``hamlet train`` is asked for: its options, those of the environment, and the hyperparameters."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from hamlet import presets
from hamlet.algorithms import ALGORITHMS
from hamlet.backends.select import backend_of
from hamlet.commands.catalogue import environments, factory
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, RunError, unknown
from hamlet.files.atomic_write import one_line
from hamlet.learners import Algorithm
from hamlet.nearest import closest, suggestion
from hamlet.options.parsing import HELP, Command, OptionGroup, Parsed
from hamlet.options.values import Steps
from hamlet.runs import declaration
from hamlet.runs.directory import CONFIGURATION, read_config
from hamlet.runs.evaluation_schedule import EPISODES, EvaluationConfig


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
        evaluate_every: Environment steps between evaluations. Without it, at most 50 that add 5 % of steps, at least 3.
        evaluate_episodes: Whole episodes of each evaluation; 0 for none. They change nothing of what is trained.
        evaluate_mode: Whether they take the likeliest actions or sample them.
        max_episode_steps: Steps after which an episode of an evaluation is cut. Without it, the environment's own
            longest, or 10,000.
        stop_at: End with the first evaluation whose mean team return is at least this.
        init_from: A run whose networks, of the same shapes, to begin with.
        trust: Run code that --from or --init-from names and that is not Hamlet's, though you did not begin that run.
        gradient_accumulation: Parts that a batch is learnt from one after another, for memory, with the same gradients.
            Without it, as few as fit.
        device: Where to compute. Without it, where JAX prefers.
        tensorboard: Write event files into OUT/tensorboard; look at them with: tensorboard --logdir OUT.
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
    evaluate_every: Steps | None = None
    evaluate_episodes: int = EPISODES
    evaluate_mode: Literal["deterministic", "stochastic"] = "deterministic"
    max_episode_steps: int | None = None
    stop_at: float | None = None
    init_from: Path | None = None
    trust: bool = False
    gradient_accumulation: int | None = None
    device: Literal["cpu", "gpu", "tpu"] | None = None
    tensorboard: bool = False
    wandb: bool = False
    quiet: bool = False


@dataclass(frozen=True)
class Request:
    """What is to be trained, resolved."""

    algorithm: Algorithm
    environment: AnyEnvironment
    labels: dict[str, Any]
    options: TrainOptions

    @property
    def evaluation(self) -> EvaluationConfig:
        """How the run is to be evaluated while it trains."""
        options = self.options
        return EvaluationConfig(
            every=options.evaluate_every,
            episodes=options.evaluate_episodes,
            mode=options.evaluate_mode,
            max_episode_steps=options.max_episode_steps,
        )


USAGE = "hamlet train"
BARE = Command(
    USAGE,
    ("ALGORITHM", "ENV"),
    (OptionGroup("run", TrainOptions, pairs=False),),
    "Train a team, then print what it earns beside random play. ALGORITHM and ENV are names\n"
    "(hamlet list), or MODULE:FACTORY of your own.\n\n"
    "examples:\n"
    "  hamlet train happo mpe/simple_spread --steps 2M --out runs/a\n"
    "  hamlet train happo MODULE:FACTORY --env.NAME VALUE   an environment of yours\n"
    "  hamlet train happo mpe/simple_spread --help   its hyperparameters and options\n"
    "  hamlet train --from runs/a/config.json        the same run once more",
)


def read(argv: Sequence[str]) -> Request:
    """What the words ask for.

    Raises:
        RequestError: If they ask for something that is not there.
        SystemExit: With status 0, after help was printed.
    """
    words, given = BARE.split(argv)
    chosen = {arg.option.name: " ".join(arg.words) for arg in given if arg.option is not None}
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
        raise _several(names[0]) or unknown("algorithm", names[0], ALGORITHMS)
    if len(names) < 2 and not asks_help:
        raise RequestError(f"ENV is missing: put it after the algorithm, as in {USAGE} {names[0]} mpe/simple_spread")
    return _declare(names[0], names[1] if names[1:] else None, chosen.get("preset"), argv)


def _several(text: str) -> RequestError | None:
    """The refusal of more than one algorithm for one team; None where the words name fewer."""
    named = [part.rpartition("=")[2] for part in re.split("[,+;]", text)]
    if len(named) < 2 or not all(name in ALGORITHMS for name in named):
        return None
    return RequestError(
        f"{text!r} names {len(named)} algorithms, and a team is trained by one, though with a policy for every agent; "
        f"the nearest is {named[0]!r} (or train against a policy of an earlier run: docs/host-environments.md)"
    )


def _declare(name: str, environment: str | None, preset: str | None, argv: Sequence[str]) -> Request:
    """The request for an algorithm and an environment by name; the environment is absent only where help is asked."""
    make = None if environment is None else factory(environment)
    preset = preset or (presets.default(environment, name) if environment is not None else None) or "none"
    table = _table(preset, name, None)
    run = OptionGroup("run", TrainOptions, {"preset": preset}, pairs=False)
    words = (name, environment or "ENV")
    if environment is None or make is None:
        Command(
            USAGE, words, (run, OptionGroup("hyperparameter", table.func, table.keywords)), _about(table.func)
        ).show_help()
    options = OptionGroup("env", make, prefixed=True).taking(argv)
    description = "\n\n".join(text for text in (_about(table.func, make), options.more) if text)
    draft = Command(USAGE, words, (run, options, OptionGroup("hyperparameter", table.func)), description)
    _refuse_strange(draft, name, argv)
    rest = [word for word in argv if word not in HELP]
    asks_help = len(rest) < len(argv)
    try:
        env = _built(make, draft.parse(rest)[1].values["env"])
    except RequestError:
        if not asks_help:
            raise
        env = None
    table = _table(preset, name, env)  # which may depend on the environment's options
    notes = presets.notes(preset, name, env)
    hyperparameters = OptionGroup("hyperparameter", table.func, table.keywords, notes=notes)
    command = Command(USAGE, words, (run, options, hyperparameters), draft.description)
    if asks_help or env is None:
        command.show_help()
    parsed = command.parse(rest)[1]
    algorithm = _built(table, parsed.values["hyperparameter"])
    env = backend_of(env).sized(algorithm.sampling.copies)
    labels = {"algorithm_name": name, "environment_name": environment, "preset": None if preset == "none" else preset}
    return Request(algorithm, env, labels, TrainOptions(**parsed.values["run"]))


def _table(preset: str, name: str, env: AnyEnvironment | None) -> "partial[Any]":
    """An algorithm's factory with a preset's values, or with none."""
    return presets.find(None if preset == "none" else preset, name, env)


def _repeat(argv: Sequence[str]) -> Request:
    """The request that a config.json holds, with another seed, budget or directory where asked."""
    command = Command(f"{USAGE} --from CONFIG", (), BARE.groups, "Repeat the run that has this config.json.")
    for arg in command.split(argv)[1]:
        if arg.option is None and arg.flag not in HELP:
            near = "it repeats a run with its own hyperparameters and env options"
            raise RequestError(f"{arg.flag} cannot be given with --from: {near} (see {USAGE} --help)")
    _, parsed = command.parse(argv)
    if "preset" in _names(command, parsed):
        raise RequestError("--preset cannot be given with --from: it repeats a run with its own hyperparameters")
    path = parsed.values["run"]["from_"]
    path = path / CONFIGURATION if path.is_dir() else path
    try:
        saved_config = read_config(path)
    except RunError as error:
        raise RequestError(f"--from {error}; give a run's {CONFIGURATION}") from error
    algorithm, env = declaration.read(saved_config, f"--from {path}", trusted=parsed.values["run"]["trust"])
    declaration.check_repeatable(saved_config.values, f"--from {path}")
    config, schedule = saved_config.values, saved_config.values.get("evaluation", {})
    saved_options = {name: config[name] for name in ("steps", "seed", "checkpoint_every", "init_from")}
    saved_options |= {f"evaluate_{name}": schedule[name] for name in ("every", "episodes", "mode") if name in schedule}
    saved_options |= {"max_episode_steps": schedule.get("max_episode_steps"), "stop_at": config.get("stop_at")}
    labels = {name: config.get(name) for name in ("algorithm_name", "environment_name", "preset")}
    asked = {name: parsed.values["run"][name] for name in _names(command, parsed)}
    saved_options["init_from"] = None if saved_options["init_from"] is None else Path(saved_options["init_from"])
    return Request(algorithm, env, labels, TrainOptions(**(parsed.values["run"] | saved_options | asked)))


def _names(command: Command, parsed: Parsed) -> set[str]:
    return {command.flags[flag].name for flag in parsed.given}


def _refuse_strange(command: Command, name: str, argv: Sequence[str]) -> None:
    """Name the algorithms that an option belongs to where this one has it not."""
    for arg in command.split(argv)[1]:
        if arg.option is not None or arg.flag in HELP:
            continue
        near = suggestion(arg.flag, command.flags, "{}")
        wanted, owners = _owners(arg.flag, exact=bool(near))
        if owners:
            raise RequestError(
                f"{name} has no {wanted}, which is of {', '.join(owners)}{near} (see {command.prog} --help)"
            )
        raise command.unknown(arg.flag)


def _owners(flag: str, *, exact: bool) -> tuple[str, list[str]]:
    """The algorithms that have an option, or unless it must be ``exact``, one that the field calls so; and that one."""
    factories = {other: OptionGroup("", factory).options for other, factory in ALGORITHMS.usable().items()}
    owners: dict[str, list[str]] = {}
    for other, options in factories.items():
        for option in options:
            owners.setdefault(option.flag, []).append(other)
    written = flag.replace("_", "-")
    wanted = written if exact or written in owners else next(iter(closest(flag, owners)), written)
    return wanted, owners.get(wanted, [])


def _about(*targets: Callable[..., Any]) -> str:
    """The first lines of docstrings."""
    return "\n\n".join((target.__doc__ or "").strip().split("\n")[0] for target in targets)


def _built(factory: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """What a factory makes; what a third party's refuses is a wrong request."""
    try:
        return factory(**given)
    except (ValueError, TypeError) as error:
        raise error if isinstance(error, RequestError) else RequestError(one_line(error)) from error
