"""Copies of a PettingZoo environment, distributed over worker processes that write whole batches into shared memory."""

import contextlib
import os
import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, NoReturn

import jax
import numpy as np

from hamlet.envs.base import Outcome, View
from hamlet.envs.factories import signature
from hamlet.envs.factories.signature import Keywords
from hamlet.envs.host import Snapshot, Step
from hamlet.envs.pettingzoo import shared_block, worker
from hamlet.envs.pettingzoo.batch_validation import Lookout, copied, copy_row, fault
from hamlet.envs.pettingzoo.description import Description
from hamlet.envs.pettingzoo.env_driver import seed_of
from hamlet.envs.pettingzoo.processes import Lost, Process, farewell
from hamlet.envs.pettingzoo.shared_block import BlockLayout
from hamlet.envs.pettingzoo.worker import PATIENCE, Incident, Setup
from hamlet.errors import RequestError, RunError
from hamlet.roster import Group

# The minimum time that a worker has to make its environments, in seconds.
_START = 60.0
# The step count of a copy that failed at a reset, between two episodes.
_RESET = 0
# The tree structure of an outcome: building an outcome from its arrays this way is faster than its constructor.
_OUTCOME = jax.tree.structure(
    Outcome(np.zeros((1, 1), np.float32), np.zeros(1, bool), np.zeros(1, bool), np.zeros((1, 1), bool))
)


class CopiesSetup(NamedTuple):
    """Which environment the copies run, and how.

    Attributes:
        factory: ``package.module:function``.
        options: Keyword arguments for the factory.
        description: The environment's description at the time when it was declared.
        groups: The agents.
        plan: The layout of the data that the copies exchange.
        processes: The number of worker processes.
        timeout: Seconds after which a worker that has not answered counts as lost.
        restart: Whether a copy that fails starts its next episode; if not, the failure ends the run.
        rendering: Whether copies are rendered.
    """

    factory: str
    options: tuple[tuple[str, object], ...]
    description: Description
    groups: tuple[Group, ...]
    plan: BlockLayout
    processes: int
    timeout: float
    restart: bool
    rendering: bool = False


def probe(factory: str, options: tuple[tuple[str, object], ...], timeout: float) -> Description | None:
    """Return an environment's description from a worker that makes one copy; None if it has Hamlet's interface.

    Raises:
        RequestError: The environment cannot be made, or it is not supported.
    """
    with _asked(factory, options) as process:
        answer = _made(process, factory, timeout)
    return None if answer is None else Description.of(answer)


def factory_keywords(factory: str, timeout: float) -> Keywords:
    """Return the keywords that a factory takes, from a worker that makes no environment.

    Raises:
        RequestError: The factory does not exist.
    """
    with _asked(factory, None) as process:
        return signature.keywords_of(_made(process, factory, timeout))


@contextlib.contextmanager
def _asked(factory: str, options: tuple[tuple[str, object], ...] | None) -> Iterator[Process]:
    """Start a worker without copies, and close it at the end."""
    memory = shared_block.allocate(1)
    process = Process(Setup(factory, options, 0, (0,), (0,), None, False), memory)
    try:
        yield process
    finally:
        farewell([process])
        os.close(memory)


def _described(process: Process, factory: str, timeout: float) -> Description:
    """Return the description that a worker sends after it made its first copy."""
    return Description.of(_made(process, factory, timeout))


def _made(process: Process, factory: str, timeout: float, numbers: Sequence[int] = ()) -> Any:
    """Return a worker's answer while it makes its environments."""
    try:
        incident, answer = pickle.loads(process.answer(max(timeout, _START)))
    except Lost as lost:
        where, trace = process.last_words()
        raise _noted(RequestError(f"{factory} cannot be made: its process {lost}{where}"), trace) from None
    if incident is not None:
        incident = Incident(*incident)
        raise _noted(RequestError(f"{factory} cannot be {_unusable(incident, numbers)}"), incident.trace)
    return answer


def _unusable(incident: Incident, numbers: Sequence[int]) -> str:
    """Return what is wrong with the environment itself, or with one copy of several."""
    if incident.row < 0:
        return f"used: {incident.text}"
    return (
        f"made as copy {numbers[incident.row]}, together with other copies in one process: {incident.text}; if a "
        "process can hold only one copy, set --env.processes equal to --num-envs"
    )


class PettingZooCopies:
    """Some environment copies that step together: a `hamlet.envs.host.HostCopies`.

    Attributes:
        workers: The worker processes, in the order of the copies.
    """

    def __init__(self, terms: CopiesSetup, seed: int, numbers: range) -> None:
        self._terms, self._seed, self._numbers = terms, seed, tuple(numbers)
        wanted = shared_block.arrays(terms.plan, len(numbers))
        self._memory = shared_block.allocate(shared_block.size(wanted))
        self._arrays = shared_block.attach(self._memory, wanted)
        self._arrival, self._fresh = (
            Lookout(terms.groups, terms.plan, self._arrays, time) for time in ("arrival", "fresh")
        )
        self._came = [self._arrays[name] for name in ("reward", "terminated", "truncated", "cut")]
        self._episode, self._steps, self._failed = (np.zeros(len(numbers), np.int64) for _ in range(3))
        self._view: View | None = None
        self._lines: list[str] = []
        self._notes: dict[str, None] = {}
        self._told = 0
        self._closed = False
        self.workers: list[Process] = []
        shares = np.array_split(np.arange(len(numbers)), min(terms.processes, len(numbers)))
        self._setups = [self._setup(tuple(int(row) for row in share)) for share in shares]
        try:
            for setup in self._setups:
                self.workers.append(Process(setup, self._memory))
            for process in self.workers:
                self._admit(process)
        except BaseException:
            self.close()
            raise

    def _setup(self, share: tuple[int, ...]) -> Setup:
        terms = self._terms
        return Setup(
            terms.factory,
            terms.options,
            self._seed,
            self._numbers,
            share,
            terms.plan,
            terms.restart,
            terms.rendering,
        )

    def _admit(self, process: Process) -> None:
        """Wait until a worker has made its copies, and check that they match the declaration."""
        terms, declared = self._terms, self._terms.description
        description = _described(process, terms.factory, terms.timeout)
        if (description.agents, description.turns) != (declared.agents, declared.turns):
            raise RequestError(
                f"the agents or spaces of {terms.factory} have changed since it was declared: declare it again"
            )
        _made(process, terms.factory, terms.timeout, self._numbers)

    def begin(self, episode: np.ndarray) -> View:
        """Start in every copy the episode with the given number."""
        if self._pending:  # the result of this step is no longer needed
            self._collect()
        self._arrays["episode"][:] = self._episode[:] = episode
        self._steps[:], self._failed[:] = _RESET, 0
        for process in self.workers:
            process.ask(worker.BEGIN)
        self._collect()
        self._episode[:] = self._arrays["episode"]
        self._view = self._fresh()
        self._check(self._view, None)
        return self._view

    def send(self, actions: tuple[np.ndarray, ...]) -> None:
        """Start a step in every copy."""
        assert self._view is not None, "begin comes before the first step"
        for g, action in enumerate(actions):
            self._arrays[f"action/{g}"][...] = action
        self._steps += 1
        for process in self.workers:
            process.ask(worker.STEP)

    def receive(self) -> Step:
        """Wait for the step and return its result.

        Raises:
            RunError: A copy failed and cannot continue.
        """
        assert self._pending and self._view is not None, "send comes before receive"
        failed, last = self._collect(), self._view
        arrival = self._arrival()
        outcome: Outcome = jax.tree.unflatten(_OUTCOME, [array.copy() for array in self._came])
        for row in failed:  # this step counts as truncated, as if a time limit had ended the episode before it
            copy_row(last, arrival, row)
            outcome.reward[row] = 0.0
            outcome.terminated[row], outcome.truncated[row] = False, True
            assert outcome.cut is not None and last.alive is not None
            outcome.cut[row] = last.alive[row]
        if failed:
            outcome = replace(outcome, failed=self._flags(failed))
        self._check(arrival, outcome.reward)
        view, ended = arrival, np.flatnonzero(outcome.terminated | outcome.truncated).tolist()
        if ended:
            self._episode[:] = self._arrays["episode"]
            self._steps[ended] = _RESET
            view, fresh = copied(arrival), self._fresh()
            for row in ended:
                copy_row(fresh, view, row)
            self._check(view, None)
        self._view = view
        measures = self._arrays["measures"].copy() if self._terms.plan.measures else None
        return Step(arrival, outcome, view, measures)

    def leave(self, copies: np.ndarray) -> View:
        """Abandon the current episode in some copies, and start their next episode."""
        assert self._view is not None and not self._pending, "receive comes before leave"
        self._arrays["leave"][:] = copies
        self._steps[copies] = _RESET
        before = self._episode.copy()
        for process, setup in zip(self.workers, self._setups, strict=True):
            if copies[list(setup.share)].any():
                process.ask(worker.LEAVE)
        self._collect()
        self._episode[:] = self._arrays["episode"]
        view, fresh = copied(self._view), self._fresh()
        for row in np.flatnonzero(self._episode != before).tolist():
            copy_row(fresh, view, row)
        self._check(view, None)
        self._view = view
        return view

    def _flags(self, rows: Sequence[int]) -> np.ndarray:
        flags = np.zeros(len(self._numbers), bool)
        flags[list(rows)] = True
        return flags

    def snapshot(self) -> Snapshot:
        """Return the episode number of every copy."""
        return {"episode": self._episode.astype(np.int32)}

    def restore(self, snapshot: Snapshot) -> NoReturn:
        """Refuse: the state of a PettingZoo environment cannot be restored."""
        raise RequestError(
            "the state of a PettingZoo environment cannot be restored within an episode; start the next episode instead"
        )

    def failures(self) -> tuple[str, ...]:
        """Return one line for each copy that failed and was restarted since the last call."""
        lines, self._lines = tuple(self._lines), []
        return lines

    def notes(self) -> tuple[str, ...]:
        """Return the notes that were added since the last call."""
        new, self._told = tuple(self._notes)[self._told :], len(self._notes)
        return new

    def close(self) -> None:
        """Stop every process and free all shared memory."""
        if not self._closed:
            self._closed = True
            farewell(self.workers)
            # These are the last references to the block.
            self._arrays, self._came = {}, []
            del self._arrival, self._fresh
            os.close(self._memory)

    @property
    def _pending(self) -> bool:
        """Whether a worker still has to answer; after an interrupt, this may be true for only some workers."""
        return any(process.pending for process in self.workers)

    def _collect(self) -> list[int]:
        """Wait for all workers; return the rows of copies whose step failed.

        Raises:
            RunError: A copy failed, and restarts are disabled or not possible.
        """
        answers: list[Lost | list[Incident]] = []
        for process in self.workers:
            try:
                answers.append(self._heard(process) if process.pending else [])
            except Lost as lost:
                answers.append(lost)
        failed: list[int] = []
        for index, answer in enumerate(answers):
            share = self._setups[index].share
            if isinstance(answer, Lost):
                now = list(share)
            else:
                now = list({incident.row for incident in answer if incident.steps > _RESET})
            if self._failed.any():
                self._failed[[row for row in share if row not in now]] = 0
            if isinstance(answer, Lost):
                self._replace(index, answer)
            else:
                self._account(answer)
            failed += now
        return failed if self._view is not None else []

    def _account(self, incidents: Iterable[Incident]) -> None:
        """Count the failures, and stop the run if it should stop or if restarts do not help."""
        for incident in incidents:
            line = self._line(incident.row, incident.episode, incident.steps, incident.text)
            self._failed[incident.row] += 1
            self._stop_if_hopeless(incident.row, line, incident.trace, incident.broken or not self._terms.restart)
            self._lines.append(f"{line}; this copy starts its next episode")

    def _stop_if_hopeless(self, row: int, line: str, trace: str, stop: bool) -> None:
        hopeless = self._failed[row] >= PATIENCE
        if hopeless or stop:
            again = f"failed {PATIENCE} times in a row without completing a step; last failure: " if hopeless else ""
            raise _noted(RunError(again + line), trace)

    def _replace(self, index: int, lost: Lost) -> None:
        """Start another worker for one that gives no answer; its copies start their next episodes."""
        share = list(self._setups[index].share)
        first, last = self._numbers[share[0]], self._numbers[share[-1]]
        while True:
            # First find out which copy the worker was stepping: a signal may release it from the hanging call.
            line, (where, trace) = self._obituary(share), self.workers[index].last_words()
            line = line.format(f"its process {lost}{where}")
            self._failed[share] += 1
            self._stop_if_hopeless(share[0], line, trace, not self._terms.restart)
            begin = (
                f"copies {first} to {last} start their next episodes"
                if last > first
                else "this copy starts its next episode"
            )
            self._lines.append(f"{line}; {begin}")
            self._arrays["episode"][share] = self._episode[share] = self._episode[share] + 1
            self._arrays["busy"][share], self._steps[share] = False, _RESET
            try:
                return self._begin_anew(index)
            except Lost as another:
                lost = another

    def _obituary(self, share: list[int]) -> str:
        """Return a line on what a worker was doing, as its block shows it, with {} for what happened to it."""
        row = next((row for row in share if self._arrays["busy"][row]), share[0])
        episode = int(self._arrays["episode"][row])
        return self._line(row, episode, int(self._steps[row]) if episode == self._episode[row] else _RESET, "{}")

    def _begin_anew(self, index: int) -> None:
        process = self.workers[index] = self.workers[index].succeeded(self._setups[index])
        try:
            self._admit(process)
        except RequestError as error:
            raise RunError(str(error)) from error
        process.ask(worker.BEGIN)
        self._account(self._heard(process))

    def _heard(self, process: Process) -> list[Incident]:
        """Wait for a worker's answer; return its failures."""
        message = process.answer(self._terms.timeout)
        if message == worker.DONE:
            return []
        incidents, notes = pickle.loads(message)
        self._notes |= dict.fromkeys(notes)
        return [Incident(*plain) for plain in incidents]

    def _line(self, row: int, episode: int, steps: int, text: str) -> str:
        when = f"at step {steps}" if steps > _RESET else "at the reset"
        seed = seed_of(self._seed, self._numbers[row], episode)
        return f"copy {self._numbers[row]} {when} of episode {episode} (seed {seed}): {text}"

    def _check(self, view: View, reward: np.ndarray | None) -> None:
        """Stop the run if the data contains values that training cannot use."""
        if problem := fault(self._terms.groups, self._terms.plan, view, reward, self._notes):
            row, text = problem
            raise RunError(self._line(row, int(self._episode[row]), int(self._steps[row]), text))


def _noted(error: Exception, trace: str) -> Exception:
    """Return the error with the whole traceback as a note, which Python shows below the error's line."""
    if trace:
        error.add_note(trace)
    return error
