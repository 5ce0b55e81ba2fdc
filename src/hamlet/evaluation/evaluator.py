"""Evaluation while a run trains: at declared points the policy of the moment plays whole episodes of its own.

The field's protocol (Gorsane et al., 2022, arXiv:2209.10485): so many episodes at every point, the best policy kept,
and at the end the absolute metric, ten times as many episodes of that policy. Every point meets the same first states,
drawn from a seed that training does not know. Nothing of a run's state is touched, so that its bits are those of a run
that evaluates nothing; and a resumed run, whose points beyond its checkpoint are removed, measures the same ones again.
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

# Assumed of an environment that does not say how long its episodes are.
_HORIZON = 500
# Episodes of the absolute metric for one of a point.
_ABSOLUTE = 10


def resolve(
    asked: EvaluationConfig, algorithm: Algorithm, env: AnyEnvironment, steps: int
) -> tuple[dict[str, Any], str]:
    """A run's plan as its config.json holds it, its seeds apart, and a line that tells of it."""
    batch = algorithm.sampling.batch
    known = asked.max_episode_steps or (backend_of(env).horizon if asked.episodes else None)
    horizon, total = known or _HORIZON, -(-steps // batch)
    between = interval(asked, total, batch, horizon)
    plan = {"every": asked.every, "interval": between * batch, "episodes": asked.episodes, "mode": asked.mode}
    cut = evaluate.horizon(env, asked.max_episode_steps) if asked.episodes else asked.max_episode_steps
    plan["max_episode_steps"] = cut
    if not asked.episodes:
        return plan, "no evaluation while it trains"
    share = -(-total // between) * asked.episodes * horizon / (total * batch)
    line = f"evaluated every {between * batch:,} steps: {asked.episodes} episodes of the {asked.mode} policy"
    if share > SHARE or known is None:
        line += f", {'up to ' if known else ''}{_percent(share)} % more steps"
        line += "" if known else f" where episodes take {_HORIZON}, which is assumed"
        line += "; --evaluate-every sets how often" if share > SHARE or known is None else ""
    if known is None:
        line += f"; an episode is cut at {cut:,} steps, as the environment does not say; --max-episode-steps sets that"
    return plan, line


def _percent(share: float) -> str:
    """Of a share, three digits, or where it is larger all that stand before the point.

    >>> _percent(0.04567), _percent(0.75), _percent(10.004)
    ('4.57', '75', '1,000')
    """
    return f"{100 * share:,.0f}" if share >= 1 else f"{100 * share:.3g}"


def prepare(
    plan: EvaluationSchedule, algorithm: Algorithm, env: AnyEnvironment, device: Device
) -> EvaluationRollouts | None:
    """What plays the episodes, compiled and opened; None where there are to be none."""
    if not plan.episodes:
        return None
    roster, like = roster_of(algorithm, env), backend_of(env).outline(algorithm).learner.team.actors
    cut = evaluate.horizon(env, plan.max_episode_steps)
    return backend_of(env).trials(
        roster, like, algorithm.body, plan.episodes, plan.seed, plan.mode, device, horizon=cut
    )


@dataclass
class Evaluator:
    """One run's evaluations.

    Attributes:
        plan: When and how.
        trials: What plays the episodes; None where there are to be none.
        directory: Where they are recorded; locked by the caller.
        algorithm: What is trained with.
        env: What it is trained on.
        total: Iterations of the whole run.
        progress: What a person sees.
        sinks: Who else hears of it.
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
        """Look up what was evaluated before."""
        if self.trials is not None:
            with Metrics(self.directory.metrics, write=False) as metrics:
                points = metrics.evaluations()
            self._measured = set(points.steps.tolist())
            self._returns = list(points.returns)
            self._best = best_policy.current(self.directory)

    def next(self, done: int) -> int:
        """The iteration of the first point after so many."""
        every = max(1, self.plan.interval // self.algorithm.sampling.batch)
        return self.total if self.trials is None else min(self.total, (done // every + 1) * every)

    def visit(self, training: Training, metrics: Metrics, stop: Callable[[], bool]) -> None:
        """Evaluate where there is a point that was not measured yet, and at the end the best policy once more.

        What ``stop`` cuts short is not recorded, and measured when the run goes on.

        Raises:
            RunError: The environment failed, or something cannot be written.
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
                f"evaluation at {step:,} steps: {error}; it has no return, and its policy cannot be the best"
            )
            evaluation = self._without_returns(error)
        else:
            if played is None:
                return
            evaluation = Evaluation.of_played(played, plan.mode, plan.seed)
            for line in evaluation.remarks:
                self.progress.note(f"evaluation at {step:,} steps: {line}")
        if self._is_best(evaluation):
            # Before the point is recorded: one that stands has its policy, whenever the process is killed.
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
        """A point whose episodes failed: as many as any other, none of which has a return."""
        count = self.plan.episodes
        returns = np.full((count, len(self._agents)), np.nan)
        nothing = Evaluation.of(returns, np.zeros(count, np.int32), self.plan.mode, self.plan.seed)
        return replace(nothing, failed=error.failed)

    @property
    def _opposed(self) -> ConstantSum | None:
        """The sides of the game, where the evaluations so far show that one wins what the others lose."""
        return constant_sum(np.concatenate(self._returns), declared(self.env)) if self._returns else None

    def _is_best(self, evaluation: Evaluation) -> bool:
        """Whether a policy takes the place of the best; where the returns sum to a constant, the newest does."""
        was_opposed = self._opposed is not None
        self._returns.append(evaluation.agent_returns)
        if math.isnan(evaluation.mean):
            return False
        if self._opposed is None:
            return self._best is None or self._best.beaten(evaluation.mean)
        if not was_opposed:
            self.progress.note(
                "the agents' returns sum to the same number in every episode, by which no policy is better than "
                "another: the newest one is kept as the best"
            )
        return True

    def _absolute(self, trials: EvaluationRollouts, stop: Callable[[], bool]) -> None:
        """The best policy on fresh seeds, ten times as many episodes."""
        like = backend_of(self.env).outline(self.algorithm).learner.team.actors
        try:
            restored, plan = best_policy.restore(self.directory, like), self.plan
        except (RequestError, RunError) as error:
            return self.progress.note(f"there is no absolute metric: {error}")
        count, names, steps = _ABSOLUTE * plan.episodes, self._agents, self.total * self.algorithm.sampling.batch
        try:
            played = trials.play(restored.state, plan.absolute_seed, count, stop)
        except EpisodesFailed as error:
            self.progress.note(f"there is no absolute metric: {error}")
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
    """Whether nothing is left to evaluate of a run that trained for ``total`` environment steps."""
    if not plan.episodes:
        return True
    with Metrics(directory.metrics, write=False) as metrics:
        last = metrics.evaluations().steps[-1:]
    # Where the episodes of every point failed, no policy is the best.
    tried = evaluation_log.tried_absolute(directory, run_steps=total) or best_policy.current(directory) is None
    return total in last and tried
