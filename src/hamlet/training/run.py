"""Runs: begin one, go on with one, judge one."""

import math
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import jax

from hamlet import envs, learners, presets
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError
from hamlet.learners import Algorithm
from hamlet.training import (
    announce,
    budget,
    checkpoint,
    configuration,
    declaration,
    devices,
    kept,
    manifest,
    protocol,
)
from hamlet.training import best as best_policy
from hamlet.training.check import check
from hamlet.training.declaration import Declaration
from hamlet.training.directory import RunDirectory
from hamlet.training.evaluate import Evaluation, Mode
from hamlet.training.evaluate import evaluate as play
from hamlet.training.learning import Training, roster_of
from hamlet.training.loop import Loop
from hamlet.training.metrics import Metrics, Sink
from hamlet.training.program import Program, Trials
from hamlet.training.progress import Progress
from hamlet.training.protocol import EPISODES, Asked, Examiner, Plan
from hamlet.training.seeds import check_seed
from hamlet.training.segments import Segment
from hamlet.training.venue import venue
from hamlet.types import Device

Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
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
        return checkpoint.restore(self.directory.checkpoints, venue(env).outline(algorithm)).state

    def actors(self, *, best: bool = False) -> tuple[tuple[Any, ...], int]:
        """The actors of the newest good checkpoint, or of the best policy, and the environment step of either.

        Raises:
            RequestError: If nothing was evaluated while the run trained, so that none is known to be best.
            RunError: If there is none that is good.
        """
        algorithm, env = self.declaration
        if best:
            like = venue(env).outline(algorithm).learner.team.actors
            found = best_policy.restore(self.directory, like)
            return found.state, found.step
        training = self.training()
        return training.learner.team.actors, int(training.iteration) * algorithm.sampling.batch

    def evaluate(
        self,
        episodes: int = 100,
        seed: int = 1,
        mode: Mode = "deterministic",
        *,
        best: bool = False,
        at_random: tuple[str, ...] = (),
        max_episode_steps: int | None = None,
    ) -> Evaluation:
        """Play with the newest checkpoint, or the best policy, episodes of at most the run's ``max_episode_steps``."""
        algorithm, env = self.declaration
        actors, _ = self.actors(best=best)
        cut = max_episode_steps or Plan.of(self.directory.config()).max_episode_steps
        how = {"episodes": episodes, "seed": seed, "mode": mode, "at_random": at_random, "max_episode_steps": cut}
        return play(env, roster_of(algorithm, env), actors, algorithm.body, **how)


def train(
    algorithm: Algorithm | str,
    environment: AnyEnvironment | str,
    *,
    steps: int,
    seed: int = 0,
    out: str | Path | None = None,
    preset: str | None = None,
    checkpoint_every: int | None = None,
    evaluate_every: int | None = None,
    evaluate_episodes: int = EPISODES,
    evaluate_mode: Mode = "deterministic",
    max_episode_steps: int | None = None,
    init_from: str | Path | None = None,
    trust: bool = False,
    device: str | None = None,
    sinks: Sequence[Callable[[Path], Sink]] = (),
    quiet: bool = False,
) -> Run:
    """Train a team.

    Args:
        algorithm: A declaration, or a name: then with the values of ``preset``, or those usual for the environment,
            and as many copies as the environment was declared for, if it says.
        environment: An environment, or a name: then with its default options.
        steps: Environment steps (of all copies together); rounded up to whole rollouts.
        seed: From which everything is drawn; the same seed gives the same bits on the same machine.
        out: The directory of the run, which must not hold one; None for ``runs/ALGORITHM-ENVIRONMENT-SEED``.
        preset: A name from `hamlet.presets.PRESETS`.
        checkpoint_every: Environment steps between checkpoints; None for 5 % of the run or two minutes.
        evaluate_every: Environment steps between evaluations; None for at most 50 that add at most 5 % to the steps,
            but at least 3. There is one at the end, too. They change nothing of what is trained.
        evaluate_episodes: Whole episodes of each; 0 for no evaluation.
        evaluate_mode: "deterministic" for the likeliest actions, "stochastic" for samples.
        max_episode_steps: Steps after which evaluations cut an episode; None for the environment's longest, or 10,000.
        init_from: A run whose networks (not its optimisers, games or counters) to begin with.
        trust: Whether code of its own that the run ``init_from`` names may be run.
        device: "cpu", "gpu" or "tpu"; None for what JAX prefers.
        sinks: Makers of further sinks for the metrics, from the directory of the run.
        quiet: Print nothing.

    Raises:
        RequestError: If the request cannot be run; nothing was begun.
        RunError: If it failed or was stopped while running; the last checkpoint is intact.
    """
    name, env_name, seed = _label(algorithm), _label(environment), check_seed(seed)
    env = envs.make(environment) if isinstance(environment, str) else environment
    if isinstance(algorithm, str):
        preset = preset or presets.default(env_name, name)
        own = venue(env).copies
        given = {} if own is None else {"copies": own}
        declared = presets.find(preset, name, env)(**given)
    else:
        declared = algorithm
    out = Path(out) if out is not None else Path("runs") / f"{name}-{env_name.replace('/', '-')}-seed-{seed}"
    return train_seeds(
        declared,
        env,
        seeds={seed: out},
        steps=steps,
        labels={"algorithm_name": name, "environment_name": env_name, "preset": preset},
        checkpoint_every=checkpoint_every,
        asked=Asked(
            every=evaluate_every, episodes=evaluate_episodes, mode=evaluate_mode, max_episode_steps=max_episode_steps
        ),
        init_from=init_from,
        trusted=trust,
        device=device,
        sinks=sinks,
        quiet=quiet,
    )[0]


def train_seeds(
    algorithm: Algorithm,
    env: AnyEnvironment,
    *,
    seeds: dict[int, Path],
    steps: int,
    labels: dict[str, Any],
    checkpoint_every: int | None = None,
    asked: Asked = Asked(),  # noqa: B008
    init_from: str | Path | None = None,
    trusted: bool = False,
    device: str | None = None,
    sinks: Sequence[Callable[[Path], Sink]] = (),
    quiet: bool = False,
) -> list[Run]:
    """One run for each seed, one after another through the same compiled program.

    Each is bit for bit the run that its seed gives alone. See `train` for the arguments; ``asked`` is for evaluations.
    """
    say = _say(quiet)
    check(algorithm, env, steps=steps)
    seeds = {check_seed(seed): path for seed, path in seeds.items()}
    _check_cadence(checkpoint_every)
    asked.check()
    used = devices.select(device)
    weights = None if init_from is None else _weights(init_from, algorithm, env, trusted)
    evaluation, line = protocol.resolve(asked, algorithm, env, steps)
    config = {
        "algorithm": configuration.encode(algorithm),
        "environment": configuration.encode(env),
        "steps": steps,
        "checkpoint_every": checkpoint_every,
        # Absolute: a run that is resumed before its first checkpoint, from wherever that is, reads it once more.
        "init_from": None if init_from is None else str(Path(init_from).absolute()),
        **labels,
        **manifest.describe(),
    }
    devices.layout(list(used), algorithm.sampling.copies)
    directories: dict[int, RunDirectory] = {}
    try:
        for seed, path in seeds.items():
            own = {"seed": seed, "evaluation": evaluation | protocol.seeds(seed)}
            directories[seed] = declaration.begin(path, config | own, say)
        announce.describe(algorithm, env, used, say)
        say(line)
        begin = venue(env).begin(algorithm)
        first = next(iter(directories.values())).config()
        with _compiled(algorithm, env, used, first, say) as compiled:
            for seed, directory in directories.items():
                say(f"seed {seed} in {directory.path}")
                with directory.lock():
                    _go(compiled, directory, _with_weights(begin(seed), weights), sinks, quiet)
                compiled = compiled._replace(seconds=0.0)  # which the first run has paid
    except RequestError:
        # What the first rollout showed to be the wrong request leaves nothing behind.
        for directory in directories.values():
            if not checkpoint.steps(directory.checkpoints):
                shutil.rmtree(directory.path, ignore_errors=True)
        raise
    return [Run(directory.path) for directory in directories.values()]


def resume(
    path: str | Path,
    *,
    steps: int | None = None,
    trust: bool = False,
    device: str | None = None,
    sinks: Sequence[Callable[[Path], Sink]] = (),
    quiet: bool = False,
) -> Run:
    """Go on with a run from its newest good checkpoint, to its own end or to ``steps``.

    The final state is bit for bit that of a run which was never interrupted. A run that was stopped before its first
    checkpoint begins anew.

    Raises:
        RequestError: If there is no run, it is in use, or it already has that many steps.
        RunError: As for `train`.
    """
    say, directory = _say(quiet), RunDirectory.open(path)
    run = Run(directory.path, trust)
    algorithm, env = run.declaration
    config = directory.config()
    declaration.check_repeatable(config, str(path))
    total = steps or config["steps"]
    check(algorithm, env, steps=total)
    used = devices.select(device)
    with directory.lock():
        if trust:
            declaration.adopt(directory, say)
        if checkpoint.steps(directory.checkpoints):
            training, done, known = kept.restore(directory, venue(env).outline(algorithm))
        else:
            source = config["init_from"]
            weights = None if source is None else _weights(source, algorithm, env, trust)
            training, done = _with_weights(venue(env).begin(algorithm)(config["seed"]), weights), 0
            known = []
        # Stopped between its last step and its last evaluation, a run has only that to do.
        last = math.ceil(total / algorithm.sampling.batch) * algorithm.sampling.batch
        if done > last or (done == last and protocol.finished(directory, Plan.of(config), done)):
            raise RequestError(f"{path} already has {done} steps; ask for more with --steps {2 * done}")
        if total != config["steps"]:
            declaration.rewrite(directory, config | {"steps": total}, say)
        say(f"resuming {path} at {done} of {total} steps")
        announce.describe(algorithm, env, used, say)
        with _compiled(algorithm, env, used, config, say) as compiled:
            _go(compiled, directory, training, sinks, quiet, known)
    return run


class _Compiled(NamedTuple):
    """What runs of one configuration are made with, and the seconds that it took to compile."""

    program: Program
    trials: Trials | None
    seconds: float


@contextmanager
def _compiled(
    algorithm: Algorithm, env: AnyEnvironment, used: Sequence[Device], config: dict[str, Any], say: Say
) -> Iterator[_Compiled]:
    """The compiled iterations and evaluations, unless they need more memory than there is."""
    seed, plan = config["seed"], Plan.of(config)
    with ExitStack() as opened:
        program = venue(env).compile(algorithm, used, seed, lambda ring: budget.heed(algorithm, ring, used, say))
        opened.enter_context(closing(program))
        budget.describe(program, used, say)
        trials, seconds = protocol.prepare(plan, algorithm, env, used[0]), program.compile_seconds
        if trials is not None:
            opened.enter_context(closing(trials))
            seconds += trials.compile_seconds
        yield _Compiled(program, trials, seconds)


def _go(
    compiled: _Compiled,
    directory: RunDirectory,
    training: Training,
    sinks: Sequence[Callable[[Path], Sink]],
    quiet: bool,
    known: Sequence[Segment] = (),
) -> None:
    program, config = compiled.program, directory.config()
    batch, every = program.algorithm.sampling.batch, config["checkpoint_every"]
    done, total = int(training.iteration) * batch, math.ceil(config["steps"] / batch)
    with Metrics(directory.metrics) as metrics:
        metrics.truncate(done)
    best_policy.truncate(directory, done)
    heard, progress = [make(directory.path) for make in sinks], Progress(total * batch, quiet=quiet)
    examiner = Examiner(
        Plan.of(config), compiled.trials, directory, program.algorithm, program.env, total, progress, heard
    )
    try:
        Loop(
            program,
            directory,
            total,
            None if every is None else max(1, every // batch),
            progress,
            examiner,
            heard,
            list(known),
            compiled.seconds,
        ).run(training)
    finally:
        for sink in heard:
            sink.close()


def _weights(path: str | Path, algorithm: Algorithm, env: AnyEnvironment, trusted: bool) -> Any:
    """The networks of another run, which must have the same shapes."""
    run = Run(RunDirectory.open(path).path, trusted)
    learner = run.training().learner
    theirs, ours = (learner.team.actors, learner.critic.networks), venue(env).outline(algorithm).learner
    shapes = lambda tree: [leaf.shape for leaf in jax.tree.leaves(tree)]  # noqa: E731
    if shapes(theirs) != shapes((ours.team.actors, ours.critic.networks)):
        raise RequestError(f"the networks of {path} have other shapes than this run's; use its algorithm and --hidden")
    return theirs


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
