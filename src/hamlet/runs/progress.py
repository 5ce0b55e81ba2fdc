"""The progress line of a run: steps done, latest returns, speed, and remaining time."""

import sys
import time
from dataclasses import dataclass, field
from typing import TextIO

_PLAIN_EVERY = 10.0


@dataclass
class Progress:
    """One line in environment steps; it is rewritten in a terminal, and printed every ten seconds to other outputs.

    ``evaluated`` is the mean return of the latest evaluation.
    """

    total: int
    done: int = 0
    stream: TextIO = field(default_factory=lambda: sys.stderr)
    quiet: bool = False
    evaluated: float | None = None
    _began: float = field(default_factory=time.perf_counter)
    _first: int = -1
    _shown: float = -1e9

    def update(self, done: int, score: float | None) -> None:
        """Show that ``done`` steps are done, and ``score``, the latest mean return of finished training episodes."""
        now = time.perf_counter()
        if self._first < 0:
            # The first report only starts the clock: the time before it was spent on compilation.
            self._first, self._began = done, now
        self.done = done
        terminal = self.stream.isatty()
        due = terminal or now - self._shown >= _PLAIN_EVERY or done >= self.total
        if self.quiet or not due:
            return
        self._shown = now
        line = self.line(now, score)
        self.stream.write(f"\r\x1b[K{line}" if terminal else f"{line}\n")
        self.stream.flush()

    def line(self, now: float, score: float | None) -> str:
        """Return the line."""
        rate = (self.done - self._first) / max(now - self._began, 1e-9)
        parts = [f"{_short(self.done)}/{_short(self.total)} steps"]
        parts += [] if score is None else [f"return {score:.2f}"]
        parts += [] if self.evaluated is None else [f"evaluation {self.evaluated:.2f}"]
        if rate > 0:
            seconds_left = (self.total - self.done) / rate
            parts += [f"{rate:,.0f} env steps/s", f"{int(seconds_left // 60)}:{int(seconds_left % 60):02d} left"]
        return " · ".join(parts)

    def note(self, line: str) -> None:
        """Print a separate line, even with ``quiet``: such a line reports a problem."""
        start = "\r\x1b[K" if self.stream.isatty() and self._shown > 0 else ""
        self.stream.write(f"{start}{line}\n")
        self.stream.flush()

    def close(self) -> None:
        """End the line, so that later output starts on a new line."""
        if not self.quiet and self.stream.isatty() and self._shown > 0:
            self.stream.write("\n")


def _short(count: int) -> str:
    for unit, size in (("M", 1_000_000), ("k", 1_000)):
        if count >= size:
            return f"{count / size:.4g}{unit}"
    return str(count)
