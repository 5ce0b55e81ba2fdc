"""The command line of ``hamlet train``: its options, the options of the environment, and the hyperparameters."""

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
    """Options of ``hamlet train`` that are neither options of the environment nor hyperparameters.

    Attributes:
        steps: The number of environment steps, counted over all copies of the environment together. It is rounded up to
            whole rollouts.
        seed: The seed of all random numbers. The same seed gives bitwise identical results on the same machine.
        seeds: Train this number of runs, with the seeds SEED, SEED + 1, …, in OUT/seed-0, OUT/seed-1, …
        out: The directory of the run. Without it, runs/ALGORITHM-ENV-seed-SEED, or the next free name.
        preset: A named set of hyperparameters (see `hamlet list presets`), or "none" for the algorithm's defaults.
        from_: Repeat the run that has this config.json. Do not give ALGORITHM and ENV then.
        checkpoint_every: Environment steps between checkpoints. Without it, 5 % of the run or two minutes.
        evaluate_every: Environment steps between evaluations. Without it, at most 50 evaluations that add at most 5 %
            to the steps, but at least 3 evaluations.
        evaluate_episodes: The number of complete episodes of each evaluation; 0 for no evaluations. Evaluations do not
            change the training.
        evaluate_mode: Whether evaluations use the most probable actions (deterministic) or sampled actions
            (stochastic).
        max_episode_steps: Truncate an episode of an evaluation after this many steps. Without it, the longest episode
            that the environment declares, or 10,000.
        stop_at: Stop after the first evaluation whose mean team return is at least this value.
        init_from: A run from whose networks the training starts. The networks must have the same shapes.
        trust: Execute code that the run of --from or --init-from names and that is not part of Hamlet, although you did
            not start that run on this machine.
        gradient_accumulation: Split each batch into this number of parts for the gradients, to save memory. The
            gradients are the same. Without it, the smallest number that fits into memory.
        device: The device to train on. Without it, the device that JAX prefers.
        tensorboard: Write TensorBoard event files to OUT/tensorboard. To view them: tensorboard --logdir OUT.
        wandb: Send the metrics to Weights & Biases.
        quiet: Print only errors.
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
    """A training request: the algorithm, the environment, their names, and the options."""

    algorithm: Algorithm
    environment: AnyEnvironment
    labels: dict[str, Any]
    options: TrainOptions

    @property
    def evaluation(self) -> EvaluationConfig:
        """The configuration of the evaluations during training."""
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
    "Train a team of agents, then print its mean return, and the mean return of random play for\n"
    "comparison. ALGORITHM and ENV are names (see hamlet list). ENV may also be MODULE:FACTORY, your own\n"
    "environment. To see the hyperparameters and the environment's options, add both names to --help.\n\n"
    "examples:\n"
    "  hamlet train happo mpe/simple_spread --help    # show hyperparameters and options\n"
    "  hamlet train happo mpe/simple_spread --steps 2M --out runs/a\n"
    "  hamlet train happo MODULE:FACTORY --env.NAME VALUE    # your own environment\n"
    "  hamlet train --from runs/a/config.json    # repeat a run",
)


def read(argv: Sequence[str]) -> Request:
    """Parse the command line of ``hamlet train``.

    Raises:
        RequestError: The command line is wrong.
        SystemExit: The function has printed help; the status is 0.
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
        raise RequestError(f"ALGORITHM and ENV are missing: write, for example, {USAGE} happo mpe/simple_spread")
    if names[0] not in ALGORITHMS:
        if names[0] in environments() and names[1:] and names[1] in ALGORITHMS:
            raise RequestError(f"the algorithm comes before the environment: write {USAGE} {names[1]} {names[0]}")
        raise _several(names[0]) or unknown("algorithm", names[0], ALGORITHMS)
    if len(names) < 2 and not asks_help:
        raise RequestError(f"ENV is missing: write, for example, {USAGE} {names[0]} mpe/simple_spread")
    return _declare(names[0], names[1] if names[1:] else None, chosen.get("preset"), argv)


def _several(text: str) -> RequestError | None:
    """Return the error for a text that names more than one algorithm; None if it names fewer."""
    named = [part.rpartition("=")[2] for part in re.split("[,+;]", text)]
    if len(named) < 2 or not all(name in ALGORITHMS for name in named):
        return None
    return RequestError(
        f"{text!r} names {len(named)} algorithms, but one algorithm trains the policies of all agents; the nearest is "
        f"{named[0]!r} (to train against the policy of an earlier run, see docs/host-environments.md)"
    )


def _declare(name: str, environment: str | None, preset: str | None, argv: Sequence[str]) -> Request:
    """Return the request for an algorithm and an environment by name; without an environment, print help and exit."""
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
    table = _table(preset, name, env)  # a preset may depend on the environment's options
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
    """Return an algorithm's factory with the values of a preset, or with its own defaults for "none"."""
    return presets.find(None if preset == "none" else preset, name, env)


def _repeat(argv: Sequence[str]) -> Request:
    """Return the request that a config.json describes; options of the command line override its values."""
    command = Command(f"{USAGE} --from CONFIG", (), BARE.groups, "Repeat the run that has this config.json.")
    for arg in command.split(argv)[1]:
        if arg.option is None and arg.flag not in HELP:
            why = "it repeats a run with the run's hyperparameters and environment options"
            raise RequestError(f"{arg.flag} cannot be given with --from: {why} (see {USAGE} --help)")
    _, parsed = command.parse(argv)
    if "preset" in _names(command, parsed):
        raise RequestError("--preset cannot be given with --from: it repeats a run with the run's hyperparameters")
    path = parsed.values["run"]["from_"]
    path = path / CONFIGURATION if path.is_dir() else path
    try:
        saved_config = read_config(path)
    except RunError as error:
        raise RequestError(f"--from {error}; give the {CONFIGURATION} of a run") from error
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
    """Check that all options exist; for an option of other algorithms, the error names these algorithms."""
    for arg in command.split(argv)[1]:
        if arg.option is not None or arg.flag in HELP:
            continue
        near = suggestion(arg.flag, command.flags, "{}")
        wanted, owners = _owners(arg.flag, exact=bool(near))
        if owners:
            raise RequestError(
                f"{name} has no option {wanted}; it is an option of {', '.join(owners)}{near} (see {command.prog} "
                "--help)"
            )
        raise command.unknown(arg.flag)


def _owners(flag: str, *, exact: bool) -> tuple[str, list[str]]:
    """Return an option and the algorithms that have it.

    Unless ``exact`` is set, ``flag`` may also be another library's name for the option.
    """
    factories = {other: OptionGroup("", factory).options for other, factory in ALGORITHMS.usable().items()}
    owners: dict[str, list[str]] = {}
    for other, options in factories.items():
        for option in options:
            owners.setdefault(option.flag, []).append(other)
    written = flag.replace("_", "-")
    wanted = written if exact or written in owners else next(iter(closest(flag, owners)), written)
    return wanted, owners.get(wanted, [])


def _about(*targets: Callable[..., Any]) -> str:
    """Return the first lines of docstrings."""
    return "\n\n".join((target.__doc__ or "").strip().split("\n")[0] for target in targets)


def _built(factory: Callable[..., Any], given: Mapping[str, Any]) -> Any:
    """Call a factory; errors of a third party's factory become a `RequestError`."""
    try:
        return factory(**given)
    except (ValueError, TypeError) as error:
        raise error if isinstance(error, RequestError) else RequestError(one_line(error)) from error
