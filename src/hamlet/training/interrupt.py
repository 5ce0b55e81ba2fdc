"""Stop signals that wait until the training loop reaches a point where it can stop safely."""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Interrupt:
    """A context in which SIGINT and SIGTERM only set a flag, which a loop polls; a second SIGINT stops immediately.

    Python delivers signals in the main thread only. In other threads the context does nothing, and ``requested`` stays
    False.

    >>> with Interrupt() as interrupt:
    ...     signal.raise_signal(signal.SIGTERM)
    ...     interrupt.requested
    True
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._handlers: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Whether a signal arrived, so that the loop shall stop at its next safe point."""
        return self.received is not None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, self._receive)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            # None means that the old handler was not installed from Python. Such a handler cannot be restored.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._handlers.clear()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.received = self.received or signal.Signals(number)
