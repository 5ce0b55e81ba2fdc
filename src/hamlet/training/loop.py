"""The training loop for every environment backend: record metrics, check values, save, and stop on request."""

import contextlib
import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import numpy as np

from hamlet.backends.backend import Program
from hamlet.backends.iteration import Training, roster_of
from hamlet.backends.jax_backend import CAPACITY
from hamlet.checkpoints import checkpoint, run_state
from hamlet.checkpoints.replay_files import ReplaySegment
from hamlet.envs.host import AnyEnvironment
from hamlet.errors import RequestError, RunError, extended
from hamlet.evaluation.evaluator import Evaluator
from hamlet.files import atomic_write
from hamlet.runs import declaration
from hamlet.runs.directory import RunDirectory
from hamlet.runs.metrics import Metrics, Sink
from hamlet.runs.progress import Progress
from hamlet.streams import declared_streams, reported
from hamlet.training.ending import Ending
from hamlet.training.interrupt import Interrupt

# Target duration of a compiled call: short enough for Ctrl-C, long enough that the time in Python is negligible.
_CALL_SECONDS = 1.0
# The longest interval between checkpoints, in seconds and as a share of the run.
_SAVE_SECONDS, _SAVE_SHARE = 120.0, 0.05
# Names of the metrics that count an iteration's updates. An iteration without such a metric always makes updates.
_BEHIND, _ALWAYS = {"actor": "moves", "critic": "updates"}, np.ones(CAPACITY, np.int32)


class Interrupted(RunError):
    """A signal stopped the run; the run saved a checkpoint first."""


class NotFinite(RunError):
    """A metric or a tensor is not finite. Resuming from the last good checkpoint would lead to the same value."""


@dataclass
class Loop:
    """The training loop of one run.

    Attributes:
        program: The compiled iterations.
        directory: The run directory; the caller holds its lock.
        total: Number of iterations of the whole run.
        save_every: Iterations between checkpoints; None for the default: 5 % of the run or two minutes, whichever is
            shorter.
        progress: The progress line in the terminal.
        examiner: Runs the evaluations.
        sinks: Further metrics sinks.
        segments: The replay segments on the disk that belong to the initial state.
        compile_seconds: Seconds that the compilation for this run took.
        ending: Decides whether the run stops early, and stores the reason.
    """

    program: Program
    directory: RunDirectory
    total: int
    save_every: int | None
    progress: Progress
    examiner: Evaluator
    sinks: Sequence[Sink] = ()
    segments: list[ReplaySegment] = field(default_factory=list)
    compile_seconds: float = 0.0
    ending: Ending = field(default_factory=Ending)
    _saved: int = 0
    _saved_at: float = field(default_factory=time.monotonic)

    def run(self, training: Training) -> Training:
        """Run all iterations that are left, and return the final state.

        Raises:
            Interrupted: On SIGINT or SIGTERM, after a checkpoint was saved.
            RunError: A value is not finite, a file cannot be written, or the environment failed. The error names the
                last good checkpoint and the command that resumes from it.
        """
        self._saved = int(training.iteration)
        with Metrics(self.directory.metrics) as metrics, Interrupt() as interrupt:
            try:
                training = self.program.place(training)
                training = run_state.recalled(self.directory, training, self._rows(self._saved), self.segments)
                self._hear()
                return self._iterate(training, metrics, interrupt)
            except (Interrupted, NotFinite):
                raise
            except checkpoint.NotSaved as error:
                raise extended(error, self._advice()) from error
            except RunError as error:
                raise extended(error, f"{self._last_good()}{self._advice()}") from error
            except OSError as error:
                raise RunError(f"{atomic_write.one_line(error)}{self._last_good()}{self._advice()}") from error
            finally:
                self.progress.close()

    def _iterate(self, training: Training, metrics: Metrics, interrupt: Interrupt) -> Training:
        count = 1
        while True:
            done = int(training.iteration)
            self._evaluate(training, metrics, interrupt)
            if interrupt.requested:
                if done != self._saved or not checkpoint.steps(self.directory.checkpoints):
                    self.save(training, metrics)
                raise Interrupted(f"stopped as requested at {self._steps(done)} steps{self._last_good()}")
            if self.ending.reason and done < self.total:
                self._end_here(training, metrics)
                continue  # with the final evaluation
            if done >= self.total:
                return training
            count = min(count, self._saved + self._every - done, self.examiner.next(done) - done)
            began = time.perf_counter()
            training, infos = self._call(training, count, interrupt)
            iterations = int(training.iteration) - done  # fewer than count if a stop was requested
            seconds = (time.perf_counter() - began) / max(iterations, 1)
            if iterations:
                self._record(training, infos, done, iterations, seconds, metrics)
            if self._due(done + iterations):
                self.save(training, metrics)
            count = max(1, min(CAPACITY, 2 * count, int(_CALL_SECONDS / seconds)))

    def _evaluate(self, training: Training, metrics: Metrics, interrupt: Interrupt) -> None:
        """Run the evaluations that are due; if the environment fails in one, save the training state first."""
        try:
            self.examiner.visit(training, metrics, lambda: interrupt.requested)
        except RunError as error:
            with contextlib.suppress(RunError):  # report the first error only
                self.save(training, metrics)
            raise extended(error, ", in the evaluation") from error

    def _end_here(self, training: Training, metrics: Metrics) -> None:
        """Stop early: set the run's number of steps to the steps that are done."""
        done = int(training.iteration)
        if done != self._saved:
            self.save(training, metrics)
        self.total = self.examiner.total = done
        config = self.directory.config() | {"steps": self._steps(done)}
        declaration.rewrite(self.directory, config, self.progress.note)
        if not self.progress.quiet:
            self.progress.note(f"stopped early at {self._steps(done):,} steps: {self.ending.reason}")

    def _call(self, training: Training, count: int, interrupt: Interrupt) -> tuple[Training, dict[str, Any]]:
        """Run ``count`` iterations; if the environment fails, save the state from before the call."""
        try:
            return self.program.call(training, count, self.total, lambda: interrupt.requested)
        except RunError:
            with contextlib.suppress(RunError):  # report the first error only
                self.save(training)
            raise
        finally:
            self._hear()

    def _hear(self) -> None:
        for line in self.program.remarks():
            self.progress.note(line)

    def save(self, training: Training, metrics: Metrics | None = None) -> None:
        """Write a checkpoint if all tensors are finite, and record how long the writing took.

        Raises:
            RunError: If the checkpoint cannot be written, or a tensor of the learner is not finite.
        """
        done, began = int(training.iteration), time.perf_counter()
        if broken := _broken(training):
            raise NotFinite(f"{broken} is not finite after iteration {done}{self._last_good()}")
        self.segments = run_state.save(
            self.directory, training, step=self._steps(done), played=self._rows(done), known=self.segments
        )
        self._saved, self._saved_at = done, time.monotonic()
        if metrics is not None:
            row = (self._steps(done), {"seconds/checkpoint": time.perf_counter() - began})
            self._write([row], metrics)

    @property
    def _every(self) -> int:
        return self.save_every or max(1, int(self.total * _SAVE_SHARE))

    def _due(self, done: int) -> bool:
        late = self.save_every is None and time.monotonic() - self._saved_at >= _SAVE_SECONDS
        return late or done >= min(self.total, self._saved + self._every)

    def _steps(self, iterations: int) -> int:
        return iterations * self.program.algorithm.sampling.batch

    def _rows(self, iterations: int) -> int:
        return iterations * self.program.algorithm.sampling.steps

    def _last_good(self) -> str:
        steps = checkpoint.steps(self.directory.checkpoints)
        if not steps:
            return "; there is no checkpoint yet"
        return f"; the last good checkpoint is of step {steps[-1]} in {self.directory.checkpoints}"

    def _advice(self) -> str:
        return f"; to continue: {shlex.join(['hamlet', 'resume', str(self.directory.path)])}"

    def _record(
        self, training: Training, infos: dict[str, Any], done: int, count: int, seconds: float, metrics: Metrics
    ) -> None:
        """Record the metrics of ``count`` iterations after iteration ``done``; stop the run if one is not finite."""
        host = {name: np.asarray(value)[:count] for name, value in infos.items()}
        algorithm, env = self.program.algorithm, self.program.env
        units = roster_of(algorithm, env)
        owners = {
            "actor": units.unit_names,
            "critic": algorithm.critic.roster(units, env.state_shape).unit_names,
        }
        if done == 0 and host["constant_sum"][0]:
            raise RequestError(
                "the agents' rewards sum to a constant, so the team as a whole has nothing to learn; use matrl or ippo"
            )
        rate, sums = algorithm.sampling.batch / seconds, _sums(env)
        rows = [
            (self._steps(done + k + 1), _named(host, owners, k, sums) | {"env_steps_per_second": rate})
            for k in range(count)
        ]
        if self.compile_seconds:
            rows[0][1]["seconds/compile"], self.compile_seconds = self.compile_seconds, 0.0
        bad = [(k, name) for k, (_, row) in enumerate(rows) for name, value in row.items() if not math.isfinite(value)]
        good = rows[: bad[0][0]] if bad else rows
        self._write(good, metrics)
        if bad:
            self._stop(training, done + bad[0][0] + 1, bad[0][1])
        self.progress.update(self._steps(done + count), rows[-1][1].get("return"))

    def _write(self, rows: list[tuple[int, dict[str, float]]], metrics: Metrics) -> None:
        metrics.write(rows)
        for sink in self.sinks:
            for step, row in rows:
                sink.write(step, row)

    def _stop(self, training: Training, iteration: int, name: str) -> None:
        _, quantity, owner = name.split("/") if name.count("/") == 2 else ("", name, "the team")
        broken = _broken(training)
        tensor = f", first in {broken}" if broken else ""
        raise NotFinite(f"{quantity} of {owner} is not finite at iteration {iteration}{tensor}{self._last_good()}")


def _broken(training: Training) -> str | None:
    """Return the name of the learner's first tensor that is not finite; None if all are finite."""
    leaves = jax.tree_util.tree_leaves_with_path(training.learner)
    names = (jax.tree_util.keystr(path) for path, leaf in leaves if not np.isfinite(np.asarray(leaf)).all())
    return next((f"tensor learner{name}" for name in names), None)


def _sums(env: AnyEnvironment) -> tuple[str, ...]:
    """Return the metrics that are sums over episodes: every episode has them, and a NaN in one stops the run."""
    return ("return", *(f"measure/{stream.name}" for stream in reported(declared_streams(env))))


def _named(
    host: dict[str, np.ndarray], owners: dict[str, tuple[str, ...]], k: int, sums: tuple[str, ...] = ("return",)
) -> dict[str, float]:
    """Return one iteration's metrics by name: ``actor/entropy/agent_0``, ``return``."""
    row: dict[str, float] = {}
    for name, values in host.items():
        owner = owners.get(name.split("/")[0])
        if owner is not None:
            if not host.get(_BEHIND[name.split("/")[0]], _ALWAYS)[k]:
                continue  # no update in this iteration, as during warm-up: nothing was measured
            row |= {f"{name}/{who}": float(value) for who, value in zip(owner, values[k], strict=True)}
        elif name in sums and not host["episodes"][k]:
            continue  # no episode ended in this rollout
        elif name.startswith("measure/") and name not in sums and np.isnan(values[k]):
            continue  # no episode that ended in this rollout has this measure
        elif name not in ("constant_sum", "moves"):
            row[name] = float(values[k])
    return row
