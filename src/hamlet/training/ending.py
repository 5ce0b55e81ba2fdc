"""Why a run ends before its steps are done: an evaluation's return is high enough, or its caller says so."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Callback: TypeAlias = Callable[[int, Mapping[str, float]], bool | None]
"""What hears of each environment step's metrics as they are recorded; True ends the run there."""


@dataclass
class Ending:
    """A sink of metrics (`hamlet.runs.metrics.Sink`) that knows whether the run is to end.

    Attributes:
        stop_at: The mean team return of an evaluation from which on it ends; None for none.
        callback: Who else may end it.
        reason: Why it is to end, in words; empty while it is not.
    """

    stop_at: float | None = None
    callback: Callback | None = None
    reason: str = field(default="", init=False)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Take the metrics of one step."""
        evaluated = values.get("evaluation/return")
        if self.stop_at is not None and evaluated is not None and evaluated >= self.stop_at:
            self.reason = f"the evaluation's return, {evaluated:.4g}, is at least {self.stop_at:g}"
        if self.callback is not None and self.callback(step, values):
            self.reason = "its callback said so"

    def close(self) -> None:
        """Nothing was opened."""
