"""Worker processes as seen from the one who has them step: started, asked, waited for, ended."""

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

# Seconds that workers have to close their environments before they are killed.
_FAREWELL = 2.0
# Workers share the cores: one that computes with all of them slows the others down. And JAX, where an environment uses
# it, must not take the accelerator from the learner.
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    "JAX_PLATFORMS": "cpu",
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",
}
# What renders into arrays shall open no window, nor ask for a screen where there is none.
_OFF_SCREEN = {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}


class Lost(Exception):
    """A worker gives no answer; the line says why."""


class Process:
    """One worker.

    Attributes:
        pending: Whether it was asked something that it has not answered.
    """

    def __init__(self, setup: Setup, memory: int) -> None:
        self._memory = memory
        self._connection, worker_end = Pipe()
        self._heard = select.poll()  # made once: a connection's own poll makes another at every call
        self._heard.register(self._connection.fileno(), select.POLLIN)
        # It watches the one end, and is ended by the kernel when the other is closed by whatever end of this process.
        # Each has its own: the kernel tells one process, or group of them, for every pipe.
        watched, self._life = os.pipe()
        self._dump = shared_block.allocate(0)
        self._asked, self.pending = time.monotonic(), True
        package = str(Path(worker.__file__).parents[2])
        descriptors = (worker_end.fileno(), watched, self._dump, memory)
        places = json.dumps([user_modules.search_path(setup.factory), user_modules.known()])
        self._process = subprocess.Popen(
            # -P: without it the working directory would come first, even for what is imported here.
            [sys.executable, "-P", "-c", worker.BOOT, places, package, *map(str, descriptors)],
            stdin=subprocess.DEVNULL,
            stdout=2,  # what an environment prints must not mix with what a command prints as JSON
            env={**os.environ, **_ENVIRONMENT, **(_OFF_SCREEN if setup.rendering else {})},
            pass_fds=descriptors,
            process_group=0,  # with what an environment starts, and out of reach of Ctrl-C
        )
        worker_end.close()
        os.close(watched)
        self._tell(setup)

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def _tell(self, setup: Setup) -> None:
        with contextlib.suppress(BrokenPipeError):  # it died at once: the next answer says so
            self._connection.send(setup)

    def ask(self, message: bytes) -> None:
        """Send one of the worker's messages."""
        self._asked, self.pending = time.monotonic(), True
        with contextlib.suppress(BrokenPipeError):
            self._connection.send_bytes(message)

    def answer(self, timeout: float) -> bytes:
        """The answer to what was asked last, at most so many seconds after that.

        Raises:
            Lost: There is none.
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
        """End it; where it was, in short for a line and in full, as far as it can tell within a moment."""
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
        """Wait for its end until then, and enforce it."""
        with contextlib.suppress(EOFError, OSError):
            while self._connection.poll(max(0.0, deadline - time.monotonic())):
                self._connection.recv_bytes()
        self.kill()
        self._connection.close()
        os.close(self._dump)
        os.close(self._life)

    def succeeded(self, setup: Setup) -> "Process":
        """Another process in the place of this one, which is ended."""
        self.close(time.monotonic())
        return Process(setup, self._memory)

    def kill(self) -> None:
        """End it, and what its environments have started."""
        # Before it is waited for: afterwards its number may be another's. A process that ended keeps its own status.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def _read(self) -> str:
        return os.pread(self._dump, 10_000, 0).decode(errors="replace")


def farewell(processes: Sequence[Process]) -> None:
    """End all of them: those that are well by themselves, within seconds."""
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
    """The frames of a dump by faulthandler, the innermost last, as those of an exception are told."""
    frames = []
    for line in trace.splitlines():
        if line.strip().startswith('File "'):
            file, _, rest = line.strip().removeprefix('File "').partition('", line ')
            number, _, name = rest.partition(" in ")
            if not Path(file).is_relative_to(Path(worker.__file__).parents[1]) and file != "<string>":
                frames.append(f"{Path(file).name}:{number} in {name}")
    return f" [{' > '.join(frames[:4][::-1])}]" if frames else ""
