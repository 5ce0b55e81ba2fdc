"""The main functions of the package: train a team, resume a run, load runs; and `Run`, a saved run."""

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
from hamlet.envs.registry import name_of
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
    """A training run that is saved in a directory.

    `hamlet.train`, `hamlet.resume` and `hamlet.load_runs` return runs.

    Attributes:
        path: The directory of the run.
        trust: Whether Hamlet may execute code outside Hamlet that the run's config.json names, although this user did
            not start the run on this machine.

    Examples:
        >>> run = hamlet.load_runs("runs/a")[0]  # doctest: +SKIP
        >>> run.evaluate(episodes=100).mean  # doctest: +SKIP
        >>> steps, returns = run.curve("evaluation/return")  # doctest: +SKIP
    """

    def metrics(self) -> Any:
        """Return the metrics that were recorded during training, by environment steps.

        docs/metrics.md describes the metrics.

        Returns:
            A pandas DataFrame with one column for each metric, and the column ``"step"``, which is also the index. If
            pandas is not installed, a dictionary of NumPy arrays with the same names. A value is NaN at a step where
            the metric was not recorded (see `curve`).

        Raises:
            RunError: The file of the metrics cannot be read.
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
        """Return the environment steps and the values of one metric, for a plot.

        Args:
            name: The name of the metric, such as ``"evaluation/return"``.

        Returns:
            The steps at which the metric was recorded, and its values; two arrays of the same length.

        Raises:
            RequestError: The run has no metric of this name.
            RunError: The file of the metrics cannot be read.
        """
        with Metrics(self.directory.metrics, write=False) as metrics:
            if name not in metrics.names():
                raise unknown("metric", name, metrics.names())
            return metrics.read(name)

    def evaluate(self, episodes: int = 100, seed: int = 1, mode: Mode = "deterministic", **options: Any) -> Evaluation:
        """Evaluate the run's policy in complete episodes.

        Args:
            episodes: The number of episodes.
            seed: The seed of the episodes.
            mode: "deterministic" for the most probable actions, "stochastic" for sampled actions.
            options: Further arguments of `hamlet.evaluate`.

        Returns:
            The evaluation.
        """
        options = {"deterministic": mode == "deterministic"} | options
        return evaluate(self, episodes=episodes, seed=seed, **options)

    def policy(self, *, best: bool = False, seed: int = 0) -> Policy:
        """Load the joint policy of the run; see `hamlet.load_policy`.

        Args:
            best: Whether to load the policy with the highest mean return in the run's evaluations, instead of the
                newest policy.
            seed: The seed of sampled actions.

        Returns:
            The policies of all agents.
        """
        return load_policy(self, best=best, seed=seed)

    def report(self, out: str | Path | None = None, **options: Any) -> Path:
        """Write a report about the run; see `hamlet.report`.

        Args:
            out: The directory of the report; None for ``RUN/report``.
            options: Further arguments of `hamlet.report`.

        Returns:
            The path of the HTML page.
        """
        return report(self, out=self.path / "report" if out is None else out, **options)

    def record(self, file: str | Path, **options: Any) -> Recording:
        """Write episodes of the run's policy as a video; see `hamlet.record`.

        Args:
            file: The video file, which ends in .gif or .mp4.
            options: Further arguments of `hamlet.record`.

        Returns:
            The path of the video, and the length and the returns of its episodes.
        """
        return record(self, file, **options)

    def export(self, out: str | Path | None = None, **options: Any) -> Path:
        """Write each agent's policy as files that work without Hamlet; see `hamlet.export`.

        Args:
            out: The directory of the export; None for ``RUN/export``.
            options: Further arguments of `hamlet.export`.

        Returns:
            The directory.
        """
        return export(self, out, **options)

    def resume(self, **options: Any) -> "Run":
        """Continue the run; see `hamlet.resume`.

        Args:
            options: Arguments of `hamlet.resume`.

        Returns:
            The run.
        """
        return resume(self, **options)


def load_runs(path: str | Path, *, trust: bool = False) -> list[Run]:
    """Load the run of a directory, or all runs of a directory that contains one run for each of several seeds.

    Args:
        path: The directory of a run, or a directory with the runs ``seed-0``, ``seed-1``, …
        trust: Whether Hamlet may execute code outside Hamlet that the runs name, although this user did not start them
            on this machine.

    Returns:
        The runs, in the order of their seeds.

    Raises:
        RequestError: The directory contains no run; the message suggests the nearest directory that does.
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
    """Train a team of agents in an environment; the same as the command ``hamlet train``.

    Evaluations during the training do not change the training: with and without them, its results are bitwise
    identical.

    Args:
        algorithm: The name of an algorithm (``hamlet list algorithms``), or a declaration such as
            ``hamlet.algorithms.happo(clip=0.1)``. With a name, hyperparameters come from ``preset``, then from
            ``hyperparameters``; if the environment was made for a number of copies, it is used as ``num_envs``. A
            declaration is trained with exactly the values that it has, without a preset.
        environment: The name of an environment (``hamlet list envs``); an environment that `hamlet.envs.make` or
            `hamlet.envs.from_pettingzoo` made; ``"module:factory"``; or a function that makes a PettingZoo environment.
        steps: The number of environment steps, counted over all copies of the environment together. It is rounded up to
            whole rollouts (``num_envs`` x ``rollout_length`` steps).
        seed: The seed of all random numbers. On the same machine, the same seed gives bitwise identical results.
        seeds: To train several runs: the number of runs, with the seeds ``seed``, ``seed + 1``, …, or the list of their
            seeds. The runs share one compiled program. Each run is bitwise identical to a run with its seed alone.
        out: The directory of the run; with ``seeds``, of ``seed-0``, ``seed-1``, … It must not contain a run already.
            None for ``runs/ALGORITHM-ENVIRONMENT-seed-SEED``, or the next free name.
        preset: A name from `hamlet.presets.PRESETS`, or "none" for the algorithm's default values; None for the usual
            preset of the environment, if it has one.
        checkpoint_every: Environment steps between checkpoints; None for 5 % of the run or two minutes.
        evaluate_every: Environment steps between evaluations; None for 3 to 50 evaluations that add about 5 % to the
            steps. There is always an evaluation at the end of the run.
        evaluate_episodes: The number of complete episodes of each evaluation; 0 for no evaluations.
        evaluate_mode: "deterministic" for the most probable actions, "stochastic" for sampled actions.
        max_episode_steps: An episode of an evaluation is truncated after this many steps; None for the longest episode
            that the environment declares, or 10,000. The option does not affect the episodes of the training.
        init_from: A run, or ``RUN/best``, from whose networks the training starts, and from nothing else of it.
        trust: Whether Hamlet may execute code outside Hamlet that the run ``init_from`` names.
        gradient_accumulation: The number of parts into which a batch is split for the gradients, to save memory. None
            for the value in the declaration, or else for the smallest number that fits into memory.
        device: "cpu", "gpu" or "tpu"; None for the device that JAX prefers.
        sinks: Functions that make metrics sinks from the directory of the run.
        stop_at: Stop after the first evaluation whose mean team return is at least this value.
        callback: ``callback(step, values)`` receives the metrics whenever they are recorded; True stops the run.
        quiet: Whether to print nothing.
        hyperparameters: Of the algorithm, by name.

    Returns:
        The run; with ``seeds``, the list of runs.

    Raises:
        RequestError: The request is wrong. The training has not started.
        RunError: The training failed or was stopped. The last checkpoint is intact.

    Examples:
        >>> run = hamlet.train("happo", "mpe/simple_spread", steps=2_000_000, out="runs/a")  # doctest: +SKIP
        >>> print(run.evaluate().summary())  # doctest: +SKIP
    """
    name, environment_name = _label(algorithm), _label(environment)
    if isinstance(algorithm, str) and isinstance(environment, str) and environment in ALGORITHMS.usable():
        line = f"train({environment!r}, {algorithm!r}, …)"
        raise RequestError(f"the algorithm comes before the environment: write {line}")
    env = environment_of(environment)
    if isinstance(algorithm, str):
        preset = preset or presets.default(environment_name, name)
        preset = None if preset == "none" else preset
        declared = _declared(name, env, preset, hyperparameters)
    else:
        declared = _as_it_is(algorithm, preset, hyperparameters)
        preset = None
        if presets.known(environment_name) and not quiet:
            line = "no preset is used, because a declaration keeps its own values"
            print(f"{line}; give the algorithm's name to use the environment's preset", file=sys.stderr)
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
    """Continue a run from its newest good checkpoint; the same as the command ``hamlet resume``.

    The final state is bitwise identical to the final state of a run without an interruption, unless
    ``gradient_accumulation`` changes. A run that was stopped before its first checkpoint starts again from step 0.

    Args:
        run: A run, or its directory.
        steps: The total number of environment steps of the run, including the steps that it already has; None for the
            number that the run was started with.
        trust: Whether Hamlet may execute code outside Hamlet that the run names, although this user did not start the
            run on this machine.
        gradient_accumulation: The number of parts into which a batch is split for the gradients from now on; the
            gradients are then equal up to rounding. None to keep the number.
        device: "cpu", "gpu" or "tpu"; None for the device that JAX prefers.
        sinks: Functions that make further metrics sinks. Each receives the directory of the run.
        callback: A function ``callback(step, values)`` that receives the metrics whenever they are recorded. The run
            stops if it returns True.
        quiet: Whether to print nothing.

    Returns:
        The run.

    Raises:
        RequestError: There is no run, another process is using it, or it already has this many steps.
        RunError: The training failed or was stopped. The last checkpoint is intact.

    Examples:
        >>> hamlet.resume("runs/a", steps=4_000_000)  # doctest: +SKIP
    """
    place = named_run(run, trust=trust).run
    options = {"gradient_accumulation": gradient_accumulation, "device": device, "sinks": sinks, "quiet": quiet}
    return Run(go_on(place.path, steps=steps, trust=place.trust, callback=callback, **options).path, place.trust)


def _declared(name: str, env: AnyEnvironment, preset: str | None, hyperparameters: dict[str, Any]) -> Algorithm:
    """Return the declaration of an algorithm by its name; ``hyperparameters`` override the values of the preset."""
    factory = presets.find(preset, name, env)
    known = inspect.signature(factory).parameters
    for given in hyperparameters:
        if given in {field.name for field in dataclasses.fields(env)} if dataclasses.is_dataclass(env) else ():
            line = f"hamlet.envs.make(…, {given}={hyperparameters[given]!r})"
            raise RequestError(f"{given} is an option of the environment: write {line}")
        if given not in known and keyword(factory, given) not in known:
            raise unknown(f"train() argument or {name} hyperparameter", given, known)
    copies = backend_of(env).copies
    sized = {} if copies is None else {keyword(factory, "num_envs"): copies}
    return factory(**(sized | hyperparameters))


def _as_it_is(algorithm: Any, preset: str | None, hyperparameters: dict[str, Any]) -> Algorithm:
    """Return a declaration unchanged, after checks: with a declaration, a preset and hyperparameters are errors."""
    if callable(algorithm) and not hasattr(algorithm, "sampling"):
        what = getattr(algorithm, "__name__", repr(algorithm))
        name = what if what in ALGORITHMS else f"{algorithm.__module__}:{what}"
        raise RequestError(f"{what} is a function that makes a declaration: write its name {name!r}, or {what}()")
    if not hasattr(algorithm, "sampling") or not hasattr(algorithm, "family"):
        raise RequestError(f"{algorithm!r} is no algorithm: give a name (hamlet list algorithms), or a declaration")
    for name in [*(["preset"] if preset not in (None, "none") else []), *hyperparameters]:
        line = f"{name} cannot be given together with a declaration, which has its own values"
        raise RequestError(f"{line}: give it in the declaration, or give the algorithm by its name")
    return cast(Algorithm, algorithm)


def _source(run: Any) -> Path:
    """Return the directory with the networks of a run, or of its best policy."""
    named = named_run(run)
    return named.run.path / "best" if named.best else named.run.path


def _label(thing: Any) -> str:
    """Return the name under which a run records an algorithm or an environment."""
    return thing if isinstance(thing, str) else getattr(thing, "__name__", None) or name_of(thing)
