"""Runs: start a run, resume a run, evaluate a run."""

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
    """A run that is stored in a directory.

    Attributes:
        path: The directory.
        trust: Whether user code that config.json names may be executed, even if this user did not start the run on this
            machine.
    """

    path: Path
    trust: bool = False

    @property
    def directory(self) -> RunDirectory:
        """The files of the run."""
        return RunDirectory.open(self.path)

    @property
    def algorithm(self) -> Algorithm:
        """The algorithm of the run."""
        return self.declaration.algorithm

    @property
    def environment(self) -> AnyEnvironment:
        """The environment of the run."""
        return self.declaration.environment

    @property
    def declaration(self) -> Declaration:
        """The algorithm and the environment, read from config.json.

        Raises:
            RequestError: The config.json is invalid, or it names user code and is not trusted.
            RunError: The config.json cannot be read.
        """
        return declaration.read(self.directory.as_written(), str(self.path), trusted=self.trust)

    def training(self) -> Training:
        """Return the training state of the newest good checkpoint, without the replay buffer.

        Raises:
            RunError: If there is no good checkpoint.
        """
        algorithm, env = self.declaration
        return checkpoint.restore(self.directory.checkpoints, backend_of(env).outline(algorithm)).state

    def actors(self, *, best: bool = False) -> tuple[tuple[Any, ...], int]:
        """Return the actors of the newest good checkpoint, or of the best policy, and their environment step.

        Raises:
            RequestError: If ``best`` is True and the run was not evaluated during training, so that it has no best
                policy.
            RunError: If there is no good checkpoint.
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
        """Return the algorithm, the environment in which the policies act, and the step limit of an episode.

        Args:
            environment: The environment in which the policies act; None for the run's environment.
            max_episode_steps: The step limit after which an episode is truncated. None for the default: in the run's
                environment, the limit of the evaluations during training; in another environment, the limit that this
                environment sets itself, for which None is returned.

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
        """Evaluate the newest checkpoint, or the best policy, on whole episodes; some agents may act at random.

        An episode is truncated after ``max_episode_steps`` steps. With None, the limit is the limit of the evaluations
        during training. In another ``environment`` than the run's, it is then the limit that this environment sets.
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
    """Train one run per seed, sequentially, with the same compiled program.

    Each run is bitwise identical to a run that is trained alone with its seed. `hamlet.train` documents the arguments;
    ``asked`` is the requested configuration of the evaluations.
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
        # The path is absolute: a run resumed before its first checkpoint, from any working directory, reads it again.
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
                ready = ready._replace(seconds=0.0)  # the compile time counts for the first run only
    except RequestError:
        # If the first rollout shows that the request cannot be trained, its directories are removed.
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
    """Continue a run from its newest good checkpoint to its configured number of steps, or to ``steps``.

    The final state is bitwise identical to the state of a run that was never interrupted. ``gradient_accumulation``
    changes the number of parts of a batch from here on, for a machine with less memory; the gradients are then equal up
    to rounding. A run that was stopped before its first checkpoint starts again from step 0.

    Raises:
        RequestError: If there is no run, another process uses it, or it already has that many steps.
        RunError: See `hamlet.train`.
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
        # A run that was stopped after its last step and before its last evaluation still needs that evaluation.
        last = math.ceil(total / algorithm.sampling.batch) * algorithm.sampling.batch
        if done > last or (done == last and evaluator.finished(directory, EvaluationSchedule.of(config), done)):
            raise RequestError(f"{path} already has {done} steps; to train longer, use for example --steps {2 * done}")
        say(f"resuming {path} at step {done} of {total}")
        announce.describe(algorithm, env, used, say)
        try:
            with compiled(algorithm, env, used, config, say) as ready, declaration.of_steps(directory, total, say):
                accumulation.keep(directory, ready.program, say)
                go(ready, directory, training, sinks, quiet, known, callback)
        except TooLarge as error:
            if error.parts is not None:
                raise
            line = (
                f"{error.reason}; a resumed run cannot change its number of environment copies or its rollout length: "
                "resume it on a machine with more memory"
            )
            raise RequestError(line) from None
    return run


def _weights(path: str | Path, algorithm: Algorithm, env: AnyEnvironment, trusted: bool) -> Any:
    """Return the actors and critics of another run; for ``RUN/best``, the actors of its best policy.

    The networks must have the same shapes as this run's networks.
    """
    place, best = run_or_best(path)
    run = SavedRun(RunDirectory.open(place).path, trusted)
    learner = run.training().learner
    actors = run.actors(best=True)[0] if best else learner.team.actors
    weights, ours = (actors, learner.critic.networks), backend_of(env).outline(algorithm).learner

    def shapes(tree):
        return [leaf.shape for leaf in jax.tree.leaves(tree)]

    if shapes(weights) != shapes((ours.team.actors, ours.critic.networks)):
        why = differences(run.declaration, (algorithm, env))
        raise RequestError(f"the networks of {path} do not have the shapes of this run's networks: {why}")
    return weights


def _with_weights(training: Training, weights: Any) -> Training:
    if weights is None:
        return training
    return eqx.tree_at(lambda tree: tree.learner, training, learners.begun_from(training.learner, *weights))


def _label(thing: Any) -> str:
    return thing if isinstance(thing, str) else type(thing).__name__


def _check_cadence(checkpoint_every: int | None) -> None:
    if checkpoint_every is not None and checkpoint_every < 1:
        raise RequestError(f"--checkpoint-every must be at least 1, got {checkpoint_every}")


def _say(quiet: bool) -> Say:
    return (lambda line: None) if quiet else (lambda line: print(line, file=sys.stderr, flush=True))
