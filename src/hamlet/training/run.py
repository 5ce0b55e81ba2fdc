"""Runs: begin one, go on with one, judge one."""

import math
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import equinox as eqx
import jax

from hamlet import learners, presets
from hamlet.backends import devices
from hamlet.backends.iteration import Training, roster_of
from hamlet.backends.select import backend_of
from hamlet.checkpoints import checkpoint, run_state
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError
from hamlet.evaluation import best_policy as best_policy
from hamlet.evaluation import evaluator
from hamlet.evaluation.evaluate import Evaluation, Mode
from hamlet.evaluation.evaluate import evaluate as play
from hamlet.learners import Algorithm
from hamlet.runs import configuration, declaration, manifest
from hamlet.runs.declaration import Declaration
from hamlet.runs.directory import RunDirectory, run_or_best
from hamlet.runs.evaluation_schedule import EvaluationConfig, EvaluationSchedule, evaluation_seeds
from hamlet.runs.metrics import Sink
from hamlet.runs.seeds import check_seed
from hamlet.training import accumulation, announce
from hamlet.training.budget import TooLarge
from hamlet.training.check import check
from hamlet.training.differences import differences, require_fit
from hamlet.training.ending import Callback
from hamlet.training.execution import compiled, go

Say = Callable[[str], None]


@dataclass(frozen=True)
class SavedRun:
    """A run that stands in a directory.

    Attributes:
        path: The directory.
        trust: Whether code of its own that its config.json names may be run, though this user did not begin it here.
    """

    path: Path
    trust: bool = False

    @property
    def directory(self) -> RunDirectory:
        """Its files."""
        return RunDirectory.open(self.path)

    @property
    def algorithm(self) -> Algorithm:
        """What it trains with."""
        return self.declaration.algorithm

    @property
    def environment(self) -> AnyEnvironment:
        """What it trains on."""
        return self.declaration.environment

    @property
    def declaration(self) -> Declaration:
        """Both.

        Raises:
            RequestError: The config.json is wrong, or names code of its own and is not trusted.
            RunError: It cannot be read.
        """
        return declaration.read(self.directory.as_written(), str(self.path), trusted=self.trust)

    def training(self) -> Training:
        """The newest good checkpoint, without what it remembers of play.

        Raises:
            RunError: If there is none.
        """
        algorithm, env = self.declaration
        return checkpoint.restore(self.directory.checkpoints, backend_of(env).outline(algorithm)).state

    def actors(self, *, best: bool = False) -> tuple[tuple[Any, ...], int]:
        """The actors of the newest good checkpoint, or of the best policy, and the environment step of either.

        Raises:
            RequestError: If nothing was evaluated while the run trained, so that none is known to be best.
            RunError: If there is none that is good.
        """
        algorithm, env = self.declaration
        if best:
            like = backend_of(env).outline(algorithm).learner.team.actors
            saved = best_policy.restore(self.directory, like)
            return saved.state, saved.step
        training = self.training()
        return training.learner.team.actors, int(training.iteration) * algorithm.sampling.batch

    def stage(
        self, environment: AnyEnvironment | None = None, max_episode_steps: int | None = None
    ) -> tuple[Algorithm, AnyEnvironment, int | None]:
        """What its policies act in: by which algorithm, in which environment, and after how many steps it is cut.

        Args:
            environment: Another one than the run's; None for the run's.
            max_episode_steps: As asked for; None for as many as the evaluations of the run's training took, or in
                another environment for as many as that one's may take, which is None again.

        Raises:
            RequestError: The policies cannot act in the environment.
        """
        algorithm, own = self.declaration
        if environment is not None:
            require_fit(algorithm, own, environment)
            return algorithm, environment, max_episode_steps
        schedule = EvaluationSchedule.of(self.directory.config())
        return algorithm, own, schedule.max_episode_steps if max_episode_steps is None else max_episode_steps

    def evaluate(
        self,
        episodes: int = 100,
        seed: int = 1,
        mode: Mode = "deterministic",
        *,
        best: bool = False,
        at_random: tuple[str, ...] = (),
        max_episode_steps: int | None = None,
        environment: AnyEnvironment | None = None,
    ) -> Evaluation:
        """Play whole episodes with the newest checkpoint, or with the best policy; some agents act at random.

        An episode is cut after ``max_episode_steps``; None for as many as the evaluations of the run's training took,
        or in another ``environment`` than the run's as many as that one's may take.
        """
        algorithm, env, cut = self.stage(environment, max_episode_steps)
        actors, _ = self.actors(best=best)
        how = {"episodes": episodes, "seed": seed, "mode": mode, "at_random": at_random, "max_episode_steps": cut}
        return play(env, roster_of(algorithm, env), actors, algorithm.body, **how)


def train_seeds(
    algorithm: Algorithm,
    env: AnyEnvironment,
    *,
    seeds: dict[int, Path],
    steps: int,
    labels: dict[str, Any],
    checkpoint_every: int | None = None,
    asked: EvaluationConfig = EvaluationConfig(),  # noqa: B008
    init_from: str | Path | None = None,
    trusted: bool = False,
    device: str | None = None,
    sinks: Sequence[Callable[[Path], Sink]] = (),
    quiet: bool = False,
    stop_at: float | None = None,
    callback: Callback | None = None,
) -> list[SavedRun]:
    """One run for each seed, one after another through the same compiled program.

    Each is bit for bit the run that its seed gives alone. See `hamlet.train` for the arguments; ``asked`` is for
    evaluations.
    """
    say = _say(quiet)
    env = backend_of(env).sized(algorithm.sampling.copies) if backend_of(env).copies is None else env
    check(algorithm, env, steps=steps)
    seeds = {check_seed(seed): path for seed, path in seeds.items()}
    _check_cadence(checkpoint_every)
    asked.check()
    used = devices.select(device)
    weights = None if init_from is None else _weights(init_from, algorithm, env, trusted)
    evaluation, line = evaluator.resolve(asked, algorithm, env, steps)
    config = {
        "algorithm": configuration.encode(algorithm),
        "environment": configuration.encode(env),
        "steps": steps,
        "checkpoint_every": checkpoint_every,
        # Absolute: a run that is resumed before its first checkpoint, from wherever that is, reads it once more.
        "init_from": None if init_from is None else str(Path(init_from).absolute()),
        **({} if stop_at is None else {"stop_at": stop_at}),
        **labels,
        **manifest.describe(),
    }
    devices.layout(list(used), algorithm.sampling.copies)
    directories: dict[int, RunDirectory] = {}
    try:
        for seed, path in seeds.items():
            seed_config = {"seed": seed, "evaluation": evaluation | evaluation_seeds(seed)}
            directories[seed] = declaration.begin(path, config | seed_config, say)
        announce.describe(algorithm, env, used, say)
        if preset := labels.get("preset"):
            say(presets.line(preset, str(labels.get("environment_name")), str(labels.get("algorithm_name"))))
        say(line)
        begin = backend_of(env).begin(algorithm)
        first = next(iter(directories.values())).config()
        with compiled(algorithm, env, used, first, say) as ready:
            for seed, directory in directories.items():
                say(f"seed {seed} in {directory.path}")
                with directory.lock():
                    accumulation.keep(directory, ready.program, say)
                    go(ready, directory, _with_weights(begin(seed), weights), sinks, quiet, callback=callback)
                ready = ready._replace(seconds=0.0)  # which the first run has paid
    except RequestError:
        # What the first rollout showed to be the wrong request leaves nothing behind.
        for directory in directories.values():
            if not checkpoint.steps(directory.checkpoints):
                shutil.rmtree(directory.path, ignore_errors=True)
        raise
    return [SavedRun(directory.path) for directory in directories.values()]


def resume(
    path: str | Path,
    *,
    steps: int | None = None,
    trust: bool = False,
    gradient_accumulation: int | None = None,
    device: str | None = None,
    sinks: Sequence[Callable[[Path], Sink]] = (),
    quiet: bool = False,
    callback: Callback | None = None,
) -> SavedRun:
    """Go on with a run from its newest good checkpoint, to its own end or to ``steps``.

    The final state is bit for bit that of a run which was never interrupted, unless ``gradient_accumulation`` says that
    from here on a batch is learnt from in another number of parts, for a machine with less memory: to the same
    gradients but for rounding. A run that was stopped before its first checkpoint begins anew.

    Raises:
        RequestError: If there is no run, it is in use, or it already has that many steps.
        RunError: As for `hamlet.train`.
    """
    say, directory = _say(quiet), RunDirectory.open(path)
    run = SavedRun(directory.path, trust)
    algorithm, env = run.declaration
    algorithm = accumulation.asked(algorithm, gradient_accumulation)
    config = directory.config()
    declaration.check_repeatable(config, str(path))
    total = steps or config["steps"]
    check(algorithm, env, steps=total)
    used = devices.select(device)
    with directory.lock():
        if trust:
            declaration.adopt(directory, say)
        if checkpoint.steps(directory.checkpoints):
            training, done, known = run_state.restore(directory, backend_of(env).outline(algorithm))
        else:
            source = config["init_from"]
            weights = None if source is None else _weights(source, algorithm, env, trust)
            training, done = _with_weights(backend_of(env).begin(algorithm)(config["seed"]), weights), 0
            known = []
        # Stopped between its last step and its last evaluation, a run has only that to do.
        last = math.ceil(total / algorithm.sampling.batch) * algorithm.sampling.batch
        if done > last or (done == last and evaluator.finished(directory, EvaluationSchedule.of(config), done)):
            raise RequestError(f"{path} already has {done} steps; ask for more with --steps {2 * done}")
        say(f"resuming {path} at {done} of {total} steps")
        announce.describe(algorithm, env, used, say)
        try:
            with compiled(algorithm, env, used, config, say) as ready, declaration.of_steps(directory, total, say):
                accumulation.keep(directory, ready.program, say)
                go(ready, directory, training, sinks, quiet, known, callback)
        except TooLarge as error:
            if error.parts is not None:
                raise
            line = f"{error.reason}; the run keeps its copies and steps: resume it where more fits"
            raise RequestError(line) from None
    return run


def _weights(path: str | Path, algorithm: Algorithm, env: AnyEnvironment, trusted: bool) -> Any:
    """The networks of another run, which must have the same shapes; of ``RUN/best``, the actors of its best policy."""
    place, best = run_or_best(path)
    run = SavedRun(RunDirectory.open(place).path, trusted)
    learner = run.training().learner
    actors = run.actors(best=True)[0] if best else learner.team.actors
    weights, ours = (actors, learner.critic.networks), backend_of(env).outline(algorithm).learner

    def shapes(tree):
        return [leaf.shape for leaf in jax.tree.leaves(tree)]

    if shapes(weights) != shapes((ours.team.actors, ours.critic.networks)):
        why = differences(run.declaration, (algorithm, env))
        raise RequestError(f"the networks of {path} have other shapes than this run's: {why}")
    return weights


def _with_weights(training: Training, weights: Any) -> Training:
    if weights is None:
        return training
    return eqx.tree_at(lambda tree: tree.learner, training, learners.begun_from(training.learner, *weights))


def _label(thing: Any) -> str:
    return thing if isinstance(thing, str) else type(thing).__name__


def _check_cadence(checkpoint_every: int | None) -> None:
    if checkpoint_every is not None and checkpoint_every < 1:
        raise RequestError(f"--checkpoint-every must be at least 1, not {checkpoint_every}")


def _say(quiet: bool) -> Say:
    return (lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))
