"""Worker processes as the parent process sees them: start, ask, wait, end."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from multiprocessing.connection import Pipe
from pathlib import Path

from hamlet.envs.factories import user_modules
from hamlet.envs.pettingzoo import shared_block, worker
from hamlet.envs.pettingzoo.worker import Setup

# The seconds that workers have to close their environments before they are killed.
_FAREWELL = 2.0
# Workers share the cores: a worker that used all cores would slow the other workers. If an environment uses JAX, JAX
# must not take the accelerator from the learner.
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    "JAX_PLATFORMS": "cpu",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
}
# Rendering into arrays must open no window, and must not need a screen.
_OFF_SCREEN = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}


class Lost(Exception):
    """A worker gives no answer; the message says why."""


class Process:
    """One worker process.

    Attributes:
        pending: Whether the worker still has to answer a message.
    """

    def __init__(self, setup: Setup, memory: int) -> None:
        self._memory = memory
        self._connection, worker_end = Pipe()
        self._heard = select.poll()  # made once: a connection's own poll creates a new object at every call
        self._heard.register(self._connection.fileno(), select.POLLIN)
        # The worker watches one end of this pipe. However this process ends, its end closes, and the kernel then ends
        # the worker. Every worker has its own pipe: for each pipe, the kernel signals one process or process group.
        watched, self._life = os.pipe()
        self._dump = shared_block.allocate(0)
        self._asked, self.pending = time.monotonic(), True
        package = str(Path(worker.__file__).parents[2])
        descriptors = (worker_end.fileno(), watched, self._dump, memory)
        places = json.dumps([user_modules.search_path(setup.factory), user_modules.known()])
        self._process = subprocess.Popen(
            # -P: without it the working directory would come first, also for the modules imported here.
            [sys.executable, "-P", "-c", worker.BOOT, places, package, *map(str, descriptors)],
            stdin=subprocess.DEVNULL,
            stdout=2,  # output of an environment must not mix with a command's JSON output
            env={**os.environ, **_ENVIRONMENT, **(_OFF_SCREEN if setup.rendering else {})},
            pass_fds=descriptors,
            process_group=0,  # groups the worker with processes that the environment starts; Ctrl-C does not reach it
        )
        worker_end.close()
        os.close(watched)
        self._tell(setup)

    @property
    def pid(self) -> int:
        """The process number."""
        return self._process.pid

    def _tell(self, setup: Setup) -> None:
        with contextlib.suppress(BrokenPipeError):  # the worker has already died: the next answer reports it
            self._connection.send(setup)

    def ask(self, message: bytes) -> None:
        """Send a message to the worker."""
        self._asked, self.pending = time.monotonic(), True
        with contextlib.suppress(BrokenPipeError):
            self._connection.send_bytes(message)

    def answer(self, timeout: float) -> bytes:
        """Return the answer to the last message; wait until ``timeout`` seconds after that message.

        Raises:
            Lost: There is no answer.
        """
        remaining_seconds = max(0.0, self._asked + timeout - time.monotonic())
        if not self._heard.poll(1000 * remaining_seconds):
            raise Lost(f"gave no answer for {timeout:g} s")
        self.pending = False
        try:
            return self._connection.recv_bytes()
        except (EOFError, ConnectionResetError):
            self.kill()
            code = self._process.returncode
            raise Lost(f"was ended by {_signal(-code)}" if code < 0 else f"ended with status {code}") from None

    def last_words(self) -> tuple[str, str]:
        """Kill the worker; return where it was, as a short text and as a full trace, if it reports this in time."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGUSR1)
            for _ in range(20):
                time.sleep(0.01)
                if self._read():
                    break
        self.kill()
        trace = self._read()
        return _innermost(trace), trace

    def close(self, deadline: float) -> None:
        """Wait for the worker to end until the deadline, then kill it."""
        with contextlib.suppress(EOFError, OSError):
            while self._connection.poll(max(0.0, deadline - time.monotonic())):
                self._connection.recv_bytes()
        self.kill()
        self._connection.close()
        os.close(self._dump)
        os.close(self._life)

    def succeeded(self, setup: Setup) -> "Process":
        """End this worker and start another one in its place."""
        self.close(time.monotonic())
        return Process(setup, self._memory)

    def kill(self) -> None:
        """Kill the worker and the processes that its environments started."""
        # Kill before waiting: afterwards the number may belong to another process. An ended process keeps its status.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _read(self) -> str:
        return os.pread(self._dump, 10_000, 0).decode(errors="replace")


def farewell(processes: Sequence[Process]) -> None:
    """Close all workers: ask each to end by itself, and kill it after a few seconds."""
    for process in processes:
        process.ask(worker.CLOSE)
    deadline = time.monotonic() + _FAREWELL
    for process in processes:
        process.close(deadline)


def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def _innermost(trace: str) -> str:
    """Return the frames of a faulthandler dump in the form used for exceptions, with the innermost frame last."""
    frames = []
    for line in trace.splitlines():
        if line.strip().startswith('File "'):
            file, _, rest = line.strip().removeprefix('File "').partition('", line ')
            number, _, name = rest.partition(" in ")
            if not Path(file).is_relative_to(Path(worker.__file__).parents[1]) and file != "<string>":
                frames.append(f"{Path(file).name}:{number} in {name}")
    return f" [{' > '.join(frames[:4][::-1])}]" if frames else ""
