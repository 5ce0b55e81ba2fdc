"""The loop around the iterations, wherever games are played: record, check, save, and stop when asked."""

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

# How long a call should take: short enough for Ctrl-C, long enough that Python's part does not count.
_CALL_SECONDS = 1.0
# A checkpoint at least this often, in seconds and as a share of the run.
_SAVE_SECONDS, _SAVE_SHARE = 120.0, 0.05
# Under which name an iteration tells how many updates are behind its measurements; where it does not, there are some.
_BEHIND, _ALWAYS = {"actor": "moves", "critic": "updates"}, np.ones(CAPACITY, np.int32)


class Interrupted(RunError):
    """A run was asked to stop, and did, with a checkpoint."""


class NotFinite(RunError):
    """Something is not finite: to go on from the last good checkpoint would come to the same."""


@dataclass
class Loop:
    """One run's loop.

    Attributes:
        program: What it calls.
        directory: Where it records; locked by the caller.
        total: Iterations of the whole run.
        save_every: Iterations between checkpoints; None for the default of 5 % of the run or two minutes.
        progress: What a person sees.
        examiner: Who evaluates.
        sinks: Who else hears the metrics.
        segments: Those of what the state to begin with remembers of play.
        compile_seconds: What compilation for this run took.
        ending: Whether it is to end before that, and why.
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
        """Iterate to the end.

        Raises:
            Interrupted: On SIGINT or SIGTERM, after a checkpoint.
            RunError: Where something is not finite, cannot be written, or the games cannot go on; the line says which
                checkpoint is the last good one and how to go on from it.
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
                raise Interrupted(f"stopped as asked at {self._steps(done)} steps{self._last_good()}")
            if self.ending.reason and done < self.total:
                self._end_here(training, metrics)
                continue  # to what is evaluated at the end
            if done >= self.total:
                return training
            count = min(count, self._saved + self._every - done, self.examiner.next(done) - done)
            began = time.perf_counter()
            training, infos = self._call(training, count, interrupt)
            iterations = int(training.iteration) - done  # fewer where it was to stop
            seconds = (time.perf_counter() - began) / max(iterations, 1)
            if iterations:
                self._record(training, infos, done, iterations, seconds, metrics)
            if self._due(done + iterations):
                self.save(training, metrics)
            count = max(1, min(CAPACITY, 2 * count, int(_CALL_SECONDS / seconds)))

    def _evaluate(self, training: Training, metrics: Metrics, interrupt: Interrupt) -> None:
        """What is due; where the games cannot be played, what was learnt is saved."""
        try:
            self.examiner.visit(training, metrics, lambda: interrupt.requested)
        except RunError as error:
            with contextlib.suppress(RunError):  # the first reason is the one to tell
                self.save(training, metrics)
            raise extended(error, ", in the evaluation") from error

    def _end_here(self, training: Training, metrics: Metrics) -> None:
        """Make the run one of the steps that it has done."""
        done = int(training.iteration)
        if done != self._saved:
            self.save(training, metrics)
        self.total = self.examiner.total = done
        config = self.directory.config() | {"steps": self._steps(done)}
        declaration.rewrite(self.directory, config, self.progress.note)
        if not self.progress.quiet:
            self.progress.note(f"ended at {self._steps(done):,} steps: {self.ending.reason}")

    def _call(self, training: Training, count: int, interrupt: Interrupt) -> tuple[Training, dict[str, Any]]:
        """Some iterations; where the games cannot go on, what was learnt before is saved."""
        try:
            return self.program.call(training, count, self.total, lambda: interrupt.requested)
        except RunError:
            with contextlib.suppress(RunError):  # the first reason is the one to tell
                self.save(training)
            raise
        finally:
            self._hear()

    def _hear(self) -> None:
        for line in self.program.remarks():
            self.progress.note(line)

    def save(self, training: Training, metrics: Metrics | None = None) -> None:
        """Write a checkpoint, of what is finite only, and how long that took.

        Raises:
            RunError: If it cannot be written, or a tensor of the learner is not finite.
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
        return f"; the last good checkpoint is that of step {steps[-1]} in {self.directory.checkpoints}"

    def _advice(self) -> str:
        return f"; go on with: {shlex.join(['hamlet', 'resume', str(self.directory.path)])}"

    def _record(
        self, training: Training, infos: dict[str, Any], done: int, count: int, seconds: float, metrics: Metrics
    ) -> None:
        """Metrics of ``count`` iterations after ``done``; stops the run where one is not finite."""
        host = {name: np.asarray(value)[:count] for name, value in infos.items()}
        algorithm, env = self.program.algorithm, self.program.env
        units = roster_of(algorithm, env)
        owners = {
            "actor": units.unit_names,
            "critic": algorithm.critic.roster(units, env.state_shape).unit_names,
        }
        if done == 0 and host["constant_sum"][0]:
            raise RequestError("the agents' rewards sum to a constant: there is no team to train; use matrl or ippo")
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
    """The first tensor of the learner that is not finite."""
    leaves = jax.tree_util.tree_leaves_with_path(training.learner)
    names = (jax.tree_util.keystr(path) for path, leaf in leaves if not np.isfinite(np.asarray(leaf)).all())
    return next((f"tensor learner{name}" for name in names), None)


def _sums(env: AnyEnvironment) -> tuple[str, ...]:
    """The metrics that are sums over episodes: every episode has them, and a NaN of them stops the run."""
    return ("return", *(f"measure/{stream.name}" for stream in reported(declared_streams(env))))


def _named(
    host: dict[str, np.ndarray], owners: dict[str, tuple[str, ...]], k: int, sums: tuple[str, ...] = ("return",)
) -> dict[str, float]:
    """One iteration's metrics by name: ``actor/entropy/agent_0``, ``return``."""
    row: dict[str, float] = {}
    for name, values in host.items():
        owner = owners.get(name.split("/")[0])
        if owner is not None:
            if not host.get(_BEHIND[name.split("/")[0]], _ALWAYS)[k]:
                continue  # nothing was measured: play to warm up
            row |= {f"{name}/{who}": float(value) for who, value in zip(owner, values[k], strict=True)}
        elif name in sums and not host["episodes"][k]:
            continue  # no episode ended in this rollout
        elif name.startswith("measure/") and name not in sums and np.isnan(values[k]):
            continue  # or none that gave this
        elif name not in ("constant_sum", "moves"):
            row[name] = float(values[k])
    return row
