"""Evaluation during training: at regular points the current policy plays complete evaluation episodes.

Hamlet follows the protocol of Gorsane et al. (2022, arXiv:2209.10485):

* Every point has the same number of episodes. All points use the same initial states, sampled from a seed that
  training does not use.
* Hamlet saves the best policy.
* At the end of training the best policy plays ten times as many episodes (the "absolute metric" of Gorsane et al.).

Evaluation does not change the state of training: results are bitwise identical with and without it. A resumed run
removes the points after its checkpoint and evaluates them again, with equal results.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import numpy as np

from hamlet.backends.backend import EvaluationRollouts
from hamlet.backends.iteration import Training, roster_of
from hamlet.backends.select import backend_of
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, RunError
from hamlet.evaluation import best_policy, evaluate, evaluation_log
from hamlet.evaluation.best_policy import BestPolicy
from hamlet.evaluation.evaluate import Evaluation
from hamlet.evaluation.sides import ConstantSum, constant_sum, declared
from hamlet.learners import Algorithm
from hamlet.rollouts.played import EpisodesFailed
from hamlet.runs.directory import RunDirectory
from hamlet.runs.evaluation_schedule import SHARE, EvaluationConfig, EvaluationSchedule, interval
from hamlet.runs.metrics import Metrics, Sink
from hamlet.runs.progress import Progress
from hamlet.types import Device

# Assumed length of an episode, in steps, if the environment does not declare it.
_HORIZON = 500
# The absolute metric uses this number of episodes for each episode of a point.
_ABSOLUTE = 10


def resolve(
    asked: EvaluationConfig, algorithm: Algorithm, env: AnyEnvironment, steps: int
) -> tuple[dict[str, Any], str]:
    """Return a run's evaluation plan as written to config.json (without seeds), and a line that describes the plan."""
    batch = algorithm.sampling.batch
    known = asked.max_episode_steps or (backend_of(env).horizon if asked.episodes else None)
    horizon, total = known or _HORIZON, -(-steps // batch)
    between = interval(asked, total, batch, horizon)
    plan = {"every": asked.every, "interval": between * batch, "episodes": asked.episodes, "mode": asked.mode}
    cut = evaluate.horizon(env, asked.max_episode_steps) if asked.episodes else asked.max_episode_steps
    plan["max_episode_steps"] = cut
    if not asked.episodes:
        return plan, "no evaluation during training"
    share = -(-total // between) * asked.episodes * horizon / (total * batch)
    line = f"evaluation every {between * batch:,} steps: {asked.episodes} episodes of the {asked.mode} policy"
    if share > SHARE or known is None:
        line += f", {'up to ' if known else ''}{_percent(share)} % more steps"
        line += "" if known else f" if an episode has {_HORIZON} steps (an assumption)"
        line += "; --evaluate-every sets the interval" if share > SHARE or known is None else ""
    if known is None:
        line += f"; the environment declares no time limit, so an episode is truncated at {cut:,} steps"
        line += "; --max-episode-steps changes this"
    return plan, line


def _percent(share: float) -> str:
    """Format a share as a percentage: three digits below 100 %, and a whole number from 100 %.

    >>> _percent(0.04567), _percent(0.75), _percent(10.004)
    ('4.57', '75', '1,000')
    """
    return f"{100 * share:,.0f}" if share >= 1 else f"{100 * share:.3g}"


def prepare(
    plan: EvaluationSchedule, algorithm: Algorithm, env: AnyEnvironment, device: Device
) -> EvaluationRollouts | None:
    """Return the compiled evaluation rollouts with their environments open; None if the plan has no episodes."""
    if not plan.episodes:
        return None
    roster, like = roster_of(algorithm, env), backend_of(env).outline(algorithm).learner.team.actors
    cut = evaluate.horizon(env, plan.max_episode_steps)
    return backend_of(env).trials(
        roster, like, algorithm.body, plan.episodes, plan.seed, plan.mode, device, horizon=cut
    )


@dataclass
class Evaluator:
    """The evaluations of one run.

    Attributes:
        plan: When and how to evaluate.
        trials: Rollouts that play the episodes; None if the plan has no episodes.
        directory: Directory in which the evaluations are recorded. The caller holds its lock.
        algorithm: The algorithm of the run.
        env: The environment of the run.
        total: Number of iterations of the whole run.
        progress: The progress display in the terminal.
        sinks: Metrics sinks (TensorBoard, W&B) that also receive the values.
    """

    plan: EvaluationSchedule
    trials: EvaluationRollouts | None
    directory: RunDirectory
    algorithm: Algorithm
    env: AnyEnvironment
    total: int
    progress: Progress
    sinks: Sequence[Sink] = ()
    _measured: set[int] = field(default_factory=set)
    _best: BestPolicy | None = None
    _returns: list[np.ndarray] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Read the points that the run has already evaluated."""
        if self.trials is not None:
            with Metrics(self.directory.metrics, write=False) as metrics:
                points = metrics.evaluations()
            self._measured = set(points.steps.tolist())
            self._returns = list(points.returns)
            self._best = best_policy.current(self.directory)

    def next(self, done: int) -> int:
        """Return the iteration of the next point after ``done`` iterations."""
        every = max(1, self.plan.interval // self.algorithm.sampling.batch)
        return self.total if self.trials is None else min(self.total, (done // every + 1) * every)

    def visit(self, training: Training, metrics: Metrics, stop: Callable[[], bool]) -> None:
        """Evaluate the current policy if this iteration is a new point; after the last one, also the best policy.

        An evaluation that ``stop`` interrupts is not recorded. The run repeats it when it resumes.

        Raises:
            RunError: The environment failed, or a file cannot be written.
        """
        done = int(training.iteration)
        if self.trials is None or not done or self.next(done - 1) != done or stop():
            return
        try:
            if done * self.algorithm.sampling.batch not in self._measured:
                self._point(self.trials, training, done * self.algorithm.sampling.batch, metrics, stop)
            if done == self.total and not stop():
                self._absolute(self.trials, stop)
        finally:
            for line in self.trials.remarks():
                self.progress.note(line)

    def _point(
        self, trials: EvaluationRollouts, training: Training, step: int, metrics: Metrics, stop: Callable[[], bool]
    ) -> None:
        began, plan, actors = time.perf_counter(), self.plan, training.learner.team.actors
        try:
            played = trials.play(actors, plan.seed, plan.episodes, stop)
        except EpisodesFailed as error:
            self.progress.note(
                f"evaluation at {step:,} steps: {error}; it has no return, so this policy cannot become the best policy"
            )
            evaluation = self._without_returns(error)
        else:
            if played is None:
                return
            evaluation = Evaluation.of_played(played, plan.mode, plan.seed)
            for line in evaluation.remarks:
                self.progress.note(f"evaluation at {step:,} steps: {line}")
        if self._is_best(evaluation):
            # The policy is saved before the point, so that a recorded point has its policy even if the process is
            # killed in between.
            self._best = best_policy.save(self.directory, jax.tree.map(np.asarray, actors), step, evaluation.mean)
        values = {"evaluation/return": evaluation.mean, "seconds/evaluation": time.perf_counter() - began}
        counts = {"evaluation/failed": evaluation.failed, "evaluation/cut": evaluation.cut}
        values |= {name: float(count) for name, count in counts.items() if count}
        measured = {name: measure.mean for name, measure in evaluation.measured.items()}
        values |= {f"evaluation/measure/{name}": mean for name, mean in measured.items() if mean is not None}
        metrics.write_evaluation(
            step,
            values,
            returns=evaluation.agent_returns,
            lengths=evaluation.lengths,
            agents=self._agents,
            mode=plan.mode,
            seed=plan.seed,
        )
        self._measured.add(step)
        for sink in self.sinks:
            sink.write(step, values)
        ranks = self._opposed is None and not math.isnan(evaluation.mean)
        self.progress.evaluated = evaluation.mean if ranks else None

    @property
    def _agents(self) -> tuple[str, ...]:
        return roster_of(self.algorithm, self.env).names

    def _without_returns(self, error: EpisodesFailed) -> Evaluation:
        """Return the point of a failed evaluation: the planned number of episodes, all without a return (NaN)."""
        count = self.plan.episodes
        returns = np.full((count, len(self._agents)), np.nan)
        nothing = Evaluation.of(returns, np.zeros(count, np.int32), self.plan.mode, self.plan.seed)
        return replace(nothing, failed=error.failed)

    @property
    def _opposed(self) -> ConstantSum | None:
        """The sides of a constant-sum game; None if the evaluations so far do not show a constant sum."""
        return constant_sum(np.concatenate(self._returns), declared(self.env)) if self._returns else None

    def _is_best(self, evaluation: Evaluation) -> bool:
        """Return whether a policy becomes the best policy. In a constant-sum game the newest policy always does."""
        was_opposed = self._opposed is not None
        self._returns.append(evaluation.agent_returns)
        if math.isnan(evaluation.mean):
            return False
        if self._opposed is None:
            return self._best is None or self._best.beaten(evaluation.mean)
        if not was_opposed:
            self.progress.note(
                "the agents' returns sum to the same number in every episode, so this sum cannot rank policies; "
                "the newest policy is saved as the best policy"
            )
        return True

    def _absolute(self, trials: EvaluationRollouts, stop: Callable[[], bool]) -> None:
        """Evaluate the best policy on a seed that no point uses, with ten times as many episodes."""
        like = backend_of(self.env).outline(self.algorithm).learner.team.actors
        try:
            restored, plan = best_policy.restore(self.directory, like), self.plan
        except (RequestError, RunError) as error:
            return self.progress.note(f"no final evaluation of the best policy: {error}")
        count, names, steps = _ABSOLUTE * plan.episodes, self._agents, self.total * self.algorithm.sampling.batch
        try:
            played = trials.play(restored.state, plan.absolute_seed, count, stop)
        except EpisodesFailed as error:
            self.progress.note(f"no final evaluation of the best policy: {error}")
            point = evaluation_log.describe_failed(error, restored.step, plan.mode, plan.absolute_seed)
        else:
            if played is None:
                return None
            evaluation = Evaluation.of_played(played, plan.mode, plan.absolute_seed)
            for line in evaluation.remarks:
                self.progress.note(f"evaluation of the best policy: {line}")
            point = evaluation_log.describe(evaluation, restored.step, names, self._opposed)
        evaluation_log.record_absolute(self.directory, point, run_steps=steps)
        return best_policy.prune(self.directory)


def finished(directory: RunDirectory, plan: EvaluationSchedule, total: int) -> bool:
    """Return whether a run that trained for ``total`` environment steps has completed all its evaluations."""
    if not plan.episodes:
        return True
    with Metrics(directory.metrics, write=False) as metrics:
        last = metrics.evaluations().steps[-1:]
    # If the episodes of every point failed, there is no best policy.
    tried = evaluation_log.tried_absolute(directory, run_steps=total) or best_policy.current(directory) is None
    return total in last and tried
