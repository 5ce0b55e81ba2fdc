"""What stands at the top of the package: train a team, go on with it, and the run that comes of it."""

import dataclasses
import inspect
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, cast, overload

import numpy as np

from hamlet import presets
from hamlet.algorithms import ALGORITHMS
from hamlet.arguments import checked
from hamlet.backends.select import backend_of
from hamlet.envs.given import environment as environment_of
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, unknown
from hamlet.evaluation.evaluate import Evaluation, Mode
from hamlet.hyperparameters.factory import keyword
from hamlet.learners import Algorithm
from hamlet.outcomes import evaluate, export, load_policy, report
from hamlet.policy import Policy
from hamlet.runs.evaluation_schedule import EPISODES, EvaluationConfig
from hamlet.runs.metrics import Metrics, Sink
from hamlet.training import accumulation
from hamlet.training.ending import Callback
from hamlet.training.named_runs import named_run, named_runs, places
from hamlet.training.run import SavedRun, train_seeds
from hamlet.training.run import resume as go_on
from hamlet.video.record import Recording, record

Device = Literal["cpu", "gpu", "tpu"]


class Run(SavedRun):
    """A run that stands in a directory.

    Attributes:
        path: The directory.
        trust: Whether code of its own that its config.json names may be run, though this user did not begin it here.
    """

    def metrics(self) -> Any:
        """What was measured while it trained, by environment steps.

        Returns:
            A pandas DataFrame with a column for each metric (docs/metrics.md) and ``"step"``, which is its index too;
            without pandas a dictionary of these columns. NaN where nothing was measured (see `curve`).

        Raises:
            RunError: The file cannot be read.
        """
        with Metrics(self.directory.metrics, write=False) as metrics:
            columns = {name: metrics.read(name) for name in metrics.names()}
        steps = np.unique(np.concatenate([at for at, _ in columns.values()])) if columns else np.zeros(0, np.int64)
        table = {"step": steps} | {name: np.full(len(steps), np.nan) for name in columns}
        for name, (at, values) in columns.items():
            table[name][np.searchsorted(steps, at)] = values
        if find_spec("pandas") is None:
            return table
        return import_module("pandas").DataFrame(table).set_index("step", drop=False)

    def curve(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """The environment steps and values of one metric, where it was measured: what a plot takes.

        Raises:
            RequestError: Nothing of that name was measured.
            RunError: The file cannot be read.
        """
        with Metrics(self.directory.metrics, write=False) as metrics:
            if name not in metrics.names():
                raise unknown("metric", name, metrics.names())
            return metrics.read(name)

    def evaluate(self, episodes: int = 100, seed: int = 1, mode: Mode = "deterministic", **options: Any) -> Evaluation:
        """Play whole episodes, as `hamlet.evaluate`; in mode "stochastic" with samples, else the likeliest actions."""
        options = {"deterministic": mode == "deterministic"} | options
        return evaluate(self, episodes=episodes, seed=seed, **options)

    def policy(self, *, best: bool = False, seed: int = 0) -> Policy:
        """The joint policy of the newest good checkpoint, as `hamlet.load_policy`."""
        return load_policy(self, best=best, seed=seed)

    def report(self, out: str | Path | None = None, **options: Any) -> Path:
        """A page about it, as `hamlet.report`; in ``RUN/report`` where nothing else is said."""
        return report(self, out=self.path / "report" if out is None else out, **options)

    def record(self, file: str | Path, **options: Any) -> Recording:
        """Episodes as a video, as `hamlet.record`."""
        return record(self, file, **options)

    def export(self, out: str | Path | None = None, **options: Any) -> Path:
        """Each agent's policy alone, as `hamlet.export`."""
        return export(self, out, **options)

    def resume(self, **options: Any) -> "Run":
        """Go on with it, as `hamlet.resume`."""
        return resume(self, **options)


def load_runs(path: str | Path, *, trust: bool = False) -> list[Run]:
    """The runs at a place: the one that it is, or those of a directory of several seeds, in their order.

    Raises:
        RequestError: There is none; names the nearest.
    """
    return [Run(entry.run.path, trust) for entry in named_runs(path, trust=trust)]


@overload
def train(
    algorithm: Algorithm | str, environment: Any, *, steps: int = 10_000_000, seeds: None = None, **options: Any
) -> Run: ...


@overload
def train(
    algorithm: Algorithm | str, environment: Any, *, steps: int = 10_000_000, seeds: int | Sequence[int], **options: Any
) -> list[Run]: ...


@checked
def train(
    algorithm: Any,
    environment: Any,
    *,
    steps: int = 10_000_000,
    seed: int = 0,
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    preset: str | None = None,
    checkpoint_every: int | None = None,
    evaluate_every: int | None = None,
    evaluate_episodes: int = EPISODES,
    evaluate_mode: Mode = "deterministic",
    max_episode_steps: int | None = None,
    init_from: Any = None,
    trust: bool = False,
    gradient_accumulation: int | None = None,
    device: Device | None = None,
    sinks: Sequence[Callable[[Path], Sink]] = (),
    stop_at: float | None = None,
    callback: Callback | None = None,
    quiet: bool = False,
    **hyperparameters: Any,
) -> Any:
    """Train a team, as ``hamlet train`` does.

    Args:
        algorithm: A name: then with the values of ``preset`` (without it, those usual for the environment) and with
            ``hyperparameters`` in their place, and as many copies as the environment was declared for, if it says. Or a
            declaration, such as ``happo(clip=0.1)``, which is trained as it is: without any preset.
        environment: A name: then with its default options. An environment, ``"module:factory"``, or a function that
            makes a PettingZoo environment (`hamlet.envs.from_pettingzoo` has options for it).
        steps: Environment steps (of all copies together); rounded up to whole rollouts.
        seed: From which everything is drawn; the same seed gives the same bits on the same machine.
        seeds: So many runs, with the seeds ``seed``, ``seed + 1``, …, or one for each of these, through one compiled
            program; each is bit for bit the run that its seed gives alone.
        out: The directory of the run, which must not hold one; of several, that of ``seed-0``, ``seed-1``, … None for
            ``runs/ALGORITHM-ENVIRONMENT-seed-SEED``, or the next free one.
        preset: A name from `hamlet.presets.PRESETS`; "none" for the algorithm's own defaults.
        checkpoint_every: Environment steps between checkpoints; None for 5 % of the run or two minutes.
        evaluate_every: Environment steps between evaluations; None for at most 50 that add at most 5 % to the steps,
            but at least 3. There is one at the end, too. They change nothing of what is trained.
        evaluate_episodes: Whole episodes of each; 0 for no evaluation.
        evaluate_mode: "deterministic" for the likeliest actions, "stochastic" for samples.
        max_episode_steps: Steps after which an episode of an evaluation is cut; None for what the environment declares
            as its longest, or 10,000. It changes nothing of what is trained.
        init_from: A run, or ``RUN/best``, whose networks (not its optimisers, games or counters) to begin with.
        trust: Whether code of its own that the run ``init_from`` names may be run.
        gradient_accumulation: In how many parts a batch is learnt from, for memory, with the same gradients; None for
            what the declaration says, or else for as few as fit.
        device: "cpu", "gpu" or "tpu"; None for what JAX prefers.
        sinks: Makers of further sinks for the metrics, from the directory of the run.
        stop_at: The run ends with the first evaluation whose mean team return is at least this.
        callback: Hears the metrics of every step as they are recorded, ``callback(step, values)``; True ends the run.
        quiet: Print nothing.
        hyperparameters: Of the algorithm, by name.

    Returns:
        The run; with ``seeds`` a list of runs.

    Raises:
        RequestError: If the request cannot be run; nothing was begun.
        RunError: If it failed or was stopped while running; the last checkpoint is intact.
    """
    name, environment_name = _label(algorithm), _label(environment)
    if isinstance(algorithm, str) and isinstance(environment, str) and environment in ALGORITHMS.usable():
        raise RequestError(f"the algorithm comes before the environment: train({environment!r}, {algorithm!r}, …)")
    env = environment_of(environment)
    if isinstance(algorithm, str):
        preset = preset or presets.default(environment_name, name)
        preset = None if preset == "none" else preset
        declared = _declared(name, env, preset, hyperparameters)
    else:
        declared = _as_it_is(algorithm, preset, hyperparameters)
        preset = None
        if presets.known(environment_name) and not quiet:
            print(
                "no preset: a declaration is trained as it is; an algorithm's name takes that of the environment",
                file=sys.stderr,
            )
    directories = places(out, f"{name}-{environment_name}", seed, seeds)
    trained = train_seeds(
        accumulation.asked(declared, gradient_accumulation),
        env,
        seeds=directories,
        steps=steps,
        labels={"algorithm_name": name, "environment_name": environment_name, "preset": preset},
        checkpoint_every=checkpoint_every,
        asked=EvaluationConfig(
            every=evaluate_every,
            episodes=evaluate_episodes,
            mode=evaluate_mode,
            max_episode_steps=max_episode_steps,
        ),
        init_from=None if init_from is None else _source(init_from),
        trusted=trust,
        device=device,
        sinks=sinks,
        stop_at=stop_at,
        callback=callback,
        quiet=quiet,
    )
    finished = [Run(run.path) for run in trained]
    return finished[0] if seeds is None else finished


@checked
def resume(
    run: Any,
    *,
    steps: int | None = None,
    trust: bool = False,
    gradient_accumulation: int | None = None,
    device: Device | None = None,
    sinks: Sequence[Callable[[Path], Sink]] = (),
    callback: Callback | None = None,
    quiet: bool = False,
) -> Run:
    """Go on with a run from its newest good checkpoint, to its own end or to ``steps``.

    The final state is bit for bit that of a run which was never interrupted, unless ``gradient_accumulation`` says that
    from here on a batch is learnt from in another number of parts, for a machine with less memory: to the same
    gradients but for rounding. A run that was stopped before its first checkpoint begins anew.

    Args:
        run: A run, or its directory.
        steps: Environment steps of the whole run, those behind it included; None for the run's own.
        trust: Whether code of its own that the run names may be run, though this user did not begin it here.
        gradient_accumulation: In how many parts a batch is learnt from; None for as many as before.
        device: "cpu", "gpu" or "tpu"; None for what JAX prefers.
        sinks: Makers of further sinks for the metrics, from the directory of the run.
        callback: As for `hamlet.train`.
        quiet: Print nothing.

    Raises:
        RequestError: If there is no run, it is in use, or it already has that many steps.
        RunError: As for `hamlet.train`.
    """
    place = named_run(run, trust=trust).run
    options = {"gradient_accumulation": gradient_accumulation, "device": device, "sinks": sinks, "quiet": quiet}
    return Run(go_on(place.path, steps=steps, trust=place.trust, callback=callback, **options).path, place.trust)


def _declared(name: str, env: AnyEnvironment, preset: str | None, hyperparameters: dict[str, Any]) -> Algorithm:
    """An algorithm by its name, with a preset's values and others in their place."""
    factory = presets.find(preset, name, env)
    known = inspect.signature(factory).parameters
    for given in hyperparameters:
        if given in {field.name for field in dataclasses.fields(env)} if dataclasses.is_dataclass(env) else ():
            line = f"hamlet.envs.make(…, {given}={hyperparameters[given]!r})"
            raise RequestError(f"{given} is an option of the environment: give {line}")
        if given not in known and keyword(factory, given) not in known:
            raise unknown(f"argument of train, and no hyperparameter of {name},", given, known)
    copies = backend_of(env).copies
    sized = {} if copies is None else {keyword(factory, "num_envs"): copies}
    return factory(**(sized | hyperparameters))


def _as_it_is(algorithm: Any, preset: str | None, hyperparameters: dict[str, Any]) -> Algorithm:
    """A declaration, beside which there can be neither a preset nor hyperparameters."""
    if callable(algorithm) and not hasattr(algorithm, "sampling"):
        what = getattr(algorithm, "__name__", repr(algorithm))
        name = what if what in ALGORITHMS else f"{algorithm.__module__}:{what}"
        raise RequestError(f"{what} is what makes a declaration: give its name {name!r}, or {what}()")
    if not hasattr(algorithm, "sampling") or not hasattr(algorithm, "family"):
        raise RequestError(f"{algorithm!r} is no algorithm: give a name (hamlet list algorithms), or a declaration")
    for name in [*(["preset"] if preset not in (None, "none") else []), *hyperparameters]:
        line = f"{name} stands beside a declaration, which has its own values"
        raise RequestError(f"{line}: give it there, or the algorithm by its name")
    return cast(Algorithm, algorithm)


def _source(run: Any) -> Path:
    """Where the networks of a run, or of its best policy, stand."""
    named = named_run(run)
    return named.run.path / "best" if named.best else named.run.path


def _label(thing: Any) -> str:
    """What a run calls an algorithm or an environment."""
    if isinstance(thing, str):
        return thing
    return getattr(thing, "__name__", None) or type(thing).__name__
