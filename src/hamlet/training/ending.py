"""Early stopping: a run stops before its last step if an evaluation's return is high enough or its callback asks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Callback: TypeAlias = Callable[[int, Mapping[str, float]], bool | None]
"""A function that receives an environment step and the metrics recorded at it; if it returns True, the run stops."""


@dataclass
class Ending:
    """A metrics sink (`hamlet.runs.metrics.Sink`) that decides whether the run stops early.

    Attributes:
        stop_at: The run stops when an evaluation's mean team return is at least this value; None to disable.
        callback: A function that may also stop the run; None for none.
        reason: A text that says why the run stops; empty as long as the run continues.
    """

    stop_at: float | None = None
    callback: Callback | None = None
    reason: str = field(default="", init=False)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Receive the metrics of one step."""
        evaluated = values.get("evaluation/return")
        if self.stop_at is not None and evaluated is not None and evaluated >= self.stop_at:
            self.reason = f"the evaluation's mean return {evaluated:.4g} reached the target {self.stop_at:g}"
        if self.callback is not None and self.callback(step, values):
            self.reason = "the callback returned True"

    def close(self) -> None:
        """Do nothing: no resource is open."""
