"""A worker: a separate process that steps some copies of a PettingZoo environment.

It imports neither JAX nor the other parts of Hamlet, unless the environment does. `BOOT` starts it: this code finds
this file and the files it needs without running the ``__init__`` files of their packages. The start-up time is
therefore the time that the environment itself needs.
"""

import contextlib
import faulthandler
import fcntl
import os
import select
import signal
import sys
import traceback
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from hamlet.envs.factories import signature
from hamlet.envs.factories.place import find
from hamlet.envs.pettingzoo import shared_block
from hamlet.envs.pettingzoo.description import describe
from hamlet.envs.pettingzoo.env_driver import Broken, EnvDriver, is_hamlets, parallel, seed_of
from hamlet.envs.pettingzoo.picture import rendered
from hamlet.envs.pettingzoo.shared_block import BlockLayout

# Run by `python -P -c` with the search path, the directory of the hamlet package, and file descriptors as arguments.
BOOT = """
import json, sys, types
sys.path[:], directories = json.loads(sys.argv[1])
for name in ("hamlet", "hamlet.envs"):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = ["/".join((sys.argv[2], *name.split(".")[1:]))]
from hamlet.envs.factories import user_modules
from hamlet.envs.pettingzoo.worker import main
user_modules.remember(directories)
main(*map(int, sys.argv[3:]))
"""
# Messages of one byte: step every copy; start the episodes with the numbers in the block; start the next episode of the
# copies that the block selects; render the first copy; close; and the answer "done".
STEP, BEGIN, LEAVE, PICTURE, CLOSE, DONE = b"s", b"b", b"l", b"p", b"c", b"."
# How often in a row a copy may fail before it completes a step.
PATIENCE = 5
# Whether an unhandled SIGIO ends a process: true on Linux, false on macOS and the BSDs.
_SIGIO_ENDS = sys.platform == "linux"


class Setup(NamedTuple):
    """The first message to a worker.

    Attributes:
        factory: ``package.module:function``.
        options: Keyword arguments for the factory; None to ask which keywords it takes.
        seed: The seed of the run.
        numbers: The numbers of all copies in the block.
        share: The rows of the block that belong to this worker.
        plan: The layout of the data that the copies exchange; None to ask for the environment's description.
        restart: Whether a copy that raises an error is restarted.
        rendering: Whether copies are rendered. A copy whose episode ends then stays in its last state.
    """

    factory: str
    options: tuple[tuple[str, Any], ...] | None
    seed: int
    numbers: tuple[int, ...]
    share: tuple[int, ...]
    plan: BlockLayout | None
    restart: bool
    rendering: bool = False


class Incident(NamedTuple):
    """A failure of an environment copy.

    Attributes:
        row: The row of the copy in the block; −1 if the failure does not concern a particular copy.
        episode: The number of the episode.
        steps: The step of the episode at which the copy failed; 0 for the reset.
        text: What happened, in one line.
        trace: The whole traceback, if there is one.
        broken: Whether the environment violated its interface, so that a restart cannot help.
    """

    row: int
    episode: int
    steps: int
    text: str
    trace: str
    broken: bool


def main(connection: int, life: int, dump: int, memory: int) -> None:
    """Serve requests until the parent process asks to close, or has ended."""
    _end_with_parent(life, (connection, dump, memory))
    for descriptor in (connection, life, dump, memory):
        os.set_inheritable(descriptor, False)
    for number in (signal.SIGINT, signal.SIGTERM):  # the parent decides when its workers stop
        signal.signal(number, signal.SIG_IGN)
    faulthandler.enable(file=dump, all_threads=False)
    faulthandler.register(signal.SIGUSR1, file=dump, all_threads=False)
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        Worker(Connection(connection), memory).serve()


def _forget_packages() -> None:
    """Remove the placeholder packages, so that an environment that imports Hamlet finds all of it."""
    for name in ("hamlet", "hamlet.envs"):
        del sys.modules[name]


def _end_with_parent(life: int, others: Sequence[int]) -> None:
    """End this process and all processes that it starts when the other end of a pipe is closed.

    The kernel ends them, even while an environment hangs in compiled code. On systems where the kernel's signal ends no
    process, a second process does it.
    """
    (_have_kernel_end_group if _SIGIO_ENDS else _watch_from_beside)(life, others)
    poll = select.poll()
    poll.register(life, select.POLLHUP)
    if poll.poll(0):
        os._exit(1)


def _have_kernel_end_group(life: int, others: Sequence[int]) -> None:
    """On Linux, SIGIO ends the group when the pipe closes. PR_SET_PDEATHSIG would watch the parent's thread instead."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(life, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(life, fcntl.F_SETFL, fcntl.fcntl(life, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)


def _watch_from_beside(life: int, others: Sequence[int]) -> None:
    """Other systems ignore an unhandled SIGIO: a process of the same group waits for the pipe and ends the group."""
    if os.fork():
        return
    for descriptor in others:  # otherwise the parent would not notice that this process has ended
        os.close(descriptor)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.read(life, 1)  # nothing is ever written: it returns when the other end is closed
    os.killpg(0, signal.SIGKILL)


class Worker:
    """Some environment copies, and the connection to the process that steps them."""

    def __init__(self, connection: Connection, memory: int) -> None:
        self._connection = connection
        self._setup: Setup = connection.recv()
        if not self._setup.factory.startswith("hamlet.envs."):  # Hamlet's own games need only the worker's modules
            _forget_packages()
        self._memory = memory
        self._players: list[EnvDriver] = []
        self._incidents: list[Incident] = []
        self._notes: dict[str, None] = {}
        self._told = 0

    def serve(self) -> None:
        """Make the environments, and answer every message."""
        setup = self._setup
        try:
            make = find(setup.factory)
            if setup.options is None:
                self._reply(None, signature.ask(setup.factory.partition(":")[0], make))
                self._connection.recv_bytes()
                return
            options = dict(setup.options)
            self._make = lambda: parallel(make(**options))
            product = make(**options)
            if setup.plan is None and is_hamlets(product):
                self._reply(None, None)
                self._connection.recv_bytes()
                return
            first = parallel(product)
            self._reply(None, describe(first, seed_of(setup.seed, 0, 0)).plain())
        except BaseException as error:
            self._reply(_incident(-1, 0, 0, error))
            return
        if setup.plan is None:
            self._connection.recv_bytes()
        else:
            self._play(first, setup.plan)
        _close(first)

    def _play(self, first: Any, plan: BlockLayout) -> None:
        setup = self._setup
        wanted = shared_block.arrays(plan, len(setup.numbers))
        self._arrays = shared_block.attach(self._memory, wanted)
        for row in setup.share:
            try:
                env = first if not self._players else self._make()
                rows = {name: array[row, ...] for name, array in self._arrays.items()}
                self._players.append(EnvDriver(env, plan, rows, self._notes))
            except BaseException as error:
                self._reply(_incident(row if self._players else -1, 0, 0, error))
                return
        self._reply(None)
        busy = self._arrays["busy"]
        while (message := self._connection.recv_bytes()) != CLOSE:
            if message == PICTURE:
                self._render()
                continue
            self._incidents = []
            each = {BEGIN: self._begin, LEAVE: self._leave}.get(message, self._step)
            for index, row in enumerate(setup.share):
                busy[row] = True
                on = each(index)
                busy[row] = False
                if not on:
                    break
            if self._incidents or len(self._notes) > self._told:
                notes, self._told = list(self._notes)[self._told :], len(self._notes)
                self._connection.send(([tuple(incident) for incident in self._incidents], notes))
            else:
                self._connection.send_bytes(DONE)
        for player in self._players[1:]:
            _close(player.env)

    def _reply(self, incident: Incident | None, answer: Any = None) -> None:
        """Send plain tuples: pickling an object of Hamlet would import all of Hamlet."""
        self._connection.send((incident and tuple(incident), answer))

    def _render(self) -> None:
        """Answer with the pixels of the first copy, and how many seconds they are shown."""
        try:
            self._reply(None, rendered(self._players[0].env))
        except Exception as error:
            self._reply(_incident(-1, 0, 0, error))

    def _leave(self, index: int) -> bool:
        """Start the next episode of a copy if the block selects it; return whether all copies can continue."""
        row = self._setup.share[index]
        if not self._arrays["leave"][row]:
            return True
        self._arrays["episode"][row] += 1
        return self._begin(index)

    def _step(self, index: int) -> bool:
        """Step one copy, and start its next episode if this one ended; return whether all copies can continue."""
        row, player = self._setup.share[index], self._players[index]
        try:
            if not player.step() or self._setup.rendering:
                return True
        except Exception as error:
            return self._renew(index, error)
        self._arrays["episode"][row] += 1
        return self._begin(index)

    def _begin(self, index: int) -> bool:
        row = self._setup.share[index]
        try:
            self._players[index].begin(seed_of(self._setup.seed, self._setup.numbers[row], self._episode(row)))
        except Exception as error:
            return self._renew(index, error)
        return True

    def _renew(self, index: int, error: Exception) -> bool:
        """Recreate a failed copy and start its next episode, unless restarts are disabled or cannot help."""
        row, player = self._setup.share[index], self._players[index]
        incident = _incident(row, self._episode(row), player.steps, error)
        self._incidents.append(incident)
        failed = sum(other.row == row for other in self._incidents)
        if incident.broken or not self._setup.restart or failed >= PATIENCE:
            return False
        _close(player.env)
        self._arrays["episode"][row] += 1
        try:
            player.env = self._make()
        except Exception as another:
            return self._renew(index, another)
        return self._begin(index)

    def _episode(self, row: int) -> int:
        return int(self._arrays["episode"][row])


def _close(env: Any) -> None:
    with contextlib.suppress(Exception):
        env.close()


def _incident(row: int, episode: int, steps: int, error: BaseException) -> Incident:
    broken = isinstance(error, Broken)
    frames = traceback.extract_tb(error.__traceback__)
    # Frames of Hamlet's own environment modules do not help the environment's author.
    hamlets = os.path.join(os.path.dirname(os.path.dirname(__file__)), "")
    places = [
        f"{os.path.basename(f.filename)}:{f.lineno} in {f.name}" for f in frames if not f.filename.startswith(hamlets)
    ]
    text = " ".join(str(error).split())
    if not broken:
        text = f"raised {type(error).__name__}: {text}" + (f" [{' > '.join(places[-4:])}]" if places else "")
    return Incident(row, episode, steps, text, "" if broken else "".join(traceback.format_exception(error)), broken)
